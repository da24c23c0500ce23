// Package streams has the caller's ends of the standard streams of one process in a
// container: pipes or a terminal, which the process holds the other ends of, so that
// what it prints does not pass through the monitor.
package streams

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/runner/attach"
	"cove/runner/task"
)

// Streams are the caller's ends of a process's standard streams. Nil ones are
// not connected.
type Streams struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// Resize delivers the size of the caller's terminal, at first and whenever
	// it changes.
	Resize <-chan Size
	// DetachKeys end the session when read from Stdin; nil is never.
	DetachKeys []byte
	// Started is told the process id, on the host, of an exec that runs now; nil is
	// nobody.
	Started func(pid int)
}

// Size is a terminal's.
type Size struct{ Rows, Cols uint16 }

// Size is the size that is known already, so that the terminal has it from its beginning
// on; zeros if none is.
func (s Streams) Size() (rows, cols uint16) {
	select {
	case size := <-s.Resize:
		return size.Rows, size.Cols
	default:
		return 0, 0
	}
}

// Ends are the ends of one process's streams.
type Ends struct {
	// Theirs are to be given to the process: stdin, if there is one, stdout, stderr.
	Theirs       []*os.File
	st           Streams
	in, out, err *os.File
	terminal     *os.File
	copies       sync.WaitGroup
}

// Of are the ends of a process's streams, which are not open yet.
func Of(st Streams) *Ends { return &Ends{st: st} }

// Runs tells the caller the process id.
func (x *Ends) Runs(pid int) {
	if x.st.Started != nil {
		x.st.Started(pid)
	}
}

// Close closes them all.
func (x *Ends) Close() {
	x.Given()
	for _, f := range []*os.File{x.in, x.out, x.err, x.terminal} {
		if f != nil {
			f.Close()
		}
	}
}

// Given closes Theirs, which are the process's own now.
func (x *Ends) Given() {
	for _, f := range x.Theirs {
		f.Close()
	}
	x.Theirs = nil
}

// Pipe makes pipes for a process without a terminal.
func (x *Ends) Pipe() (err error) {
	var theirs *os.File
	if x.st.Stdin != nil {
		if x.in, theirs, err = task.Pipe(false); err != nil {
			return err
		}
		x.Theirs = append(x.Theirs, theirs)
	}
	if x.out, theirs, err = task.Pipe(true); err != nil {
		return err
	}
	x.Theirs = append(x.Theirs, theirs)
	if x.err, theirs, err = task.Pipe(true); err != nil {
		return err
	}
	x.Theirs = append(x.Theirs, theirs)
	return nil
}

// Begin begins to copy in both directions. A process with a terminal has sent its
// master in files. leave is called with attach.ErrDetached when the detach keys were
// read, and with the reason when the caller takes no output any more: nobody would read
// what the process prints, and it would wait for that forever.
func (x *Ends) Begin(ctx context.Context, terminal bool, files []*os.File, leave func(error)) error {
	in, out := x.in, x.out
	if terminal {
		if len(files) != 1 {
			return errdefs.Errorf(errdefs.ErrUnavailable, "exec got no terminal")
		}
		if err := unix.SetNonblock(int(files[0].Fd()), true); err != nil {
			return fmt.Errorf("exec's terminal: %w", err)
		}
		fd, err := unix.FcntlInt(files[0].Fd(), unix.F_DUPFD_CLOEXEC, 3)
		files[0].Close()
		if err != nil {
			return fmt.Errorf("exec's terminal: %w", err)
		}
		if err := unix.SetNonblock(fd, true); err != nil {
			return fmt.Errorf("exec's terminal: %w", err)
		}
		x.terminal = os.NewFile(uintptr(fd), "terminal")
		in, out = x.terminal, x.terminal
		go x.resize(ctx)
	}
	x.copy(x.st.Stdout, out, leave)
	if x.err != nil {
		x.copy(x.st.Stderr, x.err, leave)
	}
	if x.st.Stdin != nil && in != nil {
		go func() {
			// Ends with the caller's stdin, or when the process is gone.
			_, err := io.Copy(in, attach.NewDetacher(x.st.Stdin, x.st.DetachKeys))
			if errors.Is(err, attach.ErrDetached) {
				leave(attach.ErrDetached)
			}
			if !terminal {
				in.Close()
			}
		}()
	}
	return nil
}

func (x *Ends) copy(to io.Writer, from *os.File, leave func(error)) {
	if to == nil {
		to = io.Discard
	}
	x.copies.Go(func() {
		_, err := io.Copy(to, from)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			attach.ReadRest(to, from)
		case err != nil && !isRead(err):
			leave(fmt.Errorf("passing on its output: %w", err))
		}
	})
}

// isRead is of an error of the process's end: a terminal ends with one.
func isRead(err error) bool {
	var of *fs.PathError
	return errors.Is(err, os.ErrClosed) || errors.As(err, &of) && of.Op == "read"
}

// Drain waits for the end of output. A process in the background may hold the
// pipe open for as long as it likes: then what was printed so far is all.
func (x *Ends) Drain() {
	for _, f := range []*os.File{x.out, x.err, x.terminal} {
		if f != nil {
			_ = f.SetReadDeadline(time.Now().Add(100 * time.Millisecond)) // pipes and terminals take deadlines
		}
	}
	x.copies.Wait()
}

func (x *Ends) resize(ctx context.Context) {
	raw, err := x.terminal.SyscallConn()
	if err != nil || x.st.Resize == nil {
		return
	}
	for {
		select {
		case size, ok := <-x.st.Resize:
			if !ok {
				return
			}
			_ = raw.Control(func(fd uintptr) {
				// A terminal that is gone has no size to be set.
				_ = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &unix.Winsize{Row: size.Rows, Col: size.Cols})
			})
		case <-ctx.Done():
			return
		}
	}
}
