package life

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"cove/errdefs"
	"cove/internal/leanjson"
	"cove/runner/attach"
	"cove/runner/life/streams"
	"cove/runner/record"
)

// Streams are the caller's ends of a process's standard streams; Size is a terminal's.
type (
	Streams = streams.Streams
	Size    = streams.Size
)

// Session is a connection to a container's streams.
type Session struct {
	c     *Container
	conn  *attach.Conn
	early []attach.Packet // received before anybody streamed
}

// Attach connects to the running container's streams.
func (c *Container) Attach(ctx context.Context) (*Session, error) {
	st, err := c.thawedState(ctx)
	switch {
	case err != nil:
		return nil, err
	case st.Status == record.Restarting:
		return nil, c.notAlive(st)
	case !st.Alive():
		return nil, errdefs.Errorf(errdefs.ErrConflict,
			"cannot attach to a stopped container, start it first: %s is not running", c)
	case st.Status == record.Paused:
		return nil, errdefs.Errorf(errdefs.ErrConflict, "You cannot attach to a paused container, unpause it first: %s", c)
	}
	conn, err := c.dial(ctx, st, attach.Hello{Kind: attach.Attach})
	if err != nil {
		return nil, err
	}
	return &Session{c: c, conn: conn}, nil
}

// Resize sets the size of the container's terminal, as one who is attached does. One
// that does not run is errdefs.ErrConflict.
func (c *Container) Resize(ctx context.Context, size Size) error {
	s, err := c.Attach(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	return s.conn.Resize(size.Rows, size.Cols)
}

// dial calls the monitor of a container that ran a moment ago.
func (c *Container) dial(
	ctx context.Context, st record.State, h attach.Hello, files ...*os.File,
) (*attach.Conn, error) {
	conn, err := c.call(ctx, st.Monitor, h, files...)
	if errors.Is(err, errdefs.ErrNotFound) {
		return nil, c.notRunning()
	}
	return conn, err
}

// Close ends the session; the container goes on.
func (s *Session) Close() error { return s.conn.Close() }

// Stream copies until the container exits, the detach keys come
// (attach.ErrDetached), or ctx ends. It closes the session.
func (s *Session) Stream(ctx context.Context, st Streams) (record.ExitStatus, error) {
	defer s.conn.Close()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(ctx, func() { s.conn.Close() })()
	if st.Stdin != nil {
		defer interrupt(st.Stdin)()
		go func() {
			if err := s.input(st.Stdin, st.DetachKeys); err != nil {
				cancel(err)
			}
		}()
	}
	if st.Resize != nil {
		go func() {
			for {
				select {
				case size, ok := <-st.Resize:
					if !ok || s.conn.Resize(size.Rows, size.Cols) != nil {
						return
					}
				case <-ctx.Done():
					return
				}
			}
		}()
	}
	status, err := s.outputs(st)
	if cause := context.Cause(ctx); cause != nil {
		return status, cause
	}
	if errors.Is(err, io.EOF) {
		return s.cutOff(ctx)
	}
	return status, err
}

// interrupt makes a later call end a Read that waits, where the reader can.
func interrupt(r io.Reader) func() {
	d, ok := r.(interface{ SetReadDeadline(time.Time) error })
	if !ok {
		return func() {}
	}
	return func() {
		_ = d.SetReadDeadline(time.Unix(1, 0)) // files that cannot poll refuse
	}
}

// input sends what is read from the caller until its end or the detach keys.
func (s *Session) input(from io.Reader, keys []byte) error {
	r := attach.NewDetacher(from, keys)
	buf := make([]byte, attach.MaxData)
	for {
		n, err := r.Read(buf)
		if n > 0 && s.conn.Send(attach.TypeStdin, buf[:n]) != nil {
			return nil //nolint:nilerr // outputs gets the reason from the monitor
		}
		switch {
		case errors.Is(err, attach.ErrDetached):
			return attach.ErrDetached
		case err != nil:
			_ = s.conn.Send(attach.TypeEOF, nil) // outputs gets an error, too
			return nil                           //nolint:nilerr // input that cannot be read ends
		}
	}
}

// outputs writes what comes until the container's end.
func (s *Session) outputs(st Streams) (status record.ExitStatus, err error) {
	for {
		var p attach.Packet
		if len(s.early) > 0 {
			p, s.early = s.early[0], s.early[1:]
		} else if p, err = s.conn.Receive(true); err != nil {
			return status, err
		}
		var w io.Writer
		switch p.Type {
		case attach.TypeStdout:
			w = st.Stdout
		case attach.TypeStderr:
			w = st.Stderr
		case attach.TypeExit:
			if err := leanjson.Unmarshal(p.Data, &status); err != nil {
				return status, fmt.Errorf("container %s: monitor answered %q: %w", s.c, p.Data, err)
			}
			return status, nil
		}
		if w == nil {
			continue
		}
		if _, err := w.Write(p.Data); err != nil {
			return status, fmt.Errorf("container %s: passing on its output: %w", s.c, err)
		}
	}
}

// cutOff explains a connection that ended without the container's end.
func (s *Session) cutOff(ctx context.Context) (record.ExitStatus, error) {
	st, err := s.c.State(ctx)
	switch {
	case errors.Is(err, errdefs.ErrNotFound):
		return record.ExitStatus{Code: 255, Error: "monitor killed"}, nil
	case err != nil:
		return record.ExitStatus{}, err
	case st.Alive():
		return record.ExitStatus{}, errdefs.Errorf(errdefs.ErrUnavailable,
			"container %s: detached because its output was read too slowly; attach again", s.c)
	}
	return st.Exit(), nil
}
