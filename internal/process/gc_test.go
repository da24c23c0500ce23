package process

import (
	"os"
	"os/exec"
	"runtime"
	"testing"
	"time"
)

// kept is what the test allocates.
var kept []byte

// TestCollectLate is in a process of its own, whose garbage is nobody else's.
func TestCollectLate(t *testing.T) {
	t.Parallel()
	if os.Getenv("COVE_TEST_COLLECT") == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestCollectLate$", "-test.v")
		cmd.Env = append(os.Environ(), "COVE_TEST_COLLECT=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
		return
	}
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	before := m.NumGC
	CollectLate(64 << 20)
	for range 40 {
		kept = make([]byte, 1<<20)
	}
	if runtime.ReadMemStats(&m); m.NumGC != before {
		t.Errorf("garbage was collected %d times before there was much", m.NumGC-before)
	}
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); {
		kept = make([]byte, 8<<20)
		if runtime.ReadMemStats(&m); m.NumGC > before+5 && m.Sys < 256<<20 {
			return
		}
	}
	t.Errorf("%d collections, %d MiB of memory", m.NumGC-before, m.Sys>>20)
}
