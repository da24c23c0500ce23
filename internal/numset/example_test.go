package numset_test

import (
	"fmt"

	"cove/internal/numset"
)

func ExampleParse() {
	cpus, err := numset.Parse("0-2,8")
	fmt.Println(cpus.Len(), err)
	fewer, _ := numset.Parse("1,2")
	fmt.Println(fewer.In(cpus), cpus.In(fewer))
	// Output:
	// 4 <nil>
	// true false
}
