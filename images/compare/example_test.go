package compare_test

import (
	"fmt"

	"cove/images/compare"
)

// In what two configs of images differ.
func ExampleConfigs() {
	all, err := compare.Configs(
		[]byte(`{"os":"linux","config":{"User":"root","Env":["A=1"]}}`),
		[]byte(`{"os":"linux","config":{"User":"nobody","Env":["A=1"]}}`))
	for _, d := range all {
		fmt.Printf("%s: %s, was %s\n", d.What, d.After, d.Before)
	}
	fmt.Println(err)
	// Output:
	// User: "nobody", was "root"
	// <nil>
}
