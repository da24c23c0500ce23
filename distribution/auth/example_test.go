package auth_test

import (
	"fmt"

	"cove/distribution/auth"
)

func ExampleParseScope() {
	s, err := auth.ParseScope("repository:team/app:pull,push")
	fmt.Println(s.Type, s.Name, s.Actions, err)
	_, err = auth.ParseScope("nonsense")
	fmt.Println(err != nil)
	// Output:
	// repository team/app [pull push] <nil>
	// true
}
