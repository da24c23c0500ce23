package resident

import (
	"context"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestLetGo is in a process of its own, which nothing else of this package keeps in memory.
func TestLetGo(t *testing.T) {
	t.Parallel()
	if os.Getenv("COVE_TEST_LET_GO") == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestLetGo$", "-test.v")
		cmd.Env = append(os.Environ(), "COVE_TEST_LET_GO=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
		return
	}
	mapped, err := ownProgram()
	if err != nil {
		t.Fatal(err)
	}
	if len(mapped) == 0 {
		t.Skip("a linker wrote to every part of this test's program")
	}
	before := residentFile(t)
	if err := letGo(); err != nil {
		t.Fatal(err)
	}
	if after := residentFile(t); after >= before {
		t.Errorf("%d kB of files were resident before, %d after", before, after)
	}
	again, err := ownProgram() // what was let go of still runs
	if err != nil || len(again) != len(mapped) {
		t.Errorf("%v, before it %v, %v", again, mapped, err)
	}
}

// TestKeep does it now, and ends with the context.
func TestKeep(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithTimeout(t.Context(), 35*time.Second)
		defer stop()
		begun := time.Now()
		Keep(ctx, 10*time.Second)
		if took := time.Since(begun); took != 35*time.Second {
			t.Errorf("it ended after %v", took)
		}
	})
}

func residentFile(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "RssFile:")
	n, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	return n
}
