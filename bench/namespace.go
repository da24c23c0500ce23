package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

// The processes of this program: one outside, the init of the namespaces, and
// the testbed. The variable role tells them apart.
const (
	role        = "COVE_BENCH_ROLE"
	roleInit    = "init"
	roleTestbed = "testbed"
)

// Where a testbed keeps things: what outlives it, what must be on a real disk, and
// the rest, at a path that is short enough for the sockets below it. What is
// mounted there nobody outside sees.
const (
	cacheDir = "bench/state"
	diskDir  = cacheDir + "/run"
	workDir  = "/mnt"
)

// enter fetches what is missing and runs this program again in namespaces of
// its own. When that has ended nothing of it runs or is mounted any more, so
// removing its directory reaches nothing else.
func enter(ctx context.Context) error {
	cache, err := filepath.Abs(cacheDir)
	if err != nil {
		return err
	}
	if err := fetch(ctx, cache); err != nil {
		return err
	}
	lock, err := os.Open(cache)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return fmt.Errorf("another run uses %s: %w", cacheDir, err)
	}
	if err := os.RemoveAll(diskDir); err != nil { // of a run that was killed
		return err
	}
	if err := os.MkdirAll(diskDir, 0o755); err != nil {
		return err
	}
	defer os.RemoveAll(diskDir)
	cmd := again(ctx, roleInit)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWPID,
		Pdeathsig:  syscall.SIGKILL,
	}
	runtime.LockOSThread() // the signal of a parent's death is that of its thread's
	return cmd.Run()
}

// reap is the init: it starts the testbed and collects orphans, of which engines
// that leave their caller make many, until the testbed has ended. Then the kernel
// ends whatever is left.
func reap() (status int, err error) {
	if out, err := exec.Command("sh", "-ec",
		"mount --make-rprivate /; mount -t proc proc /proc").CombinedOutput(); err != nil {
		return 1, fmt.Errorf("mounting: %w: %s", err, out)
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, os.Interrupt)
	child := again(context.Background(), roleTestbed)
	if err := child.Start(); err != nil {
		return 1, err
	}
	go func() {
		for range stop {
			_ = child.Process.Signal(syscall.SIGTERM) // one that has ended is fine
		}
	}()
	for {
		var st syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &st, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return 1, err
		case pid == child.Process.Pid:
			if !st.Exited() {
				return 1, errors.New("the testbed was killed")
			}
			return st.ExitStatus(), nil
		}
	}
}

// again is this program once more, in another role. It is asked to end, and has
// time to.
func again(ctx context.Context, as string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), role+"="+as)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = time.Minute
	return cmd
}
