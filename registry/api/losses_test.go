package api

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// TestLosses holds the operations that take something away, by method and name, against the
// table: none is missing there, and what brings something back is an operation.
func TestLosses(t *testing.T) {
	t.Parallel()
	taking, ids := regexp.MustCompile(`^(delete|remove|release|rotate|take|run)[A-Z]`), map[string]bool{}
	table := (&API{}).table()
	for _, op := range table {
		ids[op.ID] = true
	}
	for _, op := range table {
		takes := op.Method == http.MethodDelete || taking.MatchString(op.ID)
		switch {
		case takes != (op.Loss != nil):
			t.Errorf("%s takes something away, or does not, and the table differs", op.ID)
		case op.Loss == nil:
		case len(op.Loss.What) < 20 || !strings.HasSuffix(op.Loss.What, "."):
			t.Errorf("%s says only %q of what goes", op.ID, op.Loss.What)
		case op.Loss.Undo != "" && !ids[op.Loss.Undo]:
			t.Errorf("%s is undone by %q, which is no operation", op.ID, op.Loss.Undo)
		}
	}
	for id := range losses() {
		if !ids[id] {
			t.Errorf("%s is in the table and no operation", id)
		}
	}
}
