package leanjson_test

import (
	"fmt"

	"cove/internal/leanjson"
)

// What encoding/json writes and reads, without what its reflection costs at a start.
func Example() {
	type record struct {
		Name  string            `json:"name"`
		Ports []uint16          `json:"ports,omitempty"`
		Env   map[string]string `json:"env,omitempty"`
	}
	text, err := leanjson.Marshal(record{Name: "web", Ports: []uint16{80, 443}})
	fmt.Println(string(text), err)
	var back record
	err = leanjson.Unmarshal([]byte(`{"name":"db","env":{"A":"1"},"unknown":[{}]}`), &back)
	fmt.Println(back.Name, back.Env["A"], err)
	// Output:
	// {"name":"web","ports":[80,443]} <nil>
	// db 1 <nil>
}
