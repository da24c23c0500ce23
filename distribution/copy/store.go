package copy

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/distribution"
	"cove/distribution/progress"
	"cove/errdefs"
	"cove/reference"
)

// Store is a content store: a Source and a Target that knows digests and no
// tags, and no referrers. A write that was cut is gone on with by the next copy,
// of any process. Who shares the store with a collector holds a lease on what
// arrives, as content.Holding does.
type Store struct{ Content BlobStore }

// BlobStore is what Store needs of a content store.
type BlobStore interface {
	content.Provider
	content.Ingester
	Stat(ctx context.Context, dgst digest.Digest) (content.Info, error)
}

var (
	_ Source = Store{}
	_ Target = Store{}
)

// Resolve is Source's, for digests.
func (s Store) Resolve(ctx context.Context, ref string) (distribution.Manifest, error) {
	dgst, err := reference.ParseDigest(ref)
	if err != nil {
		return distribution.Manifest{}, errdefs.Errorf(errdefs.ErrNotFound, "%s: a store of blobs has no tags", ref)
	}
	body, err := content.ReadBlob(ctx, s.Content, ocispec.Descriptor{Digest: dgst})
	desc := ocispec.Descriptor{Digest: dgst, Size: int64(len(body))}
	return distribution.Manifest{Descriptor: desc, Body: body}, err
}

// Referrers is Source's: none.
func (s Store) Referrers(context.Context, digest.Digest) ([]ocispec.Descriptor, error) {
	return nil, nil
}

// Open is content.Provider's.
func (s Store) Open(ctx context.Context, desc ocispec.Descriptor) (content.Reader, error) {
	return s.Content.Open(ctx, desc)
}

// PushBlob is Target's. One that another process is writing is waited for.
func (s Store) PushBlob(ctx context.Context, b Blob) error {
	const poll = 100 * time.Millisecond
	for {
		there, err := s.has(ctx, b)
		if there || err != nil {
			return err
		}
		w, err := s.Content.Begin(ctx, writeID(b.Digest))
		if err == nil {
			// Whoever held the write before may have finished it since.
			if there, err = s.has(ctx, b); there || err != nil {
				return errors.Join(err, w.Close(), content.Forget(ctx, s.Content, writeID(b.Digest)))
			}
			return s.write(ctx, w, b)
		}
		if !errors.Is(err, errdefs.ErrUnavailable) {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(poll):
		}
	}
}

// writeID names the write of a blob, so that the next copy goes on with it.
func writeID(dgst digest.Digest) string { return "copy/" + dgst.String() }

// has reports, and tells, that the blob is here. One of another size is damaged,
// or else its descriptor is wrong, which the commit finds.
func (s Store) has(ctx context.Context, b Blob) (bool, error) {
	info, err := s.Content.Stat(ctx, b.Digest)
	if errors.Is(err, errdefs.ErrNotFound) || err == nil && info.Size != b.Size {
		return false, nil
	}
	if err == nil {
		b.Progress.Tell(progress.Event{Kind: progress.AlreadyExists, Desc: b.Descriptor, Offset: b.Size})
	}
	return err == nil, err
}

// write goes on with w. What an earlier write left may be wrong: then all of it is
// written anew, once.
func (s Store) write(ctx context.Context, w content.Writer, b Blob) error {
	resumed := w.Offset() > 0
	err := move(ctx, w, b, w.Offset())
	if err == nil {
		err = w.Commit(ctx, b.Descriptor)
	}
	err = errors.Join(err, w.Close())
	if errors.Is(err, errdefs.ErrCorrupt) {
		// Nothing of it is worth being gone on with; Commit may have forgotten it already.
		if ferr := content.Forget(ctx, s.Content, writeID(b.Digest)); ferr != nil || !resumed {
			return errors.Join(err, ferr)
		}
		return s.PushBlob(ctx, b)
	}
	if err == nil {
		b.Progress.Tell(progress.Event{Kind: progress.Pushed, Desc: b.Descriptor, Offset: b.Size})
	}
	return err
}

// PushManifest is Target's, without a tag.
func (s Store) PushManifest(ctx context.Context, m distribution.Manifest, tag string) error {
	if tag != "" {
		return errdefs.Errorf(errdefs.ErrUnsupported, "tag %s: a store of blobs has no tags", tag)
	}
	_, err := content.WriteBytes(ctx, s.Content, m.Descriptor, m.Body)
	return err
}

const bufferSize = 256 << 10

var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

// telling reads a blob, tells how far it is, and stops when its context ends.
type telling struct {
	ctx context.Context //nolint:containedctx // lives for one blob
	r   io.Reader
	b   Blob
	at  int64
}

func (t *telling) Read(p []byte) (int, error) {
	if t.ctx.Err() != nil {
		return 0, context.Cause(t.ctx)
	}
	n, err := t.r.Read(p)
	if n > 0 {
		t.at += int64(n)
		t.b.Progress.Tell(progress.Event{Kind: progress.Pushing, Desc: t.b.Descriptor, Offset: t.at})
	}
	return n, err
}
