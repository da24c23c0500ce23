package selector_test

import (
	"fmt"

	"cove/registry/selector"
)

// Rules speak of repositories and tags by globs, or of all but those.
func Example() {
	s := selector.Selector{Repositories: "web/**", Tags: "v*", ExceptTags: true}
	fmt.Println(s.Check())
	fmt.Println(s.Repository("web/shop"), s.Repository("api"))
	fmt.Println(s.Tag("latest"), s.Tag("v1"))
	// Output:
	// <nil>
	// true false
	// true false
}
