package signing

import "sync"

// maxMemo bounds what is kept of each kind.
const maxMemo = 16384

// memo keeps what was found out and cannot change. When it is full it forgets all: it
// is found out again. The zero value is empty. It is safe for concurrent use.
type memo[K comparable, V any] struct {
	mu   sync.Mutex
	kept map[K]V
}

func (m *memo[K, V]) get(k K) (V, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v, ok := m.kept[k]
	return v, ok
}

func (m *memo[K, V]) put(k K, v V) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.kept == nil || len(m.kept) >= maxMemo {
		m.kept = map[K]V{}
	}
	m.kept[k] = v
}
