package harbor_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestComplaintsAreAnswered: the table of what people ask Harbor for has all of its rows, and
// so has that of what Harbor has; the tests that they name are where they say. What is not
// done yet says so.
func TestComplaintsAreAnswered(t *testing.T) {
	t.Parallel()
	const docs = "../../docs"
	text, err := os.ReadFile(filepath.Join(docs, "harbor.md"))
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile(`(?m)^\| [^|]+ \|.*\|$`)
	link := regexp.MustCompile(`\[((?:Test|Benchmark)\w+)\]\(([^)]+)\)`)
	for heading, rows := range map[string]int{"What Harbor has": 25, "What people ask Harbor for": 25} {
		_, section, _ := strings.Cut(string(text), "\n## "+heading+"\n")
		section, _, _ = strings.Cut(section, "\n## ")
		_, table, _ := strings.Cut(section, "|---|")
		found := row.FindAllString(table, -1)
		if len(found) != rows {
			t.Errorf("%s: the table has %d rows, want %d", heading, len(found), rows)
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
}
