package server

import (
	"os/exec"
	"strings"
	"testing"
)

// TestNothingOfTraces: the registry as it is given out links nothing that sends them.
func TestNothingOfTraces(t *testing.T) {
	t.Parallel()
	deps := func(flags ...string) string {
		t.Helper()
		out, err := exec.Command("go", append(append([]string{"list", "-deps"}, flags...), "cove/cmd/registry")...).Output()
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	const library = "go.opentelemetry.io/"
	if strings.Contains(deps(), library) || !strings.Contains(deps("-tags", "otel"), library) {
		t.Errorf("%s is to be linked by the build tag otel, and by it alone", library)
	}
}
