// Package clock is the time that all servers of a registry agree on, though the clocks
// of their machines do not: what one of them lets end in 15 seconds must not have ended
// for another a moment later.
package clock

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// every is how often the other clock is asked: quartz loses a microsecond meanwhile.
	every = 20 * time.Second
	// near is an answer that is good enough; asks is how often a better one is tried for.
	near = 2 * time.Millisecond
	asks = 4
)

// Clock goes as another clock does, between two looks at it as this machine's does: by
// its count since it was started, which no change of its date touches. It is safe for
// concurrent use.
type Clock struct {
	machine func() time.Time
	ask     func(context.Context) (time.Time, error)
	seen    atomic.Pointer[seen]
	end     context.CancelFunc
	ended   sync.WaitGroup
}

// seen is what the other clock said at a time of this machine's.
type seen struct{ other, here time.Time }

// Follow asks the other clock, and again from time to time until Close. A nil machine is
// time.Now.
func Follow(
	ctx context.Context, machine func() time.Time, ask func(context.Context) (time.Time, error),
) (*Clock, error) {
	if machine == nil {
		machine = time.Now
	}
	c := &Clock{machine: machine, ask: ask}
	if err := c.Look(ctx); err != nil {
		return nil, err
	}
	ctx, c.end = context.WithCancel(context.WithoutCancel(ctx))
	c.ended.Go(func() { c.follow(ctx) })
	return c, nil
}

func (c *Clock) follow(ctx context.Context) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			_ = c.Look(ctx) // who does not answer now does later; this machine's count goes on
		}
	}
}

// Look asks the other clock now. Of several answers the one that was on its way for the
// shortest time counts: the other clock said it at half of that.
func (c *Clock) Look(ctx context.Context) error {
	var best *seen
	var least time.Duration
	var why error
	for range asks {
		before := c.machine()
		other, err := c.ask(ctx)
		took := c.machine().Sub(before)
		if err != nil {
			why = errors.Join(why, err)
			continue
		}
		if best == nil || took < least {
			best, least = &seen{other.Add(took / 2), before.Add(took)}, took
		}
		if least < near {
			break
		}
	}
	if best == nil {
		return why
	}
	c.seen.Store(best)
	return nil
}

// Now is the other clock's time.
func (c *Clock) Now() time.Time {
	s := c.seen.Load()
	// Without the count of a machine's clock: that of times from elsewhere says nothing.
	return s.other.Add(c.machine().Sub(s.here)).Round(0)
}

// Close no longer asks.
func (c *Clock) Close() {
	c.end()
	c.ended.Wait()
}
