package limit

import (
	"context"
	"sync"
)

// Keyed is a mutex per key: who waits for one is served in the order in which
// they came. Its zero value is ready.
type Keyed struct {
	mu   sync.Mutex
	held map[string]*turn
}

type turn struct {
	ch      chan struct{}
	waiting int
}

// Lock waits for the key, or until ctx ends.
func (k *Keyed) Lock(ctx context.Context, key string) (unlock func(), err error) {
	k.mu.Lock()
	if k.held == nil {
		k.held = map[string]*turn{}
	}
	t := k.held[key]
	if t == nil {
		t = &turn{ch: make(chan struct{}, 1)}
		k.held[key] = t
	}
	t.waiting++
	k.mu.Unlock()
	done := func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		if t.waiting--; t.waiting == 0 {
			delete(k.held, key)
		}
	}
	select {
	case t.ch <- struct{}{}:
		return func() { <-t.ch; done() }, nil
	case <-ctx.Done():
		done()
		return nil, ctx.Err()
	}
}
