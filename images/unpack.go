package images

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
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
	return s.healing(ctx, img, func() error { return s.unpack(ctx, img, hold, tell) })
}

// Fetch makes sure that img's layers are blobs here, of the size that they
// should have, and unpacks nothing. Of img it needs what Unpack does. hold
// covers the layers.
func (s *Store) Fetch(ctx context.Context, img Image, hold content.Lease, tell progress.Func) error {
	if err := hold.Add(ctx, layerRefs(img.Layers)...); err != nil {
		return err
	}
	var lacking []layers.Layer
	for _, l := range img.Layers {
		if info, err := s.cfg.Content.Stat(ctx, l.Blob.Digest); err != nil || info.Size != l.Blob.Size {
			lacking = append(lacking, l)
		}
	}
	if len(lacking) == 0 {
		return nil
	}
	source, err := s.source(img, tell)
	if err != nil {
		return err
	}
	return s.healing(ctx, img, func() error { return s.bring(ctx, source, img, lacking) })
}

// healing does what brings img's layers here. When that meets blobs which are
// damaged on disk they are thrown away, so that whoever brings them next stores
// them anew, and it is done once more, if there is a registry to ask.
func (s *Store) healing(ctx context.Context, img Image, do func() error) error {
	err := do()
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return errdefs.Errorf(errdefs.ErrExhausted,
			"%w: the disk of %s is full: free some space and try again, what came is kept", err, s.cfg.Root)
	}
	damaged, err := s.dropDamaged(ctx, layerBlobs(img.Layers), err)
	if !damaged || !s.hasSource(img) {
		return err
	}
	return do()
}

func layerBlobs(ls []layers.Layer) (blobs []digest.Digest) {
	for _, l := range ls {
		blobs = append(blobs, l.Blob.Digest)
	}
	return blobs
}

// dropDamaged looks, after a failure that damage may be the reason of, which of
// the blobs no longer have their digest, and deletes them. It returns whether
// there were any, and the error with that reason.
func (s *Store) dropDamaged(ctx context.Context, blobs []digest.Digest, err error) (bool, error) {
	// What is damaged is often not even a tar any more, and a registry that is
	// sent it finds it invalid.
	if !errors.Is(err, errdefs.ErrCorrupt) && !errors.Is(err, errdefs.ErrInvalid) {
		return false, err
	}
	blobs = slices.DeleteFunc(slices.Clone(blobs), func(dgst digest.Digest) bool { return !s.isRotten(ctx, dgst) })
	if len(blobs) == 0 {
		return false, err
	}
	if dropErr := s.dropCorrupt(ctx, blobs); dropErr != nil {
		return false, errors.Join(err, dropErr)
	}
	return true, errdefs.Errorf(errdefs.ErrCorrupt, "%w: blob %s was damaged on disk; pull or load its image again",
		err, blobs[0])
}

// explainDamage is for who only reads the blobs: it drops those that are damaged,
// and says what to do of them, or of those that are gone.
func (s *Store) explainDamage(ctx context.Context, blobs []digest.Digest, err error) error {
	_, err = s.dropDamaged(ctx, blobs, err)
	if !errors.Is(err, errdefs.ErrNotFound) {
		return err
	}
	gone := slices.ContainsFunc(blobs, func(dgst digest.Digest) bool {
		_, err := s.cfg.Content.Stat(ctx, dgst)
		return errors.Is(err, errdefs.ErrNotFound)
	})
	if gone {
		return fmt.Errorf("%w; pull or load its image again", err)
	}
	return err
}

func layerRefs(ls []layers.Layer) []string {
	var refs []string
	for n, l := range ls {
		refs = append(refs, l.Blob.Digest.String(), snapshotPrefix+string(chainOf(ls[:n+1])))
	}
	return refs
}

// hasSource says whether it is known where img's layers come from.
func (s *Store) hasSource(img Image) bool {
	return img.Source.Repository != "" && s.cfg.Registry != nil
}

// source opens the layers of img.
func (s *Store) source(img Image, tell progress.Func) (*transfer.Source, error) {
	source := &transfer.Source{Content: s.cfg.Content, Progress: tell}
	if !s.hasSource(img) {
		return source, nil
	}
	var err error
	source.Repo, err = s.repository(img.Source)
	return source, err
}

func (s *Store) unpack(ctx context.Context, img Image, hold content.Lease, tell progress.Func) error {
	source, err := s.source(img, tell)
	if err != nil {
		return err
	}
	u := unpack.Unpacker{
		Snapshots: s.cfg.Snapshots,
		Hold:      func(ctx context.Context, key string) error { return hold.Add(ctx, snapshotPrefix+key) },
	}
	have := len(img.Layers)
	if s.cfg.Snapshots != nil {
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

// isRotten reports whether a blob no longer has its digest. Its size is not
// asked about: a manifest that has it wrong does not make the blob bad.
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
