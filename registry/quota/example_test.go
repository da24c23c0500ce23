package quota_test

import (
	"fmt"

	"cove/registry/quota"
)

// A quota as people write it.
func ExampleParse() {
	for _, text := range []string{"10GiB", "1500MB", "none", "default", "much"} {
		bytes, err := quota.Parse(text)
		switch {
		case err != nil:
			fmt.Println(err)
		case bytes == nil:
			fmt.Println(text, "leaves it to the registry")
		default:
			fmt.Println(*bytes, quota.Text(*bytes))
		}
	}
	// Output:
	// 10737418240 10GiB
	// 1500000000 1500000000
	// -1 none
	// default leaves it to the registry
	// quota "much": use a size as 10GiB, a number of bytes, "none", or "default"
}
