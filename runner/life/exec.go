package life

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/internal/leanjson"
	"cove/runner/attach"
	"cove/runner/record"
	"cove/runner/task"
)

// Exec runs one more process in the container. Without Detach it streams until
// the process ends, or the detach keys come (ErrDetached) and leave it running.
// A process that could not start is a *StartError.
func (c *Container) Exec(ctx context.Context, cfg record.ExecConfig, st Streams) (record.ExitStatus, error) {
	status, err := c.exec(ctx, cfg, st)
	if errors.Is(err, errFrozen) {
		status, err = c.exec(ctx, cfg, st) // a commit froze it after State was read; this waits until it is thawed
	}
	return status, err
}

// errFrozen is of an exec that met a frozen container that is not paused, or not
// any more. Nothing of it has begun.
var errFrozen = errdefs.Errorf(errdefs.ErrConflict, "its processes are frozen")

func (c *Container) exec(ctx context.Context, cfg record.ExecConfig, st Streams) (record.ExitStatus, error) {
	state, err := c.thawedState(ctx)
	switch {
	case err != nil:
		return record.ExitStatus{}, err
	case !state.Alive():
		return record.ExitStatus{}, c.notAlive(state)
	case state.Status == record.Paused:
		return record.ExitStatus{}, errdefs.Errorf(errdefs.ErrConflict, "container %s is paused; unpause it first", c)
	}
	x := &execution{c: c, st: st}
	defer x.close()
	hello := attach.Hello{Kind: attach.Exec, Exec: &cfg}
	if !cfg.Detach && !cfg.Terminal {
		hello.Stdin = st.Stdin != nil
		if err := x.pipes(); err != nil {
			return record.ExitStatus{}, err
		}
	}
	if x.conn, err = c.dial(ctx, state, hello, x.theirs...); err != nil {
		return record.ExitStatus{}, err
	}
	ctx, x.leave = context.WithCancelCause(ctx)
	defer x.leave(nil)
	defer context.AfterFunc(ctx, func() { x.conn.Close() })()
	for _, f := range x.theirs {
		f.Close()
	}
	x.theirs = nil
	status, err := x.run(ctx, state, cfg)
	if ctx.Err() != nil {
		return status, context.Cause(ctx)
	}
	return status, err
}

// execution is the caller's side of one exec. What the process prints comes
// straight through a pipe or terminal, not through the monitor.
type execution struct {
	c            *Container
	st           Streams
	conn         *attach.Conn
	theirs       []*os.File
	in, out, err *os.File
	terminal     *os.File
	copies       sync.WaitGroup
	leave        context.CancelCauseFunc
}

func (x *execution) close() {
	if x.conn != nil {
		x.conn.Close()
	}
	for _, f := range append(x.theirs, x.in, x.out, x.err, x.terminal) {
		if f != nil {
			f.Close()
		}
	}
}

func (x *execution) pipes() (err error) {
	var theirs *os.File
	if x.st.Stdin != nil {
		if x.in, theirs, err = task.Pipe(false); err != nil {
			return err
		}
		x.theirs = append(x.theirs, theirs)
	}
	if x.out, theirs, err = task.Pipe(true); err != nil {
		return err
	}
	x.theirs = append(x.theirs, theirs)
	if x.err, theirs, err = task.Pipe(true); err != nil {
		return err
	}
	x.theirs = append(x.theirs, theirs)
	return nil
}

func (x *execution) run(ctx context.Context, st record.State, cfg record.ExecConfig) (record.ExitStatus, error) {
	p, err := x.c.await(ctx, x.conn, st.Monitor, startTimeout)
	if errors.Is(err, errdefs.ErrUnavailable) {
		return record.ExitStatus{}, err
	}
	if err != nil {
		return record.ExitStatus{}, x.c.notRunning() // the monitor ends with its container
	}
	if p.Type == attach.TypeFailed {
		err := record.Failure(p.Data)
		switch {
		case errors.Is(err, errdefs.ErrUnavailable):
			err = fmt.Errorf("container %s: %w", x.c, errFrozen)
		case errors.Is(err, errdefs.ErrConflict):
			err = x.c.notRunning() // it has ended meanwhile
		}
		return record.ExitStatus{}, err
	}
	if cfg.Detach {
		for _, f := range p.Files {
			f.Close()
		}
		return record.ExitStatus{}, nil
	}
	if err := x.stream(ctx, cfg, p.Files); err != nil {
		return record.ExitStatus{}, err
	}
	p, err = x.conn.Receive(true)
	if err != nil {
		return record.ExitStatus{Code: 137, Error: "the container ended"}, nil //nolint:nilerr // with its monitor
	}
	var status record.ExitStatus
	if err := leanjson.Unmarshal(p.Data, &status); err != nil {
		return status, fmt.Errorf("container %s: monitor answered %q: %w", x.c, p.Data, err)
	}
	x.drain()
	return status, nil
}

// stream begins to copy in both directions.
func (x *execution) stream(ctx context.Context, cfg record.ExecConfig, files []*os.File) error {
	in, out := x.in, x.out
	if cfg.Terminal {
		if len(files) != 1 {
			return errdefs.Errorf(errdefs.ErrUnavailable, "container %s: exec got no terminal", x.c)
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
	x.copy(x.st.Stdout, out)
	if x.err != nil {
		x.copy(x.st.Stderr, x.err)
	}
	if x.st.Stdin != nil && in != nil {
		go func() {
			// Ends with the caller's stdin, or when the process is gone.
			_, err := io.Copy(in, attach.NewDetacher(x.st.Stdin, x.st.DetachKeys))
			if errors.Is(err, ErrDetached) {
				x.leave(ErrDetached)
			}
			if !cfg.Terminal {
				in.Close()
			}
		}()
	}
	return nil
}

func (x *execution) copy(to io.Writer, from *os.File) {
	if to == nil {
		to = io.Discard
	}
	x.copies.Go(func() {
		_, err := io.Copy(to, from)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			attach.ReadRest(to, from)
		}
	})
}

// drain waits for the end of output. A process in the background may hold the
// pipe open for as long as it likes: then what was printed so far is all.
func (x *execution) drain() {
	for _, f := range []*os.File{x.out, x.err, x.terminal} {
		if f != nil {
			_ = f.SetReadDeadline(time.Now().Add(100 * time.Millisecond)) // pipes and terminals take deadlines
		}
	}
	x.copies.Wait()
}

func (x *execution) resize(ctx context.Context) {
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
