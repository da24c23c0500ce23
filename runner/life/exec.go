package life

import (
	"context"
	"errors"
	"fmt"

	"cove/errdefs"
	"cove/internal/leanjson"
	"cove/runner/attach"
	"cove/runner/life/streams"
	"cove/runner/record"
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

func (c *Container) exec(ctx context.Context, cfg record.ExecConfig, st Streams) (status record.ExitStatus, err error) {
	state, err := c.thawedState(ctx)
	switch {
	case err != nil:
		return status, err
	case !state.Alive():
		return status, c.notAlive(state)
	case state.Status == record.Paused:
		return status, errdefs.Errorf(errdefs.ErrConflict, "%s is paused, unpause the container before exec", c)
	}
	x := &execution{Ends: streams.Of(st), c: c}
	defer x.close()
	hello := attach.Hello{Kind: attach.Exec, Exec: &cfg}
	if hello.Rows, hello.Cols = st.Size(); !cfg.Detach && !cfg.Terminal {
		hello.Stdin = st.Stdin != nil
		if err := x.Pipe(); err != nil {
			return status, err
		}
	}
	if x.conn, err = c.dial(ctx, state, hello, x.Theirs...); err != nil {
		return status, err
	}
	ctx, x.leave = context.WithCancelCause(ctx)
	defer x.leave(nil)
	defer context.AfterFunc(ctx, func() { x.conn.Close() })()
	x.Given()
	status, err = x.run(ctx, state, cfg)
	if ctx.Err() != nil {
		return status, context.Cause(ctx)
	}
	return status, err
}

// execution is the caller's side of one exec.
type execution struct {
	*streams.Ends
	c     *Container
	conn  *attach.Conn
	leave context.CancelCauseFunc
}

func (x *execution) close() {
	if x.conn != nil {
		x.conn.Close()
	}
	x.Close()
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
	var started attach.Started
	if err := leanjson.Unmarshal(p.Data, &started); err != nil {
		return record.ExitStatus{}, fmt.Errorf("container %s: monitor answered %q: %w", x.c, p.Data, err)
	}
	x.Runs(started.Pid)
	if cfg.Detach {
		for _, f := range p.Files {
			f.Close()
		}
		return record.ExitStatus{}, nil
	}
	if err := x.Begin(ctx, cfg.Terminal, p.Files, x.leave); err != nil {
		return record.ExitStatus{}, fmt.Errorf("container %s: %w", x.c, err)
	}
	p, err = x.conn.Receive(true)
	if err != nil {
		return record.ExitStatus{Code: 137, Error: "the container ended"}, nil //nolint:nilerr // with its monitor
	}
	var status record.ExitStatus
	if err := leanjson.Unmarshal(p.Data, &status); err != nil {
		return status, fmt.Errorf("container %s: monitor answered %q: %w", x.c, p.Data, err)
	}
	x.Drain()
	return status, nil
}
