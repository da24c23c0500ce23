package rights_test

import (
	"fmt"

	"cove/registry/auth/rights"
)

// A role is a set of rights; a custom one is any subset of them.
func Example() {
	guest := rights.OfRole("guest")
	fmt.Println(guest[rights.Pull], guest[rights.Push])
	ci, err := rights.Parse("repository:pull", "repository:push")
	fmt.Println(ci[rights.Push], err)
	fmt.Println(rights.Match("team/*", "team/app/web"), rights.Match("team/app?", "team/app"))
	// Output:
	// true false
	// true <nil>
	// true false
}
