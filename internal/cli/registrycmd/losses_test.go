package registrycmd

import (
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"cove/internal/cli/registrycmd/command"
)

// TestLosses looks for commands that take something away, by their names: none is missing
// in the table, and what brings something back is a command that there is.
func TestLosses(t *testing.T) {
	t.Parallel()
	taking, found := regexp.MustCompile(`^(rm|remove|release|rotate|leave|delete)$`), map[string]bool{}
	root := New()
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		for _, below := range cmd.Commands() {
			walk(below)
			path := strings.TrimPrefix(below.CommandPath(), "registry ")
			if taking.MatchString(below.Name()) != command.TakesAway(below) {
				t.Errorf("%s takes something away, or does not, and the table differs", path)
			}
			found[path] = true
		}
	}
	walk(root)
	named := regexp.MustCompile(`"registry ([a-z ]+)"`)
	for path, loss := range losses {
		if !found[path] || !strings.HasSuffix(loss.What, ".") || strings.ContainsAny(loss.What+loss.Undo, "\n\t+") {
			t.Errorf("%q is no command, or says no sentence", path)
		}
		m := named.FindStringSubmatch(loss.Undo)
		if loss.Undo != "" && (m == nil || !found[m[1]]) {
			t.Errorf("%s: %q names no command", path, loss.Undo)
		}
	}
}
