package life

import (
	"context"
	"errors"
	"fmt"
	"os"

	"cove/errdefs"
	"cove/internal/leanjson"
	"cove/internal/timeline"
	"cove/runner/attach"
	"cove/runner/record"
)

// Start starts the container under a monitor of its own and returns when its
// process runs. It is a *StartError when it cannot; one that runs already is no
// error, as docker has it, and a paused one is errdefs.ErrConflict.
func (c *Container) Start(ctx context.Context) error {
	s, err := c.start(ctx, attach.Hello{Kind: attach.Wait})
	if errors.Is(err, errRuns) {
		return nil
	}
	if err == nil {
		return s.Close()
	}
	return err
}

// StartAttached is Start, attached from the first byte of output on. One that
// runs already is attached to as it is, as docker has it.
func (c *Container) StartAttached(ctx context.Context) (*Session, error) {
	if s, err := c.start(ctx, attach.Hello{Kind: attach.Attach, Lossless: true}); !errors.Is(err, errRuns) {
		return s, err
	}
	return c.Attach(ctx)
}

var errRuns = errdefs.Errorf(errdefs.ErrConflict, "it is already running")

func (c *Container) start(ctx context.Context, h attach.Hello) (*Session, error) {
	unlock, err := c.Lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	// A person does not wait for the policy, and begins its count anew.
	if st, err := c.dir.State(); err == nil && st.Status == record.Restarting {
		if err := errors.Join(c.dir.SetMark(record.StopMark, true), c.EndRestart(ctx)); err != nil {
			return nil, err
		}
	}
	return c.startLocked(ctx, h)
}

// StartAgain is Start for who holds the restart lock: only if the container still
// waits to be started again. One that cannot has ended.
func (c *Container) StartAgain(ctx context.Context) error {
	unlock, err := c.Lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	st, err := c.dir.State()
	if err != nil || st.Status != record.Restarting {
		return err
	}
	if c.dir.Marked(record.StopMark) {
		st.Status = record.Exited
		return c.dir.SetState(st, true)
	}
	if err = c.StartLocked(ctx); err == nil {
		return nil
	}
	// Its monitor has recorded why, if there was one.
	if st, serr := c.dir.State(); serr == nil && st.Status == record.Restarting {
		st.Status, st.Error = record.Exited, err.Error()
		err = errors.Join(err, c.dir.SetState(st, true))
	}
	return err
}

// StartLocked is Start for whoever holds the control lock.
func (c *Container) StartLocked(ctx context.Context) error {
	s, err := c.startLocked(ctx, attach.Hello{Kind: attach.Wait})
	if err == nil {
		return s.Close()
	}
	return err
}

func (c *Container) startLocked(ctx context.Context, h attach.Hello) (*Session, error) {
	st, err := c.State(ctx)
	switch {
	case err != nil:
		return nil, err
	case st.Status == record.Paused:
		return nil, errdefs.Errorf(errdefs.ErrConflict, "cannot start a paused container, try unpause instead: %s", c)
	case st.Alive():
		return nil, fmt.Errorf("container %s: %w", c, errRuns)
	}
	if err := c.dir.ForgetHealth(); err != nil {
		return nil, err
	}
	for _, mark := range []record.Mark{record.PausedMark, record.StillMark, record.KeepMark, record.StopMark} {
		if err := c.dir.SetMark(mark, false); err != nil {
			return nil, err
		}
	}
	m := c.standby
	if c.standby = nil; m == nil {
		if m, err = c.o.Program.Monitor(c.dir); err != nil {
			return nil, fmt.Errorf("container %s: %w", c, err)
		}
	}
	conn, monitor := m.Conn, m.Process
	h.Timeline = timeline.From(ctx) != nil
	if err := conn.SendJSON(attach.TypeHello, h); err != nil {
		conn.Close()
		return nil, fmt.Errorf("container %s: %w", c, err)
	}
	s := &Session{c: c, conn: conn}
	if err := s.awaitStart(ctx, monitor); err != nil {
		conn.Close()
		if errors.Is(err, errdefs.ErrUnavailable) {
			_ = monitor.Kill() // fails if it has ended; one that hangs would keep its lock
			err = errors.Join(err, c.Sweep(context.WithoutCancel(ctx)))
		}
		return nil, err
	}
	return s, nil
}

var errMonitorEnded = errdefs.Errorf(errdefs.ErrUnavailable, "its monitor ended before it was started")

// awaitStart reads until the monitor says that the container runs, or why not.
// Output that comes before is kept for Stream.
func (s *Session) awaitStart(ctx context.Context, monitor *os.Process) error {
	stop := context.AfterFunc(ctx, func() { s.conn.Close() })
	defer stop()
	for {
		p, err := s.c.await(ctx, s.conn, monitor.Pid, startTimeout)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, errdefs.ErrUnavailable):
			return err
		case err != nil:
			return fmt.Errorf("container %s: %w", s.c, errMonitorEnded)
		}
		switch p.Type {
		case attach.TypeStarted:
			if r := timeline.From(ctx); r != nil {
				var started attach.Started
				if leanjson.Unmarshal(p.Data, &started) == nil {
					r.Add(started.Phases...)
				}
			}
			return nil
		case attach.TypeFailed:
			return record.Failure(p.Data)
		case attach.TypeStdout, attach.TypeStderr, attach.TypeExit:
			s.early = append(s.early, attach.Packet{Type: p.Type, Data: append([]byte(nil), p.Data...)})
		}
	}
}
