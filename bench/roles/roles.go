// Package roles runs a program again in namespaces of its own: outside, as their init, and as
// the lab.
package roles

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"
	"time"
)

// The processes of this program: one outside, the init of the namespaces, the lab,
// a server that is measured, and one that asks from within a container's network.
// Variable tells them apart.
const (
	Variable = "COVE_BENCH_ROLE"
	Init     = "init"
	Lab      = "lab"
	Bare     = "bare"  // a server of package bare
	Names    = "names" // asks by package names
)

// Enter runs this program as the init of new namespaces, and returns when all of it has
// ended.
func Enter(ctx context.Context) error {
	cmd := again(ctx, Init)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWPID,
		Pdeathsig:  syscall.SIGKILL,
	}
	runtime.LockOSThread() // the signal of a parent's death is that of its thread's
	return cmd.Run()
}

// Reap is the init: it starts the lab and collects orphans, of which engines
// that leave their caller make many, until the lab has ended. Then the kernel
// ends whatever is left.
func Reap() (status int, err error) {
	if out, err := exec.Command("sh", "-ec",
		"mount --make-rprivate /; mount -t proc proc /proc").CombinedOutput(); err != nil {
		return 1, fmt.Errorf("mounting: %w: %s", err, out)
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, os.Interrupt)
	child := again(context.Background(), Lab)
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
				return 1, errors.New("the lab was killed")
			}
			return st.ExitStatus(), nil
		}
	}
}

// again is this program once more, in another role. It is asked to end, and has
// time to.
func again(ctx context.Context, as string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), Variable+"="+as)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = time.Minute
	return cmd
}
