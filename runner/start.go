package runner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"cove/errdefs"
	"cove/internal/leanjson"
	"cove/runner/attach"
)

// Start starts the container under a monitor of its own and returns when its
// process runs. It is a *StartError when it cannot, errdefs.ErrConflict when it
// runs already.
func (c *Container) Start(ctx context.Context) error {
	s, err := c.start(ctx, attach.Hello{Kind: attach.Wait})
	if err == nil {
		s.Close()
	}
	return err
}

// StartAttached is Start, attached from the first byte of output on.
func (c *Container) StartAttached(ctx context.Context) (*Session, error) {
	return c.start(ctx, attach.Hello{Kind: attach.Attach, Lossless: true})
}

func (c *Container) start(ctx context.Context, h attach.Hello) (*Session, error) {
	control, err := c.dir.Lock("control", true)
	if err != nil {
		return nil, err
	}
	defer control.Close()
	st, err := c.State(ctx)
	if err != nil {
		return nil, err
	}
	if alive(st) {
		return nil, errdefs.Errorf(errdefs.ErrConflict, "container %s is already running", c)
	}
	conn, theirs, err := attach.Pair()
	if err != nil {
		return nil, err
	}
	if err := c.spawn(conn, theirs, h); err != nil {
		conn.Close()
		return nil, err
	}
	s := &Session{c: c, conn: conn}
	if err := s.awaitStart(ctx); err != nil {
		conn.Close()
		if errors.Is(err, errMonitorEnded) {
			err = errors.Join(err, c.sweep(ctx))
		}
		return nil, err
	}
	return s, nil
}

// spawn runs the monitor, in a session of its own and away from this process's
// directory and streams.
func (c *Container) spawn(conn *attach.Conn, theirs *os.File, h attach.Hello) error {
	defer theirs.Close()
	if err := conn.SendJSON(attach.TypeHello, h); err != nil {
		return err
	}
	//nolint:noctx // the monitor outlives this command
	cmd := exec.Command(c.r.opts.RuntimePath, c.r.monitorArgs(c.dir)...)
	cmd.Dir, cmd.Env = "/", []string{"PATH=" + os.Getenv("PATH")}
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		if errors.Is(err, exec.ErrNotFound) || errors.Is(err, os.ErrNotExist) {
			return errdefs.Errorf(errdefs.ErrUnavailable, "container %s: the program cove-runtime is not beside this one nor in $PATH (%s)", c, c.r.opts.RuntimePath)
		}
		return fmt.Errorf("container %s: starting its monitor: %w", c, err)
	}
	go cmd.Wait() //nolint:errcheck // only collects the zombie, if this process lives that long
	return nil
}

var errMonitorEnded = errdefs.Errorf(errdefs.ErrUnavailable, "its monitor ended before it was started")

// awaitStart reads until the monitor says that the container runs, or why not.
// Output that comes before is kept for Stream.
func (s *Session) awaitStart(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { s.conn.Close() })
	defer stop()
	for {
		p, err := s.conn.Receive(false)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			return fmt.Errorf("container %s: %w", s.c, errMonitorEnded)
		}
		switch p.Type {
		case attach.TypeStarted:
			return nil
		case attach.TypeFailed:
			return failure(p.Data)
		case attach.TypeStdout, attach.TypeStderr, attach.TypeExit:
			s.early = append(s.early, attach.Packet{Type: p.Type, Data: append([]byte(nil), p.Data...)})
		}
	}
}

func failure(data []byte) error {
	var e StartError
	if err := leanjson.Unmarshal(data, &e); err != nil {
		return fmt.Errorf("monitor answered %q: %w", data, err)
	}
	return &e
}
