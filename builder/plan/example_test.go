package plan_test

import (
	"fmt"

	"cove/builder/plan"
)

// A context of git, as people write it: a repository, what of it, and where in it.
func ExampleParseGit() {
	g, err := plan.ParseGit("https://ci:token@git.example/team/app.git#v1.2:cmd/app")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(g.Ref, g.Dir)
	fmt.Println(plan.ShowURL(g.Remote))
	// Output:
	// v1.2 cmd/app
	// https://git.example/team/app.git
}
