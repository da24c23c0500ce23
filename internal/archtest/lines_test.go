package archtest

import (
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

// maxColumns is the width of a line, with tabs of four.
const maxColumns = 120

// TestLinesFitTheScreen holds all code but the tables of tests, whose rows are
// read across.
func TestLinesFitTheScreen(t *testing.T) {
	for _, s := range sources(t) {
		if s.test || strings.HasSuffix(path.Dir(s.name), "test") {
			continue
		}
		src, err := os.ReadFile(filepath.Join("../..", s.name))
		if err != nil {
			t.Fatal(err)
		}
		i := 0
		for line := range strings.Lines(string(src)) {
			i++
			columns := utf8.RuneCountInString(strings.ReplaceAll(strings.TrimSuffix(line, "\n"), "\t", "    "))
			if columns > maxColumns && !unbreakable(line) {
				t.Errorf("%s:%d has %d columns, the limit is %d", s.name, i, columns, maxColumns)
			}
		}
	}
}

// unbreakable says that one text is most of the line: an error that is searched
// for, or a statement of SQL, stays in one piece. So does what a linter is told.
func unbreakable(line string) bool {
	longest := 0
	for _, quote := range []string{`"`, "`"} {
		for i, part := range strings.Split(line, quote) {
			if i%2 == 1 {
				longest = max(longest, utf8.RuneCountInString(part))
			}
		}
	}
	return longest > maxColumns/2 || strings.Contains(line, "//nolint")
}

func TestUnbreakable(t *testing.T) {
	text := strings.Repeat("x", maxColumns/2+1)
	for line, want := range map[string]bool{
		`	return errors.New("` + text + `")`: true,
		"	const s = `" + text:                true,
		`	f(` + text + `, "a", "b")`:         false,
		`	// ` + text:                        false,
	} {
		if got := unbreakable(line); got != want {
			t.Errorf("%s: %v", line, got)
		}
	}
}
