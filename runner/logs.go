package runner

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"cove/errdefs"
	"cove/runner/logs"
)

// LogOptions choose from a log.
type LogOptions struct {
	Follow bool
	// Tail is how many last lines, unless All.
	Tail         int
	All          bool
	Since, Until time.Time
	// Timestamps puts the time before each line, Details what its driver added to it.
	Timestamps, Details bool
}

// Logs writes the recorded output. It returns when all is written, or with
// Follow when the container has exited.
func (c *Container) Logs(ctx context.Context, o LogOptions, stdout, stderr io.Writer) error {
	if !c.Config().Log.Kept() {
		return errdefs.Errorf(errdefs.ErrUnsupported, "configured logging driver does not support reading")
	}
	lo := logs.Options{Tail: o.Tail, Since: o.Since, Until: o.Until, Timestamps: o.Timestamps, Details: o.Details}
	if o.All {
		lo.Tail = -1
	}
	if !o.Follow {
		return logs.Read(ctx, c.LogPath(), lo, stdout, stderr)
	}
	ended := make(chan struct{})
	lo.Follow = ended
	ctx, cancel := context.WithCancel(ctx)
	waited := make(chan error, 1)
	go func() {
		defer close(ended)
		err := c.WaitForGood(ctx)
		waited <- err
	}()
	err := logs.Read(ctx, c.LogPath(), lo, stdout, stderr)
	cancel()
	if werr := <-waited; werr != nil && err == nil && !errors.Is(werr, context.Canceled) &&
		!errors.Is(werr, errdefs.ErrNotFound) {
		return fmt.Errorf("following the log: %w", werr)
	}
	return err
}
