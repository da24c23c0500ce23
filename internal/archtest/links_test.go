package archtest

import (
	"go/ast"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode"
)

// pages are the Markdown files of the tree, by their paths from its root.
func pages(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/adr/*.md", "bench/*.md", "deploy/*/*.md"} {
		names, err := filepath.Glob("../../" + pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			all[strings.TrimPrefix(name, "../../")] = string(text)
		}
	}
	if len(all) < 20 {
		t.Fatalf("%d pages", len(all))
	}
	return all
}

var (
	fenced = regexp.MustCompile("(?ms)^```.*?^```$")
	link   = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	code   = regexp.MustCompile("`[^`\n]*`")
)

// TestLinksLeadSomewhere: what a page links to in this tree is there, down to the heading.
func TestLinksLeadSomewhere(t *testing.T) {
	t.Parallel()
	all := pages(t)
	count := 0
	for name, page := range all {
		for _, m := range link.FindAllStringSubmatch(code.ReplaceAllString(fenced.ReplaceAllString(page, ""), ""), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			count++
			path, heading, _ := strings.Cut(m[1], "#")
			to := name
			if path != "" {
				to = filepath.Join(filepath.Dir(name), path)
			}
			if _, err := os.Stat("../../" + to); err != nil {
				t.Errorf("%s: there is no %s", name, m[1])
			} else if heading != "" && !headings(all[to])[heading] {
				t.Errorf("%s: %s has no heading for #%s", name, to, heading)
			}
		}
	}
	if count < 100 {
		t.Errorf("%d links were found", count)
	}
}

// headings are the anchors that a page's headings have when it is shown.
func headings(page string) map[string]bool {
	all := map[string]bool{}
	for line := range strings.Lines(fenced.ReplaceAllString(page, "")) {
		text := strings.TrimLeft(line, "#")
		if level := len(line) - len(text); level == 0 || level > 6 || !strings.HasPrefix(text, " ") {
			continue
		}
		anchor := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
				return unicode.ToLower(r)
			}
			return -1
		}, strings.TrimSpace(text))
		all[anchor] = true
	}
	return all
}

func TestHeadings(t *testing.T) {
	t.Parallel()
	all := headings("# A b, `c-d`: e\n```\n# no\n```\n## `x`: y_z\n#!no\n")
	if len(all) != 2 || !all["a-b-c-d-e"] || !all["x-y_z"] {
		t.Errorf("%v", all)
	}
}

// variable is what the project calls its own variables of the environment.
var variable = regexp.MustCompile(`\bCOVE_[A-Z0-9_]*[A-Z0-9]\b`)

// untold are variables that no person sets: programs give them to their own children,
// or tests to the processes that they start; and those that a page has as an example.
var untold = regexp.MustCompile(`^COVE_(SPARE|ROOTLESS_UID|BENCH_ROLE|BENCH_OUTSIDE|SNAPSHOTTEST_ROOT|TEST_.*|SOAK|TOKEN|REGISTRY_CONFIG_.*)$`)

// TestVariablesAreNamed: what pages call a variable is read by something, and what the
// programs read is on a page.
func TestVariablesAreNamed(t *testing.T) {
	t.Parallel()
	read, told := map[string]string{}, map[string]string{}
	tracked(t, func(name string, _ *token.FileSet, f *ast.File) {
		ast.Inspect(f, func(n ast.Node) bool {
			lit, ok := n.(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				return true
			}
			v, err := strconv.Unquote(lit.Value)
			if err == nil && variable.FindString(v) == v && (read[v] == "" || !strings.HasSuffix(name, "_test.go")) {
				read[v] = name
			}
			return true
		})
	})
	for name, page := range pages(t) {
		for _, v := range variable.FindAllString(page, -1) {
			told[v] = name
		}
	}
	for v, page := range told {
		if read[v] == "" && !untold.MatchString(v) {
			t.Errorf("%s: nothing reads %s", page, v)
		}
	}
	for v, file := range read {
		if v != "" && told[v] == "" && !untold.MatchString(v) && !strings.HasSuffix(file, "_test.go") {
			t.Errorf("%s: no page tells of %s", file, v)
		}
	}
}
