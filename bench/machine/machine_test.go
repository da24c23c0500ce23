package machine

import (
	"os"
	"os/exec"
	"testing"
	"time"
)

// TestPeak: what this process has in memory is not counted as what its child had.
func TestPeak(t *testing.T) {
	ballast := make([]byte, 256<<20)
	for i := 0; i < len(ballast); i += 4096 {
		ballast[i] = 1
	}
	got, err := Peak(exec.CommandContext(t.Context(), "sleep", "0.2"))
	if err != nil || got <= 0 || got > 64 {
		t.Errorf("sleep had %.1f MB in memory, %v", got, err)
	}
	ballast[0] = 2 // it was there until now
	if _, err := Peak(exec.CommandContext(t.Context(), "sh", "-c", "echo no >&2; exit 3")); err == nil {
		t.Error("a command that fails has a peak")
	}
}

func TestLoadAndMemory(t *testing.T) {
	if Load() == "unknown" || Memory("MemTotal") < 1<<20 || Processor() == "" {
		t.Errorf("load %s, memory %d, processor %q", Load(), Memory("MemTotal"), Processor())
	}
}

func TestThisProcess(t *testing.T) {
	if mb, err := Resident(os.Getpid()); err != nil || mb < 1 || mb > 1000 {
		t.Errorf("%v MB in memory, error %v", mb, err)
	}
	if pid, err := Parent(os.Getpid()); err != nil || pid != os.Getppid() {
		t.Errorf("parent %d, error %v, want %d", pid, err, os.Getppid())
	}
	before, err := Worked(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for until := time.Now().Add(100 * time.Millisecond); time.Now().Before(until); {
	}
	if after, err := Worked(os.Getpid()); err != nil || after <= before {
		t.Errorf("worked %v, then %v, error %v", before, after, err)
	}
}
