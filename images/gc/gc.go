// Package gc deletes the blobs and snapshots that nothing refers to.
//
// It is the only code that deletes what a name once had, and it runs beside any
// number of other processes. What makes that safe is the order: freeze, so that
// no lease begins or grows; read the leases; read the roots; sweep. Whoever
// releases a lease has put a name or a container in its place before, which is
// then still to be read. The other way round, something could slip through
// between the two.
package gc

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/opencontainers/go-digest"

	"cove/content"
	"cove/errdefs"
	"cove/layers/snapshot"
)

// SnapshotPrefix marks a ref as a snapshot's key; any other is a digest.
const SnapshotPrefix = "snapshot/"

// Roots visits everything that something refers to, directly or not.
type Roots func(ctx context.Context) iter.Seq2[string, error]

// Collector collects one store.
type Collector struct {
	Content   content.Store
	Snapshots snapshot.Snapshotter // may be nil
	Roots     []Roots
}

// Collected is what a collection deleted.
type Collected struct {
	// Refs are digests and "snapshot/" keys, in order.
	Refs []string
	// Bytes is the size of the blobs among them.
	Bytes int64
}

// Collect deletes those of the candidates, or of everything when they are nil,
// that neither a root nor a lease refers to.
func (c Collector) Collect(ctx context.Context, candidates map[string]bool) (Collected, error) {
	thaw, err := c.Content.Freeze(ctx)
	if err != nil {
		return Collected{}, err
	}
	defer thaw()
	live, err := c.mark(ctx)
	if err != nil {
		return Collected{}, err
	}
	s := &sweep{Collector: c, live: live, candidates: candidates}
	err = s.snapshots(ctx)
	if err == nil {
		err = s.sizes(ctx)
	}
	if err == nil {
		err = s.blobs(ctx)
	}
	return s.done, err
}

func (c Collector) mark(ctx context.Context) (map[string]bool, error) {
	live := map[string]bool{}
	for _, roots := range append([]Roots{c.Content.Leased}, c.Roots...) {
		for ref, err := range roots(ctx) {
			if err != nil {
				return nil, fmt.Errorf("collecting garbage: %w", err)
			}
			live[ref] = true
		}
	}
	return live, nil
}

// sweep is one collection after its mark.
type sweep struct {
	Collector
	live, candidates map[string]bool
	done             Collected
}

func (s *sweep) dead(ref string) bool {
	return !s.live[ref] && (s.candidates == nil || s.candidates[ref])
}

// snapshots deletes from the top of each stack down, since a parent cannot
// go before its children; what has a living child lives.
func (s *sweep) snapshots(ctx context.Context) error {
	if s.Snapshots == nil {
		return nil
	}
	parent := map[string]string{}
	children := map[string]int{}
	for info, err := range s.Snapshots.All(ctx) {
		if err != nil {
			return fmt.Errorf("collecting snapshots: %w", err)
		}
		parent[info.Key] = info.Parent
		children[info.Parent]++
	}
	var ready []string
	for key := range parent {
		if children[key] == 0 {
			ready = append(ready, key)
		}
	}
	for len(ready) > 0 {
		key := ready[len(ready)-1]
		ready = ready[:len(ready)-1]
		if !s.dead(SnapshotPrefix + key) {
			continue
		}
		err := s.Snapshots.Remove(ctx, key)
		if errors.Is(err, errdefs.ErrConflict) {
			continue // someone stands on it since
		}
		if err != nil && !errors.Is(err, errdefs.ErrNotFound) {
			return fmt.Errorf("collecting snapshots: %w", err)
		}
		s.done.Refs = append(s.done.Refs, SnapshotPrefix+key)
		if below := parent[key]; below != "" {
			if children[below]--; children[below] == 0 {
				ready = append(ready, below)
			}
		}
	}
	return nil
}

// sizes forgets those of layers that nobody needs and that are no snapshot.
func (s *sweep) sizes(ctx context.Context) error {
	if s.Snapshots == nil {
		return nil
	}
	for key, err := range s.Snapshots.Sizes(ctx) {
		if err == nil && s.dead(SnapshotPrefix+key) {
			if _, stays := s.Snapshots.Stat(ctx, key); stays != nil {
				err = s.Snapshots.DropSize(ctx, key)
			}
		}
		if err != nil {
			return fmt.Errorf("collecting sizes: %w", err)
		}
	}
	return nil
}

func (s *sweep) blobs(ctx context.Context) error {
	if s.candidates == nil {
		for info, err := range s.Content.All(ctx) {
			if err == nil {
				err = s.blob(ctx, info)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	for ref := range s.candidates {
		if strings.HasPrefix(ref, SnapshotPrefix) {
			continue
		}
		info, err := s.Content.Stat(ctx, digest.Digest(ref))
		if errors.Is(err, errdefs.ErrNotFound) {
			continue
		}
		if err == nil {
			err = s.blob(ctx, info)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *sweep) blob(ctx context.Context, info content.Info) error {
	if !s.dead(info.Digest.String()) {
		return nil
	}
	err := s.Content.Delete(ctx, info.Digest)
	if errors.Is(err, errdefs.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("collecting blobs: %w", err)
	}
	s.done.Refs = append(s.done.Refs, info.Digest.String())
	s.done.Bytes += info.Size
	return nil
}
