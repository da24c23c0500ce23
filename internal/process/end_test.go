package process

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
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

// TestEndsBy asks of processes of each kind whether a signal ends them.
func TestEndsBy(t *testing.T) {
	t.Parallel()
	plain := spawned(t, nil, "sh", "-c", "echo; exec sleep 100")
	deaf := spawned(t, nil, "sh", "-c", "trap '' TERM; echo; exec sleep 100")
	handling := spawned(t, nil, "sh", "-c", "trap : TERM; echo; while :; do sleep 1; done")
	for _, tt := range []struct {
		what string
		pid  int
		sig  syscall.Signal
		want bool
	}{
		{"default", plain, unix.SIGTERM, true},
		{"default", plain, unix.SIGUSR1, true},
		{"ignored by default", plain, unix.SIGCHLD, false},
		{"a stop", plain, unix.SIGTSTP, false},
		{"ignored", deaf, unix.SIGTERM, false},
		{"another than the ignored", deaf, unix.SIGUSR1, true},
		{"handled", handling, unix.SIGTERM, false},
		{"of no process", 1 << 30, unix.SIGTERM, false},
	} {
		if got := EndsBy(tt.pid, tt.sig); got != tt.want {
			t.Errorf("%s (%v): %v", tt.what, tt.sig, got)
		}
	}
	if os.Geteuid() != 0 {
		return
	}
	first := spawned(t, &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID}, "sh", "-c", "echo; exec sleep 100")
	if EndsBy(first, unix.SIGTERM) {
		t.Error("the first process of a pid namespace is spared what it does not handle")
	}
}

// TestSignal reaches the process that is meant, or none.
func TestSignal(t *testing.T) {
	t.Parallel()
	pid := spawned(t, nil, "sh", "-c", "echo; exec sleep 100")
	yes, no := func() bool { return true }, func() bool { return false }
	if err := Signal(pid, unix.SIGTERM, no); !errors.Is(err, unix.ESRCH) || !Running(pid) {
		t.Errorf("another process of that number: %v", err)
	}
	if err := Signal(pid, unix.SIGTERM, yes); err != nil {
		t.Error(err)
	}
	AwaitEnd(t.Context(), pid)
	if Running(pid) {
		t.Error("it runs")
	}
	if err := Signal(1<<30, unix.SIGTERM, yes); !errors.Is(err, unix.ESRCH) {
		t.Errorf("of no process: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	AwaitEnd(ctx, os.Getpid()) // returns with its context
}
