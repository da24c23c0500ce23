package images

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/distribution/manifest"
	"cove/errdefs"
	"cove/images/gc"
	"cove/images/names"
	"cove/layers"
)

// snapshotPrefix marks a key of Roots, and of a lease, as a snapshot's.
const snapshotPrefix = gc.SnapshotPrefix

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
func (s *Store) reach(
	ctx context.Context, r names.Record, seen map[digest.Digest]bool, yield func(string, error) bool,
) bool {
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
				yield("", fmt.Errorf("marking image %s: %w", r.Called(), err))
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
	return !errors.Is(err, errdefs.ErrNotFound) && !errors.Is(err, errdefs.ErrCorrupt) &&
		!errors.Is(err, errdefs.ErrInvalid)
}

// children returns what desc refers to, and the snapshots of an image's layers
// when desc is its manifest.
func (s *Store) children(ctx context.Context, desc ocispec.Descriptor) ([]ocispec.Descriptor, []layers.ChainID, error) {
	if !manifest.IsManifest(desc.MediaType) {
		return nil, nil, nil
	}
	body, err := content.ReadBlob(ctx, s.cfg.Content, desc)
	if err != nil {
		return nil, nil, err
	}
	m, err := parse(desc, body)
	if err != nil {
		return nil, nil, err
	}
	if manifest.IsIndex(m.MediaType) {
		return m.Manifests, nil, nil
	}
	next := append([]ocispec.Descriptor{*m.Config}, m.Layers...)
	var img Image
	img.take(desc, m)
	raw, err := content.ReadBlob(ctx, s.cfg.Content, *m.Config)
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

// Collect deletes every blob and snapshot that neither a name, nor Config.InUse,
// nor a lease refers to. It is safe at any time, beside any other process:
// adding to a lease waits for it.
func (s *Store) Collect(ctx context.Context) (gc.Collected, error) { return s.collect(ctx, nil) }

// collect sweeps only the candidates, or everything when they are nil.
func (s *Store) collect(ctx context.Context, candidates map[string]bool) (gc.Collected, error) {
	c := gc.Collector{Content: s.cfg.Content, Snapshots: s.cfg.Snapshots, Roots: []gc.Roots{s.cfg.InUse, s.Roots}}
	return c.Collect(ctx, candidates)
}
