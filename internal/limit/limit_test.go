package limit

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestEachIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var now, most, sum atomic.Int64
		err := Each(t.Context(), 3, slices.Values([]int64{1, 2, 3, 4, 5, 6, 7, 8}), func(_ context.Context, n int64) error {
			most.Store(max(most.Load(), now.Add(1)))
			time.Sleep(time.Second)
			now.Add(-1)
			sum.Add(n)
			return nil
		})
		if err != nil || sum.Load() != 36 || most.Load() != 3 {
			t.Errorf("%v, sum %d, %d at once", err, sum.Load(), most.Load())
		}
	})
}

func TestTheFirstErrorEndsIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("broken")
		var taken int
		items := func(yield func(int) bool) {
			for i := range 1000 {
				taken++
				if !yield(i) {
					return
				}
			}
		}
		err := Each(t.Context(), 2, items, func(ctx context.Context, i int) error {
			if i == 1 {
				return broken
			}
			<-ctx.Done()
			return ctx.Err()
		})
		if !errors.Is(err, broken) || taken > 4 {
			t.Errorf("%v after %d items", err, taken)
		}
	})
}

func TestNothingBeginsAfterTheEnd(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := Each(ctx, 2, slices.Values([]int{1, 2}), func(context.Context, int) error {
		t.Error("called")
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// TestKeyed waits for one key while another is free, and gives up.
func TestKeyed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var k Keyed
		unlock, err := k.Lock(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := k.Lock(ctx, "a"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a key that is held: %v", err)
		}
		other, err := k.Lock(t.Context(), "b")
		if err != nil {
			t.Errorf("a key that is free: %v", err)
		} else {
			other()
		}
		unlock()
		if again, err := k.Lock(t.Context(), "a"); err != nil {
			t.Errorf("a key that was given back: %v", err)
		} else {
			again()
		}
		if len(k.held) != 0 {
			t.Errorf("%d keys are remembered", len(k.held))
		}
	})
}

// TestKeyedIsBounded turns away who comes when as many as may have or wait.
func TestKeyedIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := Keyed{Most: 2}
		unlock, err := k.Lock(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := k.TryLock("a"); !errors.Is(err, ErrBusy) {
			t.Errorf("a key that is held, without waiting: %v", err)
		}
		waited := make(chan error)
		go func() {
			next, err := k.Lock(t.Context(), "a")
			if err == nil {
				next()
			}
			waited <- err
		}()
		synctest.Wait()
		if _, err := k.Lock(t.Context(), "a"); !errors.Is(err, ErrBusy) {
			t.Errorf("the third: %v", err)
		}
		unlock()
		if err := <-waited; err != nil {
			t.Errorf("the second: %v", err)
		}
		if again, err := k.TryLock("a"); err != nil {
			t.Errorf("a key that is free: %v", err)
		} else {
			again()
		}
	})
}
