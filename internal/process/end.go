package process

import (
	"context"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// AwaitEnd waits until a process, which need not be a child, has ended.
func AwaitEnd(ctx context.Context, pid int) {
	for Running(pid) {
		select {
		case <-ctx.Done():
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// EndsBy reports whether a signal ends a process whatever the process likes: it
// neither handles nor ignores it, and what is done by default is to end. The
// first process of a pid namespace is spared what it does not handle
// (pid_namespaces(7)).
func EndsBy(pid int, sig syscall.Signal) bool {
	switch sig {
	case unix.SIGCHLD, unix.SIGCONT, unix.SIGURG, unix.SIGWINCH, unix.SIGSTOP, unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU:
		return false // signal(7): ignored, or a stop
	}
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(line, ":")
		switch name {
		case "NSpid":
			if fields := strings.Fields(value); len(fields) > 1 && fields[len(fields)-1] == "1" {
				return false
			}
		case "SigIgn", "SigCgt":
			mask, err := strconv.ParseUint(strings.TrimSpace(value), 16, 64)
			if err != nil || mask&(1<<(uint(sig)-1)) != 0 {
				return false
			}
		}
	}
	return true
}

// Signal sends one to a process if same, asked when no other can have its number
// any more, says that it is the one that is meant; ESRCH if it has ended.
func Signal(pid int, sig syscall.Signal, same func() bool) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if !same() {
		return unix.ESRCH
	}
	return unix.PidfdSendSignal(fd, sig, nil, 0)
}
