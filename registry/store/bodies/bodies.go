package store

import (
	"container/list"
	"sync"

	"github.com/opencontainers/go-digest"
)

// bodyCache keeps the manifests that are asked for most, by digest: bytes that
// never change need no invalidation. Whether a caller may have them is asked
// of the database each time.
type bodyCache struct {
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

func newBodyCache(limit int) *bodyCache {
	return &bodyCache{room: limit, most: limit / 16, byKey: map[digest.Digest]*list.Element{}}
}

func (c *bodyCache) get(dgst digest.Digest) ([]byte, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.byKey[dgst]
	if e == nil {
		return nil, false
	}
	c.order.MoveToFront(e)
	return e.Value.(*body).bytes, true
}

func (c *bodyCache) put(dgst digest.Digest, b []byte) {
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
