package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
)

// initLine is what GODEBUG=inittrace=1 tells of one package.
var initLine = regexp.MustCompile(`(?m)^init (\S+) @.*, (\d+) bytes, (\d+) allocs$`)

// TestInitialisation holds what the packages of a binary do before main, which
// every start pays for. Times depend on the machine; what is allocated does not,
// and goes with them. Whoever has to raise a limit says in the commit what for.
func TestInitialisation(t *testing.T) {
	t.Parallel()
	bin := binDir(t)
	for name, most := range map[string]struct{ bytes, allocs int }{
		"cove-runtime": {40_000, 350},
		"cove":         {180_000, 1_400},
		"run":          {180_000, 1_400},
	} {
		cmd := exec.Command(filepath.Join(bin, name), "--version")
		cmd.Env = append(os.Environ(), "GODEBUG=inittrace=1")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		packages, bytes, allocs := initLine.FindAllSubmatch(out, -1), 0, 0
		for _, p := range packages {
			b, _ := strconv.Atoi(string(p[2])) // digits, by the expression
			a, _ := strconv.Atoi(string(p[3]))
			bytes, allocs = bytes+b, allocs+a
		}
		t.Logf("%s: %d packages, %d bytes, %d allocations", name, len(packages), bytes, allocs)
		if len(packages) < 20 {
			t.Errorf("%s: the trace tells of %d packages only:\n%s", name, len(packages), out)
		}
		if bytes > most.bytes || allocs > most.allocs {
			t.Errorf("%s: %d bytes in %d allocations before main, at most %d in %d:\n%s", name, bytes, allocs, most.bytes, most.allocs, out)
		}
	}
}
