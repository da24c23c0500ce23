package registrycmd

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// beside are the commands that do not ask the registry's API, whose operations are each held
// to a line of the audit log (package api), with the line that they write; "-" says why one
// writes none.
var beside = map[string]string{
	"backup":         "- it reads",
	"cert csr":       "- it makes files",
	"cert explain":   "- it reads",
	"cert fix":       "- it makes files",
	"cert init":      "- it makes files",
	"cert inspect":   "- it reads",
	"cert issue":     "- it makes files",
	"cert sign":      "- it makes files",
	"client-config":  "- it prints",
	"config check":   "- it reads",
	"config keys":    "- it prints",
	"fsck":           "content.remove",
	"gc explain":     "- it reads",
	"gc status":      "- it reads",
	"import":         "manifest.push tag.set",
	"migrate down":   "- the schema alone",
	"migrate status": "- it reads",
	"migrate up":     "- the schema alone",
	"reindex":        "registry.reindex",
	"restore":        "- the log is that of the backup",
	"serve":          "- what is asked of it is",
}

// TestEveryCommandIsNoted: a command changes something by an operation of the API, or is in
// the table.
func TestEveryCommandIsNoted(t *testing.T) {
	t.Parallel()
	found := map[string]bool{}
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		for _, below := range cmd.Commands() {
			walk(below)
			if below.HasSubCommands() || below.Flags().Lookup("server") != nil {
				continue
			}
			path := strings.TrimPrefix(below.CommandPath(), "registry ")
			found[path] = true
			if beside[path] == "" {
				t.Errorf("%s asks no API, and the table does not say what line of the audit log it writes", path)
			}
		}
	}
	walk(New())
	for _, path := range slices.Sorted(maps.Keys(beside)) {
		if !found[path] {
			t.Errorf("%s is in the table, and is no command beside the API", path)
		}
	}
}
