package archtest

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestPromisesAreTested: every line of docs/tested.md names tests, and they are there.
func TestPromisesAreTested(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/tested.md")
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile(`(?m)^\| ([^|]+) \| ([^|]+) \|$`)
	name := regexp.MustCompile(`^Test\w+`)
	count := 0
	for _, m := range row.FindAllStringSubmatch(string(page), -1) {
		if m[1] == "promise" {
			continue
		}
		count++
		for in := range strings.SplitSeq(m[2], "; ") {
			pkg, tests, ok := strings.Cut(in, ": Test")
			if !ok {
				t.Errorf("%s: %q names no test", m[1], in)
				continue
			}
			source := testsOf(t, pkg)
			for test := range strings.SplitSeq("Test"+tests, ", ") {
				if !strings.Contains(source, "\nfunc "+name.FindString(test)+"(") {
					t.Errorf("%s: package %s has no test %s", m[1], pkg, test)
				}
			}
		}
	}
	if count < 30 {
		t.Errorf("%d lines were read", count)
	}
}

// testsOf are the test files of a package.
func testsOf(t *testing.T, pkg string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "..", pkg, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	return all.String()
}
