package images

import (
	"context"
	"errors"
	"io"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"cove/content"
	"cove/errdefs"
	"cove/images/transfer"
	"cove/layers"
	"cove/layers/snapshot"
	"cove/layers/unpack"
)

// Unpack makes sure that img's layers are blobs here and committed snapshots
// named by their chainIDs. Of img it needs Layers and, for layers that are not
// here, Source. What arrives is stored and unpacked in one pass. hold may be
// nil if a name or another lease covers the layers already.
func (s *Store) Unpack(ctx context.Context, img Image, hold content.Lease, progress transfer.Progress) error {
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
	err := s.unpack(ctx, img, hold, progress)
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return errdefs.Errorf(errdefs.ErrExhausted, "%w: the disk of %s is full: free some space and try again, what came is kept", err, s.cfg.Root)
	}
	if !errors.Is(err, errdefs.ErrCorrupt) || img.Source.Repository == "" || s.cfg.Registry == nil {
		return err
	}
	// A blob that rotted here is thrown away and fetched again, once.
	if dropped, dropErr := s.dropCorrupt(ctx, img.Layers); !dropped || dropErr != nil {
		return errors.Join(err, dropErr)
	}
	return s.unpack(ctx, img, hold, progress)
}

func layerRefs(ls []layers.Layer) []string {
	var refs []string
	for n, l := range ls {
		refs = append(refs, l.Blob.Digest.String(), snapshotPrefix+string(chainOf(ls[:n+1])))
	}
	return refs
}

func (s *Store) unpack(ctx context.Context, img Image, hold content.Lease, progress transfer.Progress) error {
	source := &transfer.Source{Content: s.cfg.Content, Progress: progress}
	if img.Source.Repository != "" && s.cfg.Registry != nil {
		source.Repo = s.cfg.Registry.Repository(img.Source.Registry, img.Source.Repository)
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
			progress.Tell(transfer.Event{Kind: transfer.Complete, Desc: l.Blob, Offset: l.Blob.Size})
		}
	}
	for _, l := range img.Layers {
		progress.Tell(transfer.Event{Kind: transfer.Waiting, Desc: l.Blob})
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return source.Fetch(ctx, img.Layers[:have]) })
	if have == len(img.Layers) {
		return g.Wait()
	}
	g.Go(func() error {
		return u.Unpack(ctx, img.Layers, func(ctx context.Context, i int) (io.ReadCloser, error) {
			return source.Open(ctx, img.Layers[i].Blob)
		})
	})
	if err := g.Wait(); err != nil {
		return err
	}
	// A snapshot that a power cut left with empty files would be taken for
	// whole: its files are durable before anything counts on them.
	if k, ok := s.cfg.Snapshots.(snapshot.Keeper); ok {
		return k.Sync()
	}
	return nil
}

// dropCorrupt deletes those blobs of the layers that no longer have their
// digest, and reports whether there were any.
func (s *Store) dropCorrupt(ctx context.Context, ls []layers.Layer) (bool, error) {
	dropped := false
	for _, l := range ls {
		r, err := s.cfg.Content.Open(ctx, l.Blob)
		if err == nil {
			_, err = io.Copy(io.Discard, content.Verify(content.NewReader(r), l.Blob))
			_ = r.Close()
		}
		if !errors.Is(err, errdefs.ErrCorrupt) {
			continue
		}
		if err := s.cfg.Content.Delete(ctx, l.Blob.Digest); err != nil {
			return dropped, err
		}
		dropped = true
	}
	return dropped, nil
}
