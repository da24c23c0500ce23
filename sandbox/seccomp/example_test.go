package seccomp_test

import (
	"fmt"

	"cove/sandbox/defaults"
	"cove/sandbox/seccomp"
)

// docker's default profile, as it is for a container with docker's default capabilities.
func Example() {
	profile, err := seccomp.Default(defaults.Capabilities())
	if err != nil {
		fmt.Println(err)
		return
	}
	filter, err := seccomp.Compile(profile, "amd64")
	fmt.Println(profile.DefaultAction, len(filter) > 100, err)
	// Output:
	// SCMP_ACT_ERRNO true <nil>
}
