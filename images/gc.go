package images

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/errdefs"
	"cove/images/names"
	"cove/layers"
)

// snapshotPrefix marks a key of Roots, and of a lease, as a snapshot's.
const snapshotPrefix = "snapshot/"

// Roots visits everything that names refer to: digests, and the keys of
// snapshots after "snapshot/". Whoever collects garbage calls it while the
// content store is frozen.
func (s *Store) Roots(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		all, err := s.names.All(ctx)
		if err != nil {
			yield("", err)
			return
		}
		seen := map[digest.Digest]bool{}
		for _, r := range all {
			if !s.reach(ctx, r, seen, yield) {
				return
			}
		}
	}
}

// reach visits what one record refers to. A manifest that is missing or
// unreadable refers to nothing: its name is broken already, and must not keep
// the rest from being collected.
func (s *Store) reach(ctx context.Context, r names.Record, seen map[digest.Digest]bool, yield func(string, error) bool) bool {
	pending := []ocispec.Descriptor{r.Target}
	for len(pending) > 0 {
		desc := pending[0]
		pending = pending[1:]
		if seen[desc.Digest] {
			continue
		}
		seen[desc.Digest] = true
		if !yield(desc.Digest.String(), nil) {
			return false
		}
		next, chains, err := s.children(ctx, desc)
		if err != nil {
			if transient(err) {
				yield("", fmt.Errorf("marking image %s: %w", orID(r), err))
				return false
			}
			continue
		}
		pending = append(pending, next...)
		for _, chain := range chains {
			if !yield(snapshotPrefix+string(chain), nil) {
				return false
			}
		}
	}
	return true
}

// transient errors say nothing about what a manifest refers to, so a collector
// must stop instead of taking it for empty.
func transient(err error) bool {
	return !errors.Is(err, errdefs.ErrNotFound) && !errors.Is(err, errdefs.ErrCorrupt) && !errors.Is(err, errdefs.ErrInvalid)
}

// children returns what desc refers to, and the snapshots of an image's layers
// when desc is its manifest.
func (s *Store) children(ctx context.Context, desc ocispec.Descriptor) ([]ocispec.Descriptor, []layers.ChainID, error) {
	if !isIndex(desc.MediaType) && !isManifest(desc.MediaType) {
		return nil, nil, nil
	}
	body, err := content.ReadBlob(ctx, s.cfg.Content, desc)
	if err != nil {
		return nil, nil, err
	}
	doc, index, err := parseDocument(desc, body)
	if err != nil {
		return nil, nil, err
	}
	if index {
		return doc.Manifests, nil, nil
	}
	next := append([]ocispec.Descriptor{doc.Config}, doc.Layers...)
	img := Image{Manifest: doc.Manifest}
	raw, err := content.ReadBlob(ctx, s.cfg.Content, doc.Config)
	if err == nil {
		err = img.parseConfig(raw)
	}
	if err != nil {
		if transient(err) {
			return nil, nil, err
		}
		return next, nil, nil
	}
	var chains []layers.ChainID
	for n := range img.Layers {
		chains = append(chains, chainOf(img.Layers[:n+1]))
	}
	return next, chains, nil
}

func chainOf(ls []layers.Layer) layers.ChainID {
	img := Image{Layers: ls}
	return img.ChainID()
}

// Collected is what a collection deleted.
type Collected struct {
	// Refs are digests and "snapshot/" keys, in order.
	Refs []string
	// Bytes is the size of the blobs among them.
	Bytes int64
}

// Collect deletes every blob and snapshot that neither a name, nor Config.InUse,
// nor a lease refers to. It is safe at any time, beside any other process:
// adding to a lease waits for it.
func (s *Store) Collect(ctx context.Context) (Collected, error) { return s.collect(ctx, nil) }

// collect sweeps only the candidates, or everything when they are nil.
func (s *Store) collect(ctx context.Context, candidates map[string]bool) (Collected, error) {
	thaw, err := s.cfg.Content.Freeze(ctx)
	if err != nil {
		return Collected{}, err
	}
	defer thaw()
	live, err := s.mark(ctx)
	if err != nil {
		return Collected{}, err
	}
	var done Collected
	dead := func(ref string) bool { return !live[ref] && (candidates == nil || candidates[ref]) }
	err = s.sweepSnapshots(ctx, dead, &done)
	if err == nil {
		err = s.sweepBlobs(ctx, dead, candidates, &done)
	}
	return done, err
}

// mark reads the leases first: whoever releases one has put a name or a
// container in its place before, which is then still to be read. The other way
// round, something could slip through between the two.
func (s *Store) mark(ctx context.Context) (map[string]bool, error) {
	live := map[string]bool{}
	for _, roots := range []iter.Seq2[string, error]{s.cfg.Content.Leased(ctx), s.cfg.InUse(ctx), s.Roots(ctx)} {
		for ref, err := range roots {
			if err != nil {
				return nil, fmt.Errorf("collecting garbage: %w", err)
			}
			live[ref] = true
		}
	}
	return live, nil
}

// sweepSnapshots deletes from the top of each stack down, since a parent cannot
// go before its children; what has a living child lives.
func (s *Store) sweepSnapshots(ctx context.Context, dead func(string) bool, done *Collected) error {
	if s.cfg.Snapshots == nil {
		return nil
	}
	parent := map[string]string{}
	children := map[string]int{}
	for info, err := range s.cfg.Snapshots.All(ctx) {
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
		if !dead(snapshotPrefix + key) {
			continue
		}
		err := s.cfg.Snapshots.Remove(ctx, key)
		if errors.Is(err, errdefs.ErrConflict) {
			continue // someone stands on it since
		}
		if err != nil && !errors.Is(err, errdefs.ErrNotFound) {
			return fmt.Errorf("collecting snapshots: %w", err)
		}
		done.Refs = append(done.Refs, snapshotPrefix+key)
		if below := parent[key]; below != "" {
			if children[below]--; children[below] == 0 {
				ready = append(ready, below)
			}
		}
	}
	return nil
}

func (s *Store) sweepBlobs(ctx context.Context, dead func(string) bool, candidates map[string]bool, done *Collected) error {
	take := func(info content.Info) error {
		if !dead(info.Digest.String()) {
			return nil
		}
		err := s.cfg.Content.Delete(ctx, info.Digest)
		if errors.Is(err, errdefs.ErrNotFound) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("collecting blobs: %w", err)
		}
		done.Refs = append(done.Refs, info.Digest.String())
		done.Bytes += info.Size
		return nil
	}
	if candidates == nil {
		for info, err := range s.cfg.Content.All(ctx) {
			if err == nil {
				err = take(info)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	for ref := range candidates {
		if strings.HasPrefix(ref, snapshotPrefix) {
			continue
		}
		info, err := s.cfg.Content.Stat(ctx, digest.Digest(ref))
		if errors.Is(err, errdefs.ErrNotFound) {
			continue
		}
		if err == nil {
			err = take(info)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
