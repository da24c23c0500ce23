package images

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"cove/content"
	"cove/distribution/progress"
	"cove/errdefs"
	"cove/images/damage"
	"cove/images/gc"
	"cove/images/image"
	"cove/images/transfer"
	"cove/layers"
	"cove/layers/unpack"
)

// Unpack makes sure that img's layers are blobs here and committed snapshots
// named by their chainIDs. Of img it needs Layers and, for layers that are not
// here, Source. What arrives is stored and unpacked in one pass. hold may be
// nil if a name or another lease covers the layers already.
func (s *Store) Unpack(ctx context.Context, img image.Image, hold content.Lease, tell progress.Func) error {
	if hold == nil {
		own, err := s.cfg.Content.Lease(ctx)
		if err != nil {
			return err
		}
		defer own.Release()
		hold = own
	}
	// First the lease, then the look at what is here: what is seen stays.
	if err := hold.Add(ctx, image.LayerRefs(img.Layers)...); err != nil {
		return err
	}
	return s.healing(ctx, img, func() error { return s.unpack(ctx, img, hold, tell) })
}

// Fetch makes sure that img's layers are blobs here, of the size that they
// should have, and unpacks nothing. Of img it needs what Unpack does. hold
// covers the layers.
func (s *Store) Fetch(ctx context.Context, img image.Image, hold content.Lease, tell progress.Func) error {
	if err := hold.Add(ctx, image.LayerRefs(img.Layers)...); err != nil {
		return err
	}
	var lacking []layers.Layer
	for _, l := range img.Layers {
		if !s.here(ctx, l) {
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

// whole fetches what a registry alone has of an image, for who reads all of it. What cannot
// be had, or is damaged, is missed by the reader, who says so.
func (s *Store) whole(ctx context.Context, img image.Image, hold content.Lease) {
	if s.hasSource(img) && slices.ContainsFunc(img.Layers, func(l layers.Layer) bool {
		_, err := s.cfg.Content.Stat(ctx, l.Blob.Digest)
		return errors.Is(err, errdefs.ErrNotFound)
	}) {
		_ = s.Fetch(ctx, img, hold, nil)
	}
}

// here says whether a layer's blob is, of the size that it should have.
func (s *Store) here(ctx context.Context, l layers.Layer) bool {
	info, err := s.cfg.Content.Stat(ctx, l.Blob.Digest)
	return err == nil && info.Size == l.Blob.Size
}

// healing does what brings img's layers here. When that meets blobs which are
// damaged on disk they are thrown away, so that whoever brings them next stores
// them anew, and it is done once more, if there is a registry to ask.
func (s *Store) healing(ctx context.Context, img image.Image, do func() error) error {
	err := do()
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return errdefs.Suggest(errdefs.Errorf(errdefs.ErrExhausted,
			"%w: the disk of %s is full; what came is kept", err, s.cfg.Root), errdefs.FreeSpace, "")
	}
	damaged, err := damage.Drop(ctx, s.cfg.Content, layerBlobs(img.Layers), err)
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

// hasSource says whether it is known where img's layers come from.
func (s *Store) hasSource(img image.Image) bool {
	return img.Source.Repository != "" && s.cfg.Registry != nil
}

// source opens the layers of img.
func (s *Store) source(img image.Image, tell progress.Func) (*transfer.Source, error) {
	source := &transfer.Source{Content: s.cfg.Content, Progress: tell}
	if !s.hasSource(img) {
		return source, nil
	}
	var err error
	source.Repo, err = s.repository(img.Source)
	return source, err
}

func (s *Store) unpack(ctx context.Context, img image.Image, hold content.Lease, tell progress.Func) error {
	source, err := s.source(img, tell)
	if err != nil {
		return err
	}
	u := unpack.Unpacker{
		Snapshots: s.cfg.Snapshots,
		Hold:      func(ctx context.Context, key string) error { return hold.Add(ctx, gc.SnapshotPrefix+key) },
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
// against each other when it came, the blob is unpacked and compared. One that is not
// here never came: an image that was built and pushed may have its layers elsewhere.
func (s *Store) bring(ctx context.Context, source *transfer.Source, img image.Image, ls []layers.Layer) error {
	if len(ls) == 0 {
		return nil
	}
	known, err := s.knownPairs(ctx, img)
	if err != nil {
		return err
	}
	var sure, unsure []layers.Layer
	for _, l := range ls {
		if s.here(ctx, l) && known(l) {
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
func (s *Store) knownPairs(ctx context.Context, img image.Image) (func(layers.Layer) bool, error) {
	all, err := s.names.All(ctx)
	if err != nil {
		return nil, err
	}
	var pairs image.Pairs
	for _, r := range all {
		if r.Target.Digest == img.Descriptor.Digest && r.Image == img.ID {
			return func(layers.Layer) bool { return true }, nil
		}
		if pairs.Knows(r.Target.Digest) {
			continue
		}
		if other, err := s.open(ctx, r.Target); err == nil { // a damaged image vouches for nothing
			pairs.Add(r.Target.Digest, other.Layers)
		}
	}
	return pairs.Has, nil
}
