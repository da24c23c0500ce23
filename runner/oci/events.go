package oci

import (
	"context"
	"time"

	"cove/errdefs"
	"cove/runner/oci/events"
	"cove/runner/oci/state"
)

// events is the command.
func (a *app) events(ctx context.Context, args []string) (int, error) {
	set := flags("events")
	once := set.Bool("stats", false, "print what the container uses once, and end")
	interval := set.Duration("interval", 5*time.Second, "`TIME` between two lines of what the container uses")
	rest, err := a.parse(set, args, 1, 1)
	if err != nil {
		return 1, err
	}
	if *interval <= 0 {
		return 1, errdefs.Errorf(errdefs.ErrInvalid, "events: --interval %v: want more than 0", *interval)
	}
	c, err := a.load(rest[0])
	if err != nil {
		return 1, err
	}
	ended := func() bool { return c.Status() == state.Stopped }
	if ended() {
		return 1, errdefs.Errorf(errdefs.ErrConflict, "container %q is not running", c.ID)
	}
	g, err := c.Group()
	if err != nil {
		return 1, err
	}
	w := events.Watcher{ID: c.ID, Group: g, Out: a.out, Interval: *interval, Ended: ended}
	if *once {
		return 0, w.Stats()
	}
	return 0, w.Watch(ctx)
}
