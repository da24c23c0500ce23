package clock_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"cove/registry/db/clock"
)

// TestFollow has machines whose clocks are wrong follow one that they reach in different
// times.
func TestFollow(t *testing.T) {
	t.Parallel()
	for _, skew := range []time.Duration{0, time.Second, -time.Second, 90 * time.Second, -time.Hour, 400 * 24 * time.Hour} {
		for _, way := range []time.Duration{0, time.Millisecond, 80 * time.Millisecond} {
			synctest.Test(t, func(t *testing.T) {
				ask := func(context.Context) (time.Time, error) {
					time.Sleep(way)
					said := time.Now()
					time.Sleep(way)
					return said, nil
				}
				c, err := clock.Follow(t.Context(), func() time.Time { return time.Now().Add(skew) }, ask)
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				for range 3 {
					if off := time.Until(c.Now()).Abs(); off > time.Millisecond {
						t.Errorf("skewed by %s and %s away: it is wrong by %s", skew, way, off)
					}
					time.Sleep(time.Minute)
				}
			})
		}
	}
}

// TestFollowChanges sets the followed clock, lets it be slow once, and be gone for a while.
func TestFollowChanges(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var set atomic.Int64
		var gone atomic.Bool
		slow := make(chan struct{}, 1)
		ask := func(context.Context) (time.Time, error) {
			if gone.Load() {
				return time.Time{}, errors.New("nobody answers")
			}
			said := time.Now().Add(time.Duration(set.Load()))
			select {
			case <-slow:
				time.Sleep(3 * time.Second) // all of it on its way back
			default:
				time.Sleep(3 * time.Millisecond)
			}
			return said, nil
		}
		gone.Store(true)
		if _, err := clock.Follow(t.Context(), nil, ask); err == nil {
			t.Fatal("it follows a clock that never answered")
		}
		gone.Store(false)
		c, err := clock.Follow(t.Context(), nil, ask)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		is := func(when string, want time.Duration) {
			t.Helper()
			if off := time.Until(c.Now()) - want; off.Abs() > 5*time.Millisecond {
				t.Errorf("%s: it is wrong by %s", when, off)
			}
		}
		is("at first", 0)
		set.Store(int64(-time.Hour))
		time.Sleep(30 * time.Second)
		is("after the followed clock was set back", -time.Hour)
		slow <- struct{}{}
		time.Sleep(30 * time.Second)
		is("after one slow answer", -time.Hour)
		gone.Store(true)
		time.Sleep(time.Hour)
		is("while nobody answers", -time.Hour)
		gone.Store(false)
		set.Store(0)
		time.Sleep(30 * time.Second)
		is("when it answers again", 0)
	})
}
