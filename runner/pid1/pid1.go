// Package pid1 is the init of a container that asks for one: it runs the
// container's program, hands signals on to it, and reaps every process whose
// parent has ended, as tini does.
package pid1

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// Main runs the program that args name, after an optional "--", and returns the
// code to exit with: the program's, 128 and the signal that ended it, 127 when it
// is not there, 126 when it cannot be executed.
func Main(args []string, stderr io.Writer) int {
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if len(args) == 0 {
		fmt.Fprintln(stderr, "docker-init: no program to run")
		return 125
	}
	// Before the program is there, so that no signal is missed.
	signals := make(chan os.Signal, 64)
	signal.Notify(signals)
	pid, err := start(args)
	if err != nil {
		fmt.Fprintf(stderr, "docker-init: exec %q: %v\n", args[0], err)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, exec.ErrNotFound) {
			return 127
		}
		return 126
	}
	for s := range signals {
		switch s {
		case unix.SIGCHLD:
			if code, ended := reap(pid); ended {
				return code
			}
		case unix.SIGURG, unix.SIGPIPE, unix.SIGTTIN, unix.SIGTTOU: // the Go runtime's, and a terminal's
		default:
			_ = syscall.Kill(pid, s.(syscall.Signal)) // it may have ended just now
		}
	}
	return 0
}

// start runs a program in a process group of its own; on a terminal it is the one
// in the foreground, whom the keys that send signals mean.
func start(args []string) (pid int, err error) {
	path, err := exec.LookPath(args[0])
	if err != nil {
		return 0, errors.Unwrap(err)
	}
	attr := &syscall.SysProcAttr{Setpgid: true}
	if _, err := unix.IoctlGetTermios(0, unix.TCGETS); err == nil {
		attr.Foreground, attr.Ctty = true, 0
	}
	pid, _, err = syscall.StartProcess(path, args, &syscall.ProcAttr{
		Env: os.Environ(), Files: []uintptr{0, 1, 2}, Sys: attr,
	})
	return pid, err
}

// reap waits for all that have ended; ended says that the program is one of them.
func reap(program int) (code int, ended bool) {
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, unix.WNOHANG, nil)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil || pid <= 0:
			return code, ended
		case pid == program:
			ended = true
			if code = status.ExitStatus(); status.Signaled() {
				code = 128 + int(status.Signal())
			}
		}
	}
}
