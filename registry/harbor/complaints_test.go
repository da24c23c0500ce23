package harbor_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestComplaintsAreAnswered: the table of what people ask Harbor for has all of its rows,
// and the tests that it names are where it says. What is not done yet says so.
func TestComplaintsAreAnswered(t *testing.T) {
	t.Parallel()
	const docs, rows = "../../docs", 25
	text, err := os.ReadFile(filepath.Join(docs, "harbor.md"))
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile(`(?m)^\| \d+ \|.*\|$`)
	link := regexp.MustCompile(`\[((?:Test|Benchmark)\w+)\]\(([^)]+)\)`)
	found := row.FindAllString(string(text), -1)
	if len(found) != rows {
		t.Errorf("the table has %d rows, want %d", len(found), rows)
	}
	for _, line := range found {
		links := link.FindAllStringSubmatch(line, -1)
		if len(links) == 0 && !strings.Contains(line, "| not yet |") {
			t.Errorf("no test shows this: %s", line)
		}
		for _, l := range links {
			source, err := os.ReadFile(filepath.Join(docs, l[2]))
			if err != nil || !strings.Contains(string(source), "func "+l[1]+"(") {
				t.Errorf("%s is not in %s: %v", l[1], l[2], err)
			}
		}
	}
}
