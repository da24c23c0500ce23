package archtest

import (
	"os"
	"path"
	"regexp"
	"strings"
	"testing"
)

// TestPageNamesEveryPackage holds ARCHITECTURE.md against the packages there
// are: what a newcomer meets in the tree is on the page, by its path, by its
// path below the first name or in its room, or, as with "*cmd", by a pattern.
func TestPageNamesEveryPackage(t *testing.T) {
	page, err := os.ReadFile("../../ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, quoted := range regexp.MustCompile("`[^`]+`").FindAllString(string(page), -1) {
		names = append(names, braces(strings.Trim(quoted, "`"))...)
	}
	for _, p := range list(t, "./...") {
		full := strings.TrimPrefix(p.ImportPath, "cove/")
		room, _, _ := room(p.ImportPath)
		_, below, _ := strings.Cut(full, "/")
		if !named(names, full) && !named(names, below) && !named(names, strings.TrimPrefix(full, room+"/")) {
			t.Errorf("%s is not on the page: add it to its room in ARCHITECTURE.md", full)
		}
	}
}

func named(names []string, pkg string) bool {
	for _, name := range names {
		if ok, _ := path.Match(name, pkg); ok {
			return true
		}
	}
	return false
}

// braces writes out "a/{b,c}" as a/b and a/c.
func braces(s string) []string {
	before, rest, ok := strings.Cut(s, "{")
	inside, after, closed := strings.Cut(rest, "}")
	if !ok || !closed {
		return []string{s}
	}
	var all []string
	for _, alternative := range strings.Split(inside, ",") {
		all = append(all, before+alternative+after)
	}
	return all
}

func TestBraces(t *testing.T) {
	for in, want := range map[string]string{
		"a": "a", "a/{b,c}": "a/b a/c", "{a,b}": "a b", "x/{y}/z": "x/y/z", "{open": "{open",
	} {
		if got := strings.Join(braces(in), " "); got != want {
			t.Errorf("braces(%q) = %q, want %q", in, got, want)
		}
	}
}
