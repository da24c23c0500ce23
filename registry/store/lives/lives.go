// Package lives says how long what nobody refers to stays in a registry; it may change
// while that serves.
package lives

import (
	"cmp"
	"sync/atomic"
	"time"
)

// Lives are times; 0 is the usual one.
type Lives struct {
	// Lease is how long a blob stays that no manifest refers to; usually 2 hours.
	// A push must reach its manifest within half of it.
	Lease time.Duration
	// Grace is how long bytes stay after the last manifest that needed them
	// was deleted; usually 1 hour.
	Grace time.Duration
	// Uploads is how long an unfinished upload can be resumed; usually a day.
	Uploads time.Duration
}

// Current are those that hold now, for what begins now. It is safe for concurrent use.
type Current struct{ now atomic.Pointer[Lives] }

// New begins with some.
func New(l Lives) *Current {
	c := &Current{}
	c.Set(l)
	return c
}

// Set has others hold.
func (c *Current) Set(l Lives) {
	c.now.Store(&Lives{
		Lease:   cmp.Or(l.Lease, 2*time.Hour),
		Grace:   cmp.Or(l.Grace, time.Hour),
		Uploads: cmp.Or(l.Uploads, 24*time.Hour),
	})
}

// Lease is that of blobs.
func (c *Current) Lease() time.Duration { return c.now.Load().Lease }

// Grace is that of deleted manifests.
func (c *Current) Grace() time.Duration { return c.now.Load().Grace }

// Uploads is that of unfinished uploads.
func (c *Current) Uploads() time.Duration { return c.now.Load().Uploads }
