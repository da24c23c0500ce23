package record

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

	"cove/errdefs"
	"cove/internal/ids"
	"cove/internal/process"
)

func testDir(t *testing.T) Dir {
	t.Helper()
	d := Dir(filepath.Join(t.TempDir(), "containers", "abc"))
	if err := os.MkdirAll(string(d), 0o700); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestState(t *testing.T) {
	t.Parallel()
	d := testDir(t)
	if _, err := d.State(); !errors.Is(err, errdefs.ErrCorrupt) {
		t.Errorf("no state: %v", err)
	}
	if _, err := Dir(string(d) + "c").State(); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("no directory: %v", err)
	}
	want := State{Status: Running, Pid: 7, StartedAt: time.Unix(1, 2).UTC()}
	for _, durable := range []bool{false, true} {
		if err := d.SetState(want, durable); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := d.State(); err != nil || got.Status != Running || got.Pid != 7 || !got.StartedAt.Equal(want.StartedAt) {
		t.Errorf("%+v, %v", got, err)
	}
	if err := os.WriteFile(d.Path("state.json"), []byte(`{"status":`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := d.State(); !errors.Is(err, errdefs.ErrCorrupt) {
		t.Errorf("torn state: %v", err)
	}
	if d.ID() != "abc" || d.Root() != filepath.Dir(filepath.Dir(string(d))) {
		t.Errorf("%s in %s", d.ID(), d.Root())
	}
}

func TestLock(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	d := testDir(t)
	held, err := d.Lock(ctx, MonitorLock, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if !d.Held(MonitorLock) || d.Held(ControlLock) || d.Holder(MonitorLock) != process.Self() {
		t.Errorf("held: %v, the other: %v, holder %q", d.Held(MonitorLock), d.Held(ControlLock), d.Holder(MonitorLock))
	}
	short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	if _, err := d.Lock(short, MonitorLock, time.Minute); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("its caller gave up: %v", err)
	}
	// A holder that takes longer than one is ready to wait is named.
	_, err = d.Lock(ctx, MonitorLock, 0)
	if !errors.Is(err, errdefs.ErrUnavailable) || !strings.Contains(err.Error(), fmt.Sprintf("process %d (", os.Getpid())) {
		t.Errorf("held lock: %v", err)
	}
	other, err := d.Lock(ctx, ControlLock, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	Unlock(other)
	Unlock(held)
	again, err := d.Lock(ctx, MonitorLock, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	Unlock(again)
	if _, err := Dir(filepath.Join(t.TempDir(), "gone")).Lock(ctx, MonitorLock, time.Second); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("no directory: %v", err)
	}
}

// TestLockOfTheRemoved waits for a lock whose holder removes the container.
func TestLockOfTheRemoved(t *testing.T) {
	t.Parallel()
	d := testDir(t)
	held, err := d.Lock(context.Background(), ControlLock, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan error, 1)
	go func() {
		_, err := d.Lock(context.Background(), ControlLock, time.Minute)
		got <- err
	}()
	time.Sleep(20 * time.Millisecond) // either way it must not get it
	if err := d.Remove(); err != nil {
		t.Fatal(err)
	}
	Unlock(held)
	if err := <-got; !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("%v, want not found", err)
	}
}

// TestLockOfTheStopped waits for a process under SIGSTOP, which is told at once.
func TestLockOfTheStopped(t *testing.T) {
	t.Parallel()
	d := testDir(t)
	holder := exec.Command("sleep", "100")
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = holder.Process.Kill(); _ = holder.Wait() })
	held, err := d.Lock(context.Background(), ControlLock, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer Unlock(held)
	if _, err := held.WriteAt([]byte(process.Identity(holder.Process.Pid)+"\n"), 0); err != nil {
		t.Fatal(err)
	}
	if err := holder.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	_, err = d.Lock(context.Background(), ControlLock, time.Hour)
	if want := fmt.Sprintf("kill -CONT %d", holder.Process.Pid); !errors.Is(err, errdefs.ErrUnavailable) || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %q", err, want)
	}
}

func TestLogName(t *testing.T) {
	t.Parallel()
	dir := Dir(filepath.Join(t.TempDir(), "containers", "0123"))
	if got, want := dir.Log(), dir.Path("0123-json.log"); got != want {
		t.Errorf("a log is %s, want %s", got, want)
	}
	if err := os.MkdirAll(string(dir), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir.Path("log"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, want := dir.Log(), dir.Path("log"); got != want {
		t.Errorf("the log of an older container is %s, want %s", got, want)
	}
}

func TestMarks(t *testing.T) {
	t.Parallel()
	d := testDir(t)
	if err := d.SetState(State{Status: Running, Pid: 7}, false); err != nil {
		t.Fatal(err)
	}
	for _, on := range []bool{true, true, false, false} {
		if err := d.SetMark(PausedMark, on); err != nil {
			t.Fatal(err)
		}
		st, err := d.State()
		if want := map[bool]Status{true: Paused, false: Running}[on]; err != nil || st.Status != want {
			t.Errorf("marked %v: %+v, %v", on, st, err)
		}
	}
	// What does not run is not paused, whatever a kill has left.
	if err := errors.Join(d.SetMark(PausedMark, true), d.SetState(State{Status: Exited}, false)); err != nil {
		t.Fatal(err)
	}
	if st, err := d.State(); err != nil || st.Status != Exited {
		t.Errorf("%+v, %v", st, err)
	}
}

func TestLost(t *testing.T) {
	t.Parallel()
	now := time.Unix(5, 0)
	st := State{Status: Running, Pid: 3, Monitor: 2, BootID: ids.Boot()}
	if got := st.Lost(now); got.Status != Exited || got.ExitCode != 255 || got.Error != "monitor killed" || got.Pid != 0 || !got.FinishedAt.Equal(now) {
		t.Errorf("%+v", got)
	}
	st.BootID = "another"
	if got := st.Lost(now); got.Error != "the machine was restarted" {
		t.Errorf("%+v", got)
	}
}
