package throttle_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"cove/registry/auth/throttle"
)

// TestEven: whoever takes how long, the answer comes at a whole number of steps.
func TestEven(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, took := range []time.Duration{0, time.Millisecond, 30 * time.Millisecond, 249 * time.Millisecond, 251 * time.Millisecond, 3 * time.Second} {
			begun := time.Now()
			time.Sleep(took)
			throttle.Even(t.Context(), begun)
			if d := time.Since(begun); d%(250*time.Millisecond) != 0 || d <= took || d > took+250*time.Millisecond {
				t.Errorf("what took %s is answered after %s", took, d)
			}
		}
	})
}

func TestPause(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := throttle.Pause(ctx, time.Hour); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := throttle.Pause(ctx, -time.Hour); err != nil {
		t.Error(err)
	}
}
