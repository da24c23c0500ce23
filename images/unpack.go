package images

import (
	"context"
	"errors"
	"io"
	"sync"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"cove/content"
	"cove/distribution/progress"
	"cove/errdefs"
	"cove/images/transfer"
	"cove/layers"
	"cove/layers/unpack"
)

// Unpack makes sure that img's layers are blobs here and committed snapshots
// named by their chainIDs. Of img it needs Layers and, for layers that are not
// here, Source. What arrives is stored and unpacked in one pass. hold may be
// nil if a name or another lease covers the layers already.
func (s *Store) Unpack(ctx context.Context, img Image, hold content.Lease, tell progress.Func) error {
	if hold == nil {
		own, err := s.cfg.Content.Lease(ctx)
		if err != nil {
			return err
		}
		defer own.Release()
		hold = own
	}
	// First the lease, then the look at what is here: what is seen stays.
	if err := hold.Add(ctx, layerRefs(img.Layers)...); err != nil {
		return err
	}
	err := s.unpack(ctx, img, hold, tell)
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return errdefs.Errorf(errdefs.ErrExhausted, "%w: the disk of %s is full: free some space and try again, what came is kept", err, s.cfg.Root)
	}
	// What rotted here is often not even a tar any more, so invalid may mean it.
	if !errors.Is(err, errdefs.ErrCorrupt) && !errors.Is(err, errdefs.ErrInvalid) {
		return err
	}
	rotten := s.rotten(ctx, img.Layers)
	if len(rotten) == 0 {
		return err
	}
	// It is thrown away, so that whoever brings it next stores it anew, and
	// fetched again, once.
	if dropErr := s.dropCorrupt(ctx, rotten); dropErr != nil {
		return errors.Join(err, dropErr)
	}
	if img.Source.Repository == "" || s.cfg.Registry == nil {
		return errdefs.Errorf(errdefs.ErrCorrupt, "%w: blob %s was damaged on disk; pull or load its image again", err, rotten[0])
	}
	return s.unpack(ctx, img, hold, tell)
}

func layerRefs(ls []layers.Layer) []string {
	var refs []string
	for n, l := range ls {
		refs = append(refs, l.Blob.Digest.String(), snapshotPrefix+string(chainOf(ls[:n+1])))
	}
	return refs
}

func (s *Store) unpack(ctx context.Context, img Image, hold content.Lease, tell progress.Func) error {
	source := &transfer.Source{Content: s.cfg.Content, Progress: tell}
	if img.Source.Repository != "" && s.cfg.Registry != nil {
		repo, err := s.repository(img.Source)
		if err != nil {
			return err
		}
		source.Repo = repo
	}
	u := unpack.Unpacker{
		Snapshots: s.cfg.Snapshots,
		Hold:      func(ctx context.Context, key string) error { return hold.Add(ctx, snapshotPrefix+key) },
	}
	have := len(img.Layers)
	if s.cfg.Snapshots != nil {
		var err error
		if have, err = u.Have(ctx, img.Layers); err != nil {
			return err
		}
	}
	u.Done = func(i int, l layers.Layer) {
		if i >= have {
			tell.Tell(progress.Event{Kind: progress.Complete, Desc: l.Blob, Offset: l.Blob.Size})
		}
	}
	for _, l := range img.Layers {
		tell.Tell(progress.Event{Kind: progress.Waiting, Desc: l.Blob})
	}
	var opened sync.Map // layers that Unpack opened, and so checked
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.bring(gctx, source, img, img.Layers[:have]) })
	if have == len(img.Layers) {
		return g.Wait()
	}
	g.Go(func() error {
		return u.Unpack(gctx, img.Layers, func(ctx context.Context, i int) (io.ReadCloser, error) {
			opened.Store(i, true)
			return source.Open(ctx, img.Layers[i].Blob)
		})
	})
	if err := g.Wait(); err != nil {
		return err
	}
	// Another process may have made snapshots of some in between.
	var rest []layers.Layer
	for i := have; i < len(img.Layers); i++ {
		if _, ok := opened.Load(i); !ok {
			rest = append(rest, img.Layers[i])
		}
	}
	if err := s.bring(ctx, source, img, rest); err != nil {
		return err
	}
	// A snapshot that a power cut left with empty files would be taken for
	// whole: its files are durable before anything counts on them.
	return s.cfg.Snapshots.Sync()
}

