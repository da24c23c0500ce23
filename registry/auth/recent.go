package auth

import (
	"sync"
	"time"
)

// fresh is how long what the database said about an account or a project is
// believed: the bound within which a revocation holds everywhere.
const fresh = 500 * time.Millisecond

// maxRecent bounds what is remembered.
const maxRecent = 4096

// recent remembers answers for a moment, so that the many requests of one push
// or pull ask the database once. Its zero value, with now, is ready.
type recent[K comparable, V any] struct {
	now func() time.Time
	mu  sync.RWMutex
	got map[K]answer[V]
}

type answer[V any] struct {
	value V
	until time.Time
}

// get returns the answer for key, from ask when it is not remembered. Only
// what keep says yes to is remembered: news must not wait.
func (r *recent[K, V]) get(key K, ask func() (V, error), keep func(V) bool) (V, error) {
	now := r.now()
	r.mu.RLock()
	a, ok := r.got[key]
	r.mu.RUnlock()
	if ok && now.Before(a.until) {
		return a.value, nil
	}
	v, err := ask()
	if err != nil || !keep(v) {
		return v, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.got == nil || len(r.got) >= maxRecent {
		r.got = map[K]answer[V]{}
	}
	r.got[key] = answer[V]{v, now.Add(fresh)}
	return v, nil
}
