package cli

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"cove/internal/cli/app"
)

// elsewhere are the tests that see what a flag does, of flags that no story can have
// everywhere: they need a terminal, a group of the host's or another kernel.
var elsewhere = map[string]string{
	"blkio-weight-device": "engine/runspec/devices_test.go: TestBlockLimits",
	"cgroup-parent":       "engine/shared_test.go: TestCgroupParent",
	"cpu-rt-period":       "sandbox/cgroup/settings/settings_test.go: TestSettingsV1",
	"cpu-rt-runtime":      "sandbox/cgroup/cgroup_test.go: TestErrors",
	"detach-keys":         "runner/lifecycle_test.go: TestAttach",
	"tty":                 "sandbox/join_test.go: TestTerminal",
}

// TestEveryFlagIsSeen walks the flags of run and create: each is in a story of e2e, or
// in a test that is named above.
func TestEveryFlagIsSeen(t *testing.T) {
	t.Parallel()
	stories, err := filepath.Glob("../../e2e/testdata/*.txt")
	if err != nil || len(stories) == 0 {
		t.Fatal("no stories", err)
	}
	root := Cove(here).root(&app.App{Prog: "cove", Out: io.Discard, Err: io.Discard}, "")
	seen, words := map[string]bool{}, regexp.MustCompile(`'[^']*'|\S+`)
	for _, name := range stories {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, called := range regexp.MustCompile(`(?m)\b(?:cove|run) (run|create) (.*)$`).FindAllStringSubmatch(string(text), -1) {
			flags := command(t, root, called[1]).Flags()
			// What comes after the image, and what a story has refused, is left out.
			_ = flags.ParseAll(words.FindAllString(called[2], -1), func(f *pflag.Flag, _ string) error {
				seen[f.Name] = true
				return nil
			})
		}
	}
	for _, verb := range []string{"run", "create"} {
		command(t, root, verb).LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
			test := elsewhere[f.Name]
			switch {
			case f.Hidden || f.Name == "help":
			case test == "" && !seen[f.Name]:
				t.Errorf("%s --%s: no story has it, and no test is named that sees what it does", verb, f.Name)
			case test != "":
				file, fn, _ := strings.Cut(test, ": ")
				if text, err := os.ReadFile("../../" + file); err != nil || !strings.Contains(string(text), "func "+fn+"(") {
					t.Errorf("%s --%s: there is no %s (%v)", verb, f.Name, test, err)
				}
			}
		})
	}
}

// TestAnswersAreShown holds the table of what people ask for against the tests it names.
func TestAnswersAreShown(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/run.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(text), "## What people ask engines for\n")
	rows := regexp.MustCompile("`([a-z0-9/_]+\\.(?:go|txt))(?:: (Test\\w+))?`").FindAllStringSubmatch(table, -1)
	if !found || len(rows) < 20 {
		t.Fatalf("the table names %d tests", len(rows))
	}
	for _, row := range rows {
		body, err := os.ReadFile("../../" + row[1])
		if err != nil || row[2] != "" && !strings.Contains(string(body), "func "+row[2]+"(") {
			t.Errorf("%s: there is no such test (%v)", row[0], err)
		}
	}
}

func command(t *testing.T, root *cobra.Command, verb string) *cobra.Command {
	t.Helper()
	found, _, err := root.Find([]string{verb})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
