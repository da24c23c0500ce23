package immutable_test

import (
	"fmt"

	"cove/registry/immutable"
	"cove/registry/selector"
)

// Tags that a rule speaks of stay what they are.
func ExampleAmong() {
	rules := []immutable.Rule{{ID: 7, Selector: selector.Selector{Repositories: "**", Tags: "v*"}}}
	rule, keeps := immutable.Among(rules, "app", "v1.2")
	fmt.Println(rule.ID, keeps)
	_, keeps = immutable.Among(rules, "app", "latest")
	fmt.Println(keeps)
	// Output:
	// 7 true
	// false
}
