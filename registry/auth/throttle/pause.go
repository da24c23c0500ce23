package throttle

import (
	"context"
	"time"
)

// step is what the time of a refusal is a multiple of, where a directory may have been
// asked: longer than most take to answer.
const step = 250 * time.Millisecond

// Even waits until a whole number of steps has passed since a password was first looked
// at. A directory answers sooner for a name that it does not know than for a wrong
// password, and neither takes as long as a hash: so it would tell who is there.
func Even(ctx context.Context, begun time.Time) { _ = Pause(ctx, step-time.Since(begun)%step) }

// Pause waits, unless ctx ends before.
func Pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