// bring makes sure that layers of img whose diffIDs are snapshots are blobs here
// too. That a snapshot has the diffID says nothing of the blob that an image
// puts beside it: unless an image here has the two together, which was held
// against each other when it came, the blob is unpacked and compared.
func (s *Store) bring(ctx context.Context, source *transfer.Source, img Image, ls []layers.Layer) error {
	if len(ls) == 0 {
		return nil
	}
	known, err := s.knownPairs(ctx, img)
	if err != nil {
		return err
	}
	var sure, unsure []layers.Layer
	for _, l := range ls {
		if known(l) {
			sure = append(sure, l)
		} else {
			unsure = append(unsure, l)
		}
	}
	if err := source.Fetch(ctx, sure); err != nil {
		return err
	}
	return source.Check(ctx, unsure)
}

// knownPairs returns whether a blob is known to unpack to its diffID.
func (s *Store) knownPairs(ctx context.Context, img Image) (func(layers.Layer) bool, error) {
	all, err := s.names.All(ctx)
	if err != nil {
		return nil, err
	}
	type pair struct {
		blob digest.Digest
		diff layers.DiffID
	}
	pairs := map[pair]bool{}
	seen := map[digest.Digest]bool{}
	for _, r := range all {
		if r.Target.Digest == img.Descriptor.Digest && r.Image == img.ID {
			return func(layers.Layer) bool { return true }, nil
		}
		if seen[r.Target.Digest] {
			continue
		}
		seen[r.Target.Digest] = true
		other, err := s.open(ctx, r.Target)
		if err != nil {
			continue // a damaged image vouches for nothing
		}
		for _, l := range other.Layers {
			pairs[pair{l.Blob.Digest, l.DiffID}] = true
		}
	}
	return func(l layers.Layer) bool { return pairs[pair{l.Blob.Digest, l.DiffID}] }, nil
}

// rotten are the blobs of the layers that no longer have their digest. The size
// is not asked about: a manifest that has it wrong does not make them bad.
func (s *Store) rotten(ctx context.Context, ls []layers.Layer) (rotten []digest.Digest) {
	for _, l := range ls {
		if s.isRotten(ctx, l.Blob.Digest) {
			rotten = append(rotten, l.Blob.Digest)
		}
	}
	return rotten
}

func (s *Store) isRotten(ctx context.Context, dgst digest.Digest) bool {
	desc := ocispec.Descriptor{Digest: dgst}
	r, err := s.cfg.Content.Open(ctx, desc)
	if err == nil {
		_, err = io.Copy(io.Discard, content.Verify(content.NewReader(r), desc))
		_ = r.Close()
	}
	return errors.Is(err, errdefs.ErrCorrupt)
}

// intact reports whether a manifest or config is here as its digest says. One
// that is damaged is deleted, so that it can be fetched again.
func (s *Store) intact(ctx context.Context, desc ocispec.Descriptor) (bool, error) {
	_, err := content.ReadBlob(ctx, s.cfg.Content, desc)
	switch {
	case errors.Is(err, errdefs.ErrCorrupt):
		if !s.isRotten(ctx, desc.Digest) {
			return false, errdefs.Errorf(errdefs.ErrInvalid, "%w: what names it has its size wrong", err)
		}
		return false, s.dropCorrupt(ctx, []digest.Digest{desc.Digest})
	case errors.Is(err, errdefs.ErrNotFound):
		return false, nil
	}
	return err == nil, err
}

// dropCorrupt deletes blobs whose bytes are not their digest's.
func (s *Store) dropCorrupt(ctx context.Context, rotten []digest.Digest) error {
	for _, dgst := range rotten {
		if err := s.cfg.Content.Delete(ctx, dgst); err != nil {
			return err
		}
	}
	return nil
}
