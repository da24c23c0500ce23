package gc

import (
	"context"
	"maps"
	"sync"

	"cove/content"
)

// Recording is a lease that knows what it held.
type Recording struct {
	content.Lease
	mu   sync.Mutex
	refs map[string]bool
}

// Record begins a lease that knows what it held.
func Record(ctx context.Context, store content.Store) (*Recording, error) {
	held, err := store.Lease(ctx)
	if err != nil {
		return nil, err
	}
	return &Recording{Lease: held, refs: map[string]bool{}}, nil
}

// Add holds more.
func (r *Recording) Add(ctx context.Context, refs ...string) error {
	r.mu.Lock()
	for _, ref := range refs {
		r.refs[ref] = true
	}
	r.mu.Unlock()
	return r.Lease.Add(ctx, refs...)
}

// Held are the refs that it held so far.
func (r *Recording) Held() map[string]bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.refs)
}
