package runner_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/network"
	"cove/runner"
	"cove/runner/record"
)

// TestKilledAtEveryStep kills the monitor after more and more time, from before
// it has read anything until after the container has ended. Whatever it was
// doing, the next look tells the truth and nothing is left.
func TestKilledAtEveryStep(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	f := newFixture(t)
	cases := 30
	if testing.Short() {
		cases = 8
	}
	seen, gone := map[string]int{}, map[string]bool{}
	for i := range cases {
		cfg := f.config("sleep 0.01")
		cfg.Network = network.Config{}
		cfg.AutoRemove = i%3 == 2
		c := f.create(cfg)
		started := make(chan error, 1)
		go func() { started <- c.Start(ctx) }()
		time.Sleep(time.Duration(i) * 1500 * time.Microsecond)
		killMonitor(t, c)
		err := <-started
		st, serr := c.State(ctx)
		switch {
		case cfg.AutoRemove && errors.Is(serr, errdefs.ErrNotFound):
			seen["removed"]++
			gone[c.ID()[:12]] = true
		case serr != nil:
			t.Errorf("case %d: %v", i, serr)
		case st.Status == record.Running && err == nil:
			seen["running: nothing to kill yet"]++
		case st.Status == record.Running:
			t.Errorf("case %d: still running: %+v, %v", i, st, err)
		default:
			seen[fmt.Sprintf("%s %d, start failed: %v", st.Status, st.ExitCode, err != nil)]++
		}
		if serr == nil {
			if err := c.Start(ctx); err != nil && !errors.Is(err, errdefs.ErrConflict) && !errors.Is(err, errdefs.ErrNotFound) {
				t.Errorf("case %d: starting again: %v", i, err)
			}
			if err := c.Remove(ctx, true); err != nil && !errors.Is(err, errdefs.ErrNotFound) {
				t.Errorf("case %d: %v", i, err)
			}
		}
		eventually(t, "its cgroup is gone", func() bool {
			_, err := os.Stat("/sys/fs/cgroup/pids/cove/" + c.ID())
			return err != nil
		})
	}
	t.Logf("%d kills: %v", cases, seen)
	removed, err := f.Clean(ctx)
	if err != nil {
		t.Error(err)
	}
	// Only of a monitor that had removed its container's record already is
	// anything left to be swept.
	for _, what := range removed {
		if strings.HasPrefix(what, "network lease") && !gone[strings.Fields(what)[4]] {
			t.Error("left:", what)
		}
	}
}

// killMonitor kills whatever monitor the container has by now.
func killMonitor(t *testing.T, c *runner.Container) {
	t.Helper()
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range lines {
		line, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(line), "\x00monitor\x00") || !strings.Contains(string(line), c.ID()) {
			continue
		}
		var pid int
		if _, err := fmt.Sscanf(path, "/proc/%d/cmdline", &pid); err == nil {
			_ = unix.Kill(pid, unix.SIGKILL) // ended meanwhile, at worst
		}
	}
}
