// Package recent remembers for a moment what a database said, so that the many requests
// of one push or pull ask it once.
package recent

import (
	"sync"
	"time"
)

// Fresh is how long an answer is believed: the bound within which a revocation holds
// everywhere.
const Fresh = 500 * time.Millisecond

// maxRecent bounds what is remembered.
const maxRecent = 4096

// Answers remembers answers. Its zero value, with Now, is ready. It is safe for
// concurrent use.
type Answers[K comparable, V any] struct {
	Now func() time.Time
	mu  sync.RWMutex
	got map[K]answer[V]
	// forgotten counts what was forgotten, so that an answer from before is not kept.
	forgotten uint64
}

type answer[V any] struct {
	value V
	until time.Time
}

// Get returns the answer for key, from ask when it is not remembered. Only
// what keep says yes to is remembered: news must not wait.
func (r *Answers[K, V]) Get(key K, ask func() (V, error), keep func(V) bool) (V, error) {
	now := r.Now()
	r.mu.RLock()
	a, ok := r.got[key]
	forgotten := r.forgotten
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
	if r.forgotten != forgotten {
		return v, nil // it may be of before what changed
	}
	if r.got == nil || len(r.got) >= maxRecent {
		r.got = map[K]answer[V]{}
	}
	r.got[key] = answer[V]{v, now.Add(Fresh)}
	return v, nil
}

// Forget has the next Get ask.
func (r *Answers[K, V]) Forget(key K) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forgotten++
	delete(r.got, key)
}

// Clear has every next Get ask.
func (r *Answers[K, V]) Clear() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forgotten++
	r.got = nil
}
