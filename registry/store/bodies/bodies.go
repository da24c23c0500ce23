// Package bodies keeps in memory the manifests that are asked for most.
package bodies

import (
	"container/list"
	"sync"

	"github.com/opencontainers/go-digest"
)

// Cache keeps manifests by digest, those asked for last: bytes that
// never change need no invalidation. Whether a caller may have them is asked
// of the database each time.
type Cache struct {
	mu    sync.Mutex
	room  int // bytes left
	most  int // bytes of one entry
	byKey map[digest.Digest]*list.Element
	order list.List // of *body, the most recently used first
}

type body struct {
	dgst  digest.Digest
	bytes []byte
}

// New returns a cache of so many bytes.
func New(limit int) *Cache {
	return &Cache{room: limit, most: limit / 16, byKey: map[digest.Digest]*list.Element{}}
}

// Get returns the bytes of a digest, if they are kept.
func (c *Cache) Get(dgst digest.Digest) ([]byte, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.byKey[dgst]
	if e == nil {
		return nil, false
	}
	c.order.MoveToFront(e)
	return e.Value.(*body).bytes, true
}

// Put keeps the bytes of a digest, in place of what nobody asked for longest.
func (c *Cache) Put(dgst digest.Digest, b []byte) {
	if len(b) > c.most {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byKey[dgst] != nil {
		return
	}
	c.byKey[dgst] = c.order.PushFront(&body{dgst, b})
	for c.room -= len(b); c.room < 0; {
		last := c.order.Remove(c.order.Back()).(*body)
		delete(c.byKey, last.dgst)
		c.room += len(last.bytes)
	}
}
