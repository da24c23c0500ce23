// Package agent hands the listener of a filter to whoever answers for the system calls that
// the filter leaves to it (runtime specification, config-linux.md, "The Container Process
// State").
package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/sandbox/host"
)

// Agent is who answers for the calls of a filter.
type Agent struct {
	filter *specs.LinuxSeccomp
	state  specs.State
	// taken is the listener, from when the process has it until the agent has it.
	taken *os.File
}

// New returns the agent of a filter. The state is the container's, whose pid is zero while
// it is that of the process that is being made. A filter need not have an agent.
func New(filter *specs.LinuxSeccomp, state specs.State) *Agent {
	return &Agent{filter: filter, state: state}
}

// Take copies the listener out of the process that has loaded the filter, where it is
// descriptor fd. The process is a child of the caller's, and waits.
//
// It is taken and not sent: the filter may leave sendmsg(2) to the agent, too.
func (a *Agent) Take(pidfd, fd int) error {
	got, err := unix.PidfdGetfd(pidfd, fd, 0)
	if err != nil {
		return errdefs.Errorf(host.ErrKind(err), "sandbox: the listener of the system call filter: pidfd_getfd: %w", err)
	}
	a.taken = os.NewFile(uintptr(got), "listener of the filter")
	return nil
}

// Waiting reports whether there is a listener that the agent has not got.
func (a *Agent) Waiting() bool { return a != nil && a.taken != nil }

// Close closes a listener that the agent did not get. Nil has none.
func (a *Agent) Close() {
	if a.Waiting() {
		a.taken.Close()
		a.taken = nil
	}
}

// Send connects to the agent and hands the listener over, with the state of the process
// that the filter is for. An agent that is not there is ErrUnavailable.
func (a *Agent) Send(pid int) error {
	defer a.Close()
	st := a.state
	if st.Pid == 0 {
		st.Pid = pid
	}
	text, err := json.Marshal(specs.ContainerProcessState{
		Version: specs.Version, Fds: []string{specs.SeccompFdName}, Pid: pid,
		Metadata: a.filter.ListenerMetadata, State: st,
	})
	if err == nil {
		err = send(a.filter.ListenerPath, text, a.taken)
	}
	if err != nil {
		return fmt.Errorf("sandbox: linux.seccomp.listenerPath %s: %w", a.filter.ListenerPath, err)
	}
	return nil
}

// patience is how long an agent may take to accept a connection and what is sent, in seconds.
const patience = 10

// send writes text with a file beside its first bytes to a unix socket, one connection for
// each.
func send(path string, text []byte, file *os.File) error {
	sock, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(sock)
	limit := unix.Timeval{Sec: patience}
	if err := unix.SetsockoptTimeval(sock, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &limit); err != nil {
		return err
	}
	if err := again(func() error { return unix.Connect(sock, &unix.SockaddrUnix{Name: path}) }); err != nil {
		return errdefs.Errorf(errdefs.ErrUnavailable, "failed to connect with seccomp agent: %w", err)
	}
	rights := unix.UnixRights(int(file.Fd()))
	for len(text) > 0 {
		var n int
		err := again(func() (err error) {
			n, err = unix.SendmsgN(sock, text, rights, nil, unix.MSG_NOSIGNAL)
			return err
		})
		if err != nil {
			return errdefs.Errorf(errdefs.ErrUnavailable, "failed to send the listener to the seccomp agent: %w", err)
		}
		text, rights = text[n:], nil
	}
	return nil
}

// again makes a call until no signal interrupts it.
func again(call func() error) error {
	for {
		if err := call(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
