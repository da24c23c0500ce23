// Package spawn starts the processes that outlive the command that starts them:
// the monitor of a container, and the one that waits to start a container again.
package spawn

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"cove/errdefs"
	"cove/internal/process"
	"cove/runner/attach"
	"cove/runner/record"
)

// Program is cove-runtime, which is what they run.
type Program struct {
	Path string
	// Run is the directory of their sockets.
	Run string
}

// Monitor is a monitor that waits to be told to start its container: it looks at
// nothing before, and ends when whoever started it does.
type Monitor struct {
	Process *os.Process
	Conn    *attach.Conn
}

// Close ends a monitor that was not told anything.
func (m *Monitor) Close() {
	if m != nil {
		m.Conn.Close()
	}
}

// Monitor starts one.
func (p Program) Monitor(dir record.Dir) (*Monitor, error) {
	conn, theirs, err := attach.Pair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	started, err := p.start(theirs, dir)
	if err != nil {
		conn.Close()
		return nil, err
	}
	return &Monitor{Process: started, Conn: conn}, nil
}

// Again makes the monitor wait, with the restart lock, until it is time to start
// the container again.
const Again = "--again"

// Waiting starts a process that will start the container again. The lock that it is
// handed is signed by nobody, and then in its name.
func (p Program) Waiting(dir record.Dir, lock *os.File) error {
	started, err := p.start(lock, dir, Again)
	if err != nil {
		return err
	}
	return record.Sign(lock, process.Identity(started.Pid))
}

// start runs cove-runtime monitor in a session of its own, away from this process's
// directory and streams, with one file to inherit.
func (p Program) start(inherited *os.File, dir record.Dir, more ...string) (*os.Process, error) {
	args := append([]string{"monitor", "--run", p.Run, string(dir)}, more...)
	cmd := exec.Command(p.Path, args...) //nolint:noctx // it outlives this command
	cmd.Dir = "/"
	// It mostly waits. With one processor the Go runtime has fewer threads to
	// start, to wake and to keep memory for.
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "GOMAXPROCS=1"}
	cmd.ExtraFiles = []*os.File{inherited}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		if errors.Is(err, exec.ErrNotFound) || errors.Is(err, os.ErrNotExist) {
			return nil, errdefs.Errorf(errdefs.ErrUnavailable,
				"the program cove-runtime is not beside this one nor in $PATH (%s)", p.Path)
		}
		return nil, fmt.Errorf("starting its monitor: %w", err)
	}
	go cmd.Wait() //nolint:errcheck // only collects the zombie, if this process lives that long
	return cmd.Process, nil
}
