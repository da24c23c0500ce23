package limit

import (
	"context"
	"errors"
	"sync"
)

// ErrBusy means that a key is held, by more than may wait for it.
var ErrBusy = errors.New("too many wait for it")

// Keyed is a mutex per key: who waits for one is served in the order in which
// they came. Its zero value is ready.
type Keyed struct {
	// Most is how many may have or wait for one key; 0 sets no bound.
	Most int

	mu   sync.Mutex
	held map[string]*turn
}

type turn struct {
	ch    chan struct{}
	users int // who has it, and who waits
}

// Lock waits for the key, or until ctx ends. It is ErrBusy when as many as may
// wait do.
func (k *Keyed) Lock(ctx context.Context, key string) (unlock func(), err error) {
	return k.lock(ctx, key, k.Most)
}

// TryLock is Lock without waiting.
func (k *Keyed) TryLock(key string) (unlock func(), err error) {
	return k.lock(context.Background(), key, 1)
}

// LockAmong is Lock where fewer than Most may have or wait for the key.
func (k *Keyed) LockAmong(ctx context.Context, key string, most int) (unlock func(), err error) {
	return k.lock(ctx, key, most)
}

func (k *Keyed) lock(ctx context.Context, key string, most int) (unlock func(), err error) {
	k.mu.Lock()
	if k.held == nil {
		k.held = map[string]*turn{}
	}
	t := k.held[key]
	if t == nil {
		t = &turn{ch: make(chan struct{}, 1)}
		k.held[key] = t
	}
	if most > 0 && t.users >= most {
		k.mu.Unlock()
		return nil, ErrBusy
	}
	t.users++
	k.mu.Unlock()
	done := func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		if t.users--; t.users == 0 {
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
