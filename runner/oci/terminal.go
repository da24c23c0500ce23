package oci

import (
	"fmt"
	"io"
	"net"
	"os"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"cove/errdefs"
)

// sendConsole passes a terminal's master to whoever listens on a socket, as
// conmon and containerd's shim do.
func sendConsole(socket string, console *os.File) error {
	if console == nil {
		return errdefs.Errorf(errdefs.ErrUnavailable, "no terminal to send to %s", socket)
	}
	defer console.Close()
	c, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		return fmt.Errorf("connecting to --console-socket: %w", err)
	}
	defer c.Close()
	if _, _, err := c.WriteMsgUnix([]byte("/dev/ptmx"), unix.UnixRights(int(console.Fd())), nil); err != nil {
		return fmt.Errorf("sending the terminal to --console-socket: %w", err)
	}
	return nil
}

// terminal connects the caller's own terminal to a container's.
type terminal struct {
	in, console *os.File
	saved       *term.State
	copied      chan struct{}
}

func (a *app) openTerminal(console *os.File) (*terminal, error) {
	t := &terminal{in: a.in, console: console, copied: make(chan struct{})}
	if term.IsTerminal(int(a.in.Fd())) {
		saved, err := term.MakeRaw(int(a.in.Fd()))
		if err != nil {
			return nil, fmt.Errorf("terminal: %w", err)
		}
		t.saved = saved
		t.resize()
	}
	go func() {
		_, _ = io.Copy(console, a.in) // ends with this process at the latest
	}()
	go func() {
		defer close(t.copied)
		_, _ = io.Copy(a.out, console) // EIO is the end of a terminal
	}()
	return t, nil
}

func (t *terminal) resize() {
	size, err := unix.IoctlGetWinsize(int(t.in.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return // not a terminal
	}
	_ = unix.IoctlSetWinsize(int(t.console.Fd()), unix.TIOCSWINSZ, size) // fails if the terminal is gone
}

// close waits for the last output and restores the caller's terminal.
func (t *terminal) close() {
	<-t.copied
	t.console.Close()
	if t.saved != nil {
		_ = term.Restore(int(t.in.Fd()), t.saved) // nothing can be done about it
	}
}
