// Package console connects a process that the OCI runtime waits for to whoever called
// the runtime: its terminal, and the signals that are meant for it.
package console

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"cove/errdefs"
	"cove/sandbox"
)

// Send passes a terminal's master to whoever listens on a socket, as
// conmon and containerd's shim do.
func Send(socket string, master *os.File) error {
	if master == nil {
		return errdefs.Errorf(errdefs.ErrUnavailable, "--console-socket: no terminal to send to %s", socket)
	}
	defer master.Close()
	if err := SendFile(socket, "/dev/ptmx", master); err != nil {
		return fmt.Errorf("--console-socket: %w", err)
	}
	return nil
}

// SendFile passes a file to whoever listens on a socket, with a name. The caller's own
// stays open.
func SendFile(socket, name string, f *os.File) error {
	c, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		return fmt.Errorf("passing on %s: connecting: %w", name, err)
	}
	defer c.Close()
	if _, _, err := c.WriteMsgUnix([]byte(name), unix.UnixRights(int(f.Fd())), nil); err != nil {
		return fmt.Errorf("passing on %s: %w", name, err)
	}
	return nil
}

// Terminal connects the caller's own terminal to a container's.
type Terminal struct {
	in, master *os.File
	saved      *term.State
	copied     chan struct{}
}

// Open passes on what comes from in to the master of a terminal, and from there to
// out. If in is a terminal, it is made raw until Close.
func Open(in, out, master *os.File) (*Terminal, error) {
	t := &Terminal{in: in, master: master, copied: make(chan struct{})}
	if term.IsTerminal(int(in.Fd())) {
		saved, err := term.MakeRaw(int(in.Fd()))
		if err != nil {
			return nil, fmt.Errorf("terminal: %w", err)
		}
		t.saved = saved
		t.resize()
	}
	t.newlines()
	go func() {
		_, _ = io.Copy(master, in) // ends with this process at the latest
	}()
	go func() {
		defer close(t.copied)
		_, _ = io.Copy(out, master) // EIO is the end of a terminal
	}()
	return t, nil
}

// newlines has what the container prints come with newlines alone, as it does without a
// terminal, and the caller's own terminal begin a line at each of them.
func (t *Terminal) newlines() {
	change(t.master, func(of *unix.Termios) { of.Oflag &^= unix.ONLCR })
	if t.saved != nil {
		change(t.in, func(of *unix.Termios) { of.Oflag |= unix.OPOST | unix.ONLCR })
	}
}

// change sets a terminal; one that is gone already has nobody to print to.
func change(terminal *os.File, set func(of *unix.Termios)) {
	fd := int(terminal.Fd())
	if of, err := unix.IoctlGetTermios(fd, unix.TCGETS); err == nil {
		set(of)
		_ = unix.IoctlSetTermios(fd, unix.TCSETS, of)
	}
}

func (t *Terminal) resize() {
	size, err := unix.IoctlGetWinsize(int(t.in.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return // not a terminal
	}
	_ = unix.IoctlSetWinsize(int(t.master.Fd()), unix.TIOCSWINSZ, size) // fails if the terminal is gone
}

// Close waits for the last output and restores the caller's terminal.
func (t *Terminal) Close() {
	<-t.copied
	t.master.Close()
	if t.saved != nil {
		_ = term.Restore(int(t.in.Fd()), t.saved) // nothing can be done about it
	}
}

// Signals collects the signals that people send to a runtime in the foreground,
// for the container. Not all there are: each costs a call here and one in
// every process that is started.
//
// It does not wait until that is set up, which takes two threads a while; the
// container's process does not exist much sooner, and ends with this one.
func Signals() <-chan os.Signal {
	signals := make(chan os.Signal, 32)
	go signal.Notify(signals, unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGUSR1, unix.SIGUSR2,
		unix.SIGALRM, unix.SIGTERM, unix.SIGCONT, unix.SIGWINCH)
	return signals
}

// Forward passes signals on to a process until stop is closed.
func Forward(p *sandbox.Process, t *Terminal, signals <-chan os.Signal, stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		case s := <-signals:
			sig, ok := s.(unix.Signal)
			switch {
			case !ok:
			case sig == unix.SIGWINCH && t != nil:
				t.resize()
			default:
				_ = p.Signal(sig) // fails if it has ended
			}
		}
	}
}
