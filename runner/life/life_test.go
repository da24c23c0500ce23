package life

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/runner/attach"
	"cove/runner/life/spawn"
	"cove/runner/record"
)

// spawned runs a program until the test ends. It has begun when it printed a line.
func spawned(t *testing.T, attr *syscall.SysProcAttr, args ...string) int {
	t.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.SysProcAttr = attr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Skipf("starting %q: %v", args, err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	return cmd.Process.Pid
}

// recorded is a container of which there is a record and no monitor.
func recorded(t *testing.T) *Container {
	t.Helper()
	root := t.TempDir()
	dir := record.Of(root, strings.Repeat("a", 64))
	if err := os.MkdirAll(string(dir), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := dir.SetState(record.State{Status: record.Created}, false); err != nil {
		t.Fatal(err)
	}
	return Of(&Options{Program: spawn.Program{Path: "/nosuch/cove-runtime", Run: filepath.Join(root, "run")}}, dir, record.Config{ID: dir.ID()}, "box")
}

// TestAwait gives up on a monitor that says nothing, and says what is wrong with it.
func TestAwait(t *testing.T) {
	t.Parallel()
	c := recorded(t)
	silent := spawned(t, nil, "sh", "-c", "echo; exec sleep 100")
	stopped := spawned(t, nil, "sh", "-c", "echo; exec sleep 100")
	if err := unix.Kill(stopped, unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		monitor int
		limit   time.Duration
		cancel  bool
		kind    error
		says    string
	}{
		"silent":    {silent, time.Millisecond, false, errdefs.ErrUnavailable, "container box: its monitor, process %d, does not answer"},
		"stopped":   {stopped, time.Hour, false, errdefs.ErrUnavailable, "is stopped; continue it with kill -CONT %d"},
		"given up":  {silent, time.Hour, true, context.Canceled, ""},
		"hung up":   {silent, time.Hour, false, errHungUp, ""},
		"answering": {silent, time.Hour, false, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn, file, err := attach.Pair()
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			other, err := attach.FromFile(file)
			if err != nil {
				t.Fatal(err)
			}
			defer other.Close()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			switch {
			case tt.cancel:
				cancel()
			case errors.Is(tt.kind, errHungUp):
				other.Close()
			case tt.kind == nil:
				if err := other.Send(attach.TypeWelcome, nil); err != nil {
					t.Fatal(err)
				}
			}
			p, err := c.await(ctx, conn, tt.monitor, tt.limit)
			if errors.Is(tt.kind, errHungUp) {
				if err == nil || errors.Is(err, errdefs.ErrUnavailable) {
					t.Errorf("the end of the connection: %v", err)
				}
				return
			}
			if !errors.Is(err, tt.kind) || err == nil && p.Type != attach.TypeWelcome {
				t.Errorf("%+v, %v", p, err)
			}
			if tt.says != "" && !strings.Contains(err.Error(), fmt.Sprintf(tt.says, tt.monitor)) {
				t.Error(err)
			}
		})
	}
}

// errHungUp stands for whatever error the end of a connection is.
var errHungUp = errors.New("hung up")

// TestWithoutMonitor is what a container answers that never lived.
func TestWithoutMonitor(t *testing.T) {
	t.Parallel()
	c := recorded(t)
	ctx := t.Context()
	if st, err := c.State(ctx); err != nil || st.Status != record.Created {
		t.Errorf("%+v, %v", st, err)
	}
	if status, err := c.Wait(ctx); err != nil || status != (record.ExitStatus{}) {
		t.Errorf("waited for %+v, %v", status, err)
	}
	if err := c.Stop(ctx, OwnTimeout); err != nil {
		t.Errorf("stop: %v", err)
	}
	if err := c.End(ctx); err != nil {
		t.Errorf("end: %v", err)
	}
	for name, err := range map[string]error{
		"kill":    c.Kill(ctx, unix.SIGTERM),
		"pause":   c.Pause(ctx),
		"unpause": c.Unpause(ctx),
		"attach":  func() error { _, err := c.Attach(ctx); return err }(),
		"exec":    func() error { _, err := c.Exec(ctx, record.ExecConfig{Args: []string{"true"}}, Streams{}); return err }(),
		"procs":   func() error { _, err := c.Procs(ctx); return err }(),
		"stats":   func() error { _, err := c.Stats(ctx); return err }(),
	} {
		if !errors.Is(err, errdefs.ErrConflict) || !strings.Contains(err.Error(), "box") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := c.Start(ctx); !errors.Is(err, errdefs.ErrUnavailable) || !strings.Contains(err.Error(), "cove-runtime") {
		t.Errorf("started without a monitor's program: %v", err)
	}
	if m := c.o.StandBy(c.dir); m != nil {
		t.Error("a monitor without a program stands by")
	}
}

// TestHold lets one after the other change a container, and tells each its state.
func TestHold(t *testing.T) {
	t.Parallel()
	c := recorded(t)
	held, done := make(chan struct{}), make(chan error, 1)
	go func() {
		done <- c.Hold(t.Context(), func(record.State) error {
			close(held)
			time.Sleep(50 * time.Millisecond)
			return c.dir.SetState(record.State{Status: record.Exited, ExitCode: 7}, false)
		})
	}()
	<-held
	wanted := errors.New("not today")
	err := c.HoldStill(t.Context(), func(st record.State) error {
		if st.ExitCode != 7 {
			t.Errorf("%+v", st)
		}
		return wanted
	})
	if !errors.Is(err, wanted) {
		t.Error(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := os.RemoveAll(string(c.dir)); err != nil {
		t.Fatal(err)
	}
	if err := c.Hold(t.Context(), func(record.State) error { return nil }); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("removed: %v", err)
	}
}
