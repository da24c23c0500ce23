package engine

import (
	"context"
	"errors"
	"io"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"cove/engine/listing"
	"cove/events"
	"cove/runner/record"
)

// Cause is what is known of why a container is as it is.
type Cause struct {
	listing.Container
	// Signal is what ended it, "" for none; Sent says that a command asked for that
	// signal, and Stopped that it was part of a stop.
	Signal        string
	Sent, Stopped bool
	// Memory is its limit in bytes, 0 without one.
	Memory int64
	// Checks are what its health checks told last.
	Checks record.Health
}

// Why finds out why a container is as it is: from its record, and from what was told of
// its last life in the log of events.
func (e *Engine) Why(ctx context.Context, ref string) (cause Cause, err error) {
	c, err := e.Container(ctx, ref)
	if err != nil {
		return cause, err
	}
	if cause.Container, err = listing.Of(ctx, c); err != nil {
		return cause, err
	}
	if cause.Asked != nil {
		cause.Memory = cause.Asked.Resources.Memory
	}
	cause.Checks, _ = record.Dir(c.Dir()).Health() // without checks there are none
	if code := cause.State.ExitCode; cause.State.Status == record.Exited && code > 128 && code < 255 {
		cause.Signal = unix.SignalName(unix.Signal(code - 128))
		return cause, e.whoSent(ctx, &cause, strconv.Itoa(code-128))
	}
	return cause, nil
}

// whoSent looks for a signal in what was told of the container's last life.
func (e *Engine) whoSent(ctx context.Context, cause *Cause, signal string) error {
	reader, err := events.Of(e.parts.Root).Read(events.Options{Since: cause.State.StartedAt, Until: time.Now()})
	if err != nil {
		return err
	}
	defer reader.Close()
	for {
		ev, err := reader.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if ev.Type != events.Container || ev.ID != cause.ID {
			continue
		}
		cause.Sent = cause.Sent || ev.Action == events.Kill && ev.Attributes["signal"] == signal
		cause.Stopped = cause.Stopped || ev.Action == events.Stop
	}
}
