package version_test

import (
	"fmt"

	"cove/registry/scan/version"
)

// Versions are compared as the package manager that made them compares.
func ExampleLess() {
	fmt.Println(version.Less(version.Debian, "1.0~rc1-1", "1.0-1"), version.Less(version.Debian, "1:1.0", "2.0"))
	fmt.Println(version.Less(version.NPM, "1.9.0", "1.10.0"))
	// Output:
	// true false
	// true
}
