package rights_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"cove/errdefs"
	"cove/registry/auth/rights"
)

var update = flag.Bool("update", false, "write the golden files")

// TestRolesAreHarbors holds the roles against the table that was read from Harbor's
// code, role by role and right by right.
func TestRolesAreHarbors(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	for _, role := range rights.BuiltIn() {
		fmt.Fprintf(&out, "%s\n", role)
		byResource := map[string][]string{}
		for right := range rights.OfRole(role) {
			resource, action, _ := strings.Cut(string(right), ":")
			byResource[resource] = append(byResource[resource], action)
		}
		for _, resource := range slices.Sorted(keys(byResource)) {
			slices.Sort(byResource[resource])
			fmt.Fprintf(&out, "  %-20s %s\n", resource, strings.Join(byResource[resource], " "))
		}
	}
	const golden = "testdata/roles.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil || string(want) != out.String() {
		t.Errorf("the roles differ from %s (%v):\n%s", golden, err, &out)
	}
}

func keys[V any](m map[string]V) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// TestGreaterRolesHaveMore: a maintainer may all that a developer may, and so on.
func TestGreaterRolesHaveMore(t *testing.T) {
	t.Parallel()
	order := rights.BuiltIn()[:5]
	for i := 1; i < len(order); i++ {
		if missing, ok := rights.OfRole(order[i]).Has(rights.OfRole(order[i-1])); !ok {
			t.Errorf("%s may %s, and %s may not", order[i-1], missing, order[i])
		}
	}
	for _, right := range rights.All() {
		if rights.OfRole(rights.Auditor)[right] && !right.Reads() && !right.System() {
			t.Errorf("an auditor may %s", right)
		}
	}
}

func TestSetsAreStored(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		set := rights.NewSet(rapid.SliceOf(rapid.SampledFrom(rights.All())).Draw(t, "rights")...)
		back := rights.Stored(set.String())
		if _, ok := set.Has(back); !ok || len(back) != len(set) {
			t.Fatalf("%q came back as %q", set, back)
		}
	})
}

func TestParse(t *testing.T) {
	t.Parallel()
	for typed, want := range map[string]string{
		"pull":                "repository:pull",
		"push":                "artifact:create repository:pull repository:push tag:create",
		"pull,tag:list":       "repository:pull tag:list",
		"delete tag:list":     "artifact:delete repository:delete tag:delete tag:list",
		"puller":              "repository:pull",
		"system:manage-users": "system:manage-users",
	} {
		if got, err := rights.Parse(typed); err != nil || got.String() != want {
			t.Errorf("%s: %q, %v; want %q", typed, got, err, want)
		}
	}
	for _, wrong := range []string{"fly", "repository:fly", "Pull"} {
		if _, err := rights.Parse(wrong); !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("%s: %v", wrong, err)
		}
	}
}

func TestGlobs(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		glob, name string
		want       bool
	}{
		{"*", "team/app", true},
		{"app", "app", true},
		{"app", "apps", false},
		{"app-*", "app-", true},
		{"app-*", "app-a/b", true},
		{"*/web", "a/b/web", true},
		{"*/web", "web", false},
		{"a?c", "abc", true},
		{"a?c", "ac", false},
		{"a_c", "abc", false},
		{"*a*b", "xaxxbxb", true},
		{"*a*b", "xaxxbxc", false},
		{"", "", true},
		{"**", "", true},
	} {
		if got := rights.Match(tc.glob, tc.name); got != tc.want {
			t.Errorf("%q matches %q: %v", tc.glob, tc.name, got)
		}
	}
	for _, wrong := range []string{"", "App", "a b", "a%b", `a\b`, "a[b]", strings.Repeat("a", 256)} {
		if rights.CheckGlob(wrong) == nil {
			t.Errorf("%q is taken", wrong)
		}
	}
	if got := rights.Like("a_b-*c?"); got != `a\_b-%c_` {
		t.Errorf("as a pattern of LIKE: %s", got)
	}
}
