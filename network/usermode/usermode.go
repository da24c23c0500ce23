// Package usermode connects the network namespace of a container for a user who may
// change nothing of the host's network: a program, pasta (passt) or slirp4netns, copies
// between an interface there and sockets of that user's.
package usermode

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/network/publish"
)

// Interface is what the container has.
const Interface = "eth0"

// served is a program that serves a namespace. It ends with the process that has
// started it.
type served struct {
	ports   []publish.Port
	process *os.Process
	ended   chan struct{}
}

// way is one of the programs, which publishes ports when free has let go of them. It returns
// when the program serves.
type way func(namespace *os.File, ports []publish.Port, free func()) (*served, error)

// Connect starts the program for an open namespace, which the caller's user namespace
// owns, and returns when it serves. errdefs.ErrUnavailable where neither program is
// there, errdefs.ErrConflict for a port in use.
func Connect(namespace *os.File, ports []publish.Port) (*Connection, error) {
	if err := checkTap(); err != nil {
		return nil, err
	}
	ports, free, err := choose(ports)
	defer free() // the program binds them itself
	if err != nil {
		return nil, err
	}
	for _, with := range []way{pasta, slirp} {
		s, err := with(namespace, ports, free)
		if errors.Is(err, exec.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return keep(s, namespace, with)
	}
	return nil, errdefs.Errorf(errdefs.ErrUnavailable, "network: connecting a container without root needs the program "+
		"pasta (package passt) or slirp4netns (package slirp4netns), and neither is there; or use the network none or host")
}

// checkTap says what the programs say worse.
func checkTap() error {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err == nil {
		return unix.Close(fd)
	}
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENODEV) {
		return errdefs.Errorf(errdefs.ErrUnavailable,
			"network: connecting a container without root needs /dev/net/tun (as root: modprobe tun): %w", err)
	}
	return errdefs.Errorf(errdefs.ErrDenied, "network: connecting a container without root needs /dev/net/tun, "+
		"which this user may not open (as root: chmod 666 /dev/net/tun): %w", err)
}

// choose finds out whether ports are free, and which where none is named. They are
// kept until free is called.
func choose(ports []publish.Port) (chosen []publish.Port, free func(), err error) {
	var fds []int
	free = func() {
		for _, fd := range fds {
			unix.Close(fd)
		}
		fds = nil
	}
	for _, p := range ports {
		if p.Protocol() != "tcp" && p.Protocol() != "udp" {
			return nil, free, errdefs.Errorf(errdefs.ErrUnsupported,
				"network: publishing %s: without root only tcp and udp can be published", p)
		}
		got, fd, err := publish.Reserve(p)
		if err != nil {
			return nil, free, refused(p, err)
		}
		chosen, fds = append(chosen, got), append(fds, fd)
	}
	return chosen, free, nil
}

func refused(p publish.Port, err error) error {
	switch {
	case errors.Is(err, unix.EADDRINUSE):
		who := publish.Listener(p)
		if who == "" {
			who = "another program"
		}
		return errdefs.Errorf(errdefs.ErrConflict,
			"network: publishing %s: port is already allocated: it is in use by %s; choose another, or stop it", p, who)
	case errors.Is(err, unix.EADDRNOTAVAIL):
		return errdefs.Errorf(errdefs.ErrInvalid, "network: publishing %s: %s is not an address of this host", p,
			p.Addr())
	case errors.Is(err, unix.EACCES):
		return errdefs.Errorf(errdefs.ErrDenied, "network: publishing %s: this user may not use ports so low "+
			"(sysctl net.ipv4.ip_unprivileged_port_start); choose a higher one", p)
	}
	return fmt.Errorf("network: publishing %s: %w", p, err)
}

// startTimeout is how long a program may take to begin.
const startTimeout = 10 * time.Second

// start runs a program until it has written to its standard output that it serves.
// The namespace is its standard input.
func start(cmd *exec.Cmd, namespace *os.File) (*served, error) {
	ready, told, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("network: %w", err)
	}
	defer ready.Close()
	problem, says, err := os.Pipe()
	if err != nil {
		told.Close()
		return nil, fmt.Errorf("network: %w", err)
	}
	defer problem.Close()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = namespace, told, says
	cmd.Dir, cmd.Env = "/", []string{"PATH=" + os.Getenv("PATH")}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL}
	c := &served{ended: make(chan struct{})}
	begun := make(chan error)
	go func() {
		// The kernel takes the end of the thread that started it for its parent's.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		told.Close()
		says.Close()
		begun <- err
		if err == nil {
			_ = cmd.Wait() // how it ended is told by what it printed
		}
		close(c.ended)
	}()
	if err := <-begun; err != nil {
		return nil, fmt.Errorf("network: %w", err)
	}
	c.process = cmd.Process
	if err := ready.SetReadDeadline(time.Now().Add(startTimeout)); err != nil {
		c.end()
		return nil, fmt.Errorf("network: %w", err)
	}
	if n, _ := ready.Read(make([]byte, 16)); n > 0 {
		return c, nil
	}
	c.end()
	text, _ := io.ReadAll(io.LimitReader(problem, 4096)) // what is said of it, if it says anything
	return nil, errdefs.Errorf(errdefs.ErrUnavailable, "network: %s: it did not begin: %s", cmd.Path,
		strings.Join(strings.FieldsFunc(strings.TrimSpace(string(text)), func(r rune) bool { return r == '\n' }), "; "))
}

// end ends the program, and with it the connections and the ports.
func (s *served) end() {
	_ = s.process.Kill() // it may have ended
	<-s.ended
}
