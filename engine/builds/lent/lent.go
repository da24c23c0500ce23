// Package lent makes a store of blobs that somebody else has, as the client of an API, an end of
// copies: a build cache is read from there, and written to there.
package lent

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/distribution"
	"cove/distribution/copy"
	"cove/distribution/progress"
	"cove/errdefs"
	"cove/reference"
)

// Blobs is the store. Its methods are safe for concurrent use.
type Blobs interface {
	// Open opens a blob; one that is not there is errdefs.ErrNotFound.
	Open(ctx context.Context, dgst digest.Digest) (Reader, error)
	// Write stores a blob, whose bytes have the digest and the size.
	Write(ctx context.Context, desc ocispec.Descriptor, r io.Reader) error
}

// Reader reads a blob.
type Reader interface {
	io.ReaderAt
	io.Closer
	Size() int64
}

// End is the store as both ends of copies. Tags are whoever's it is: it is told what was written.
type End struct {
	blobs Blobs

	mu   sync.Mutex
	last ocispec.Descriptor
}

var (
	_ copy.Source = (*End)(nil)
	_ copy.Target = (*End)(nil)
)

// New returns the ends of a store.
func New(blobs Blobs) *End { return &End{blobs: blobs} }

// Written is the manifest that was written last with a tag.
func (e *End) Written() ocispec.Descriptor {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.last
}

// Open is content.Provider's.
func (e *End) Open(ctx context.Context, desc ocispec.Descriptor) (content.Reader, error) {
	r, err := e.blobs.Open(ctx, desc.Digest)
	if err != nil {
		return nil, err
	}
	if size := r.Size(); desc.Size != 0 && size != desc.Size {
		err := errdefs.Errorf(errdefs.ErrCorrupt,
			"%s has %d bytes there, and should have %d", desc.Digest, size, desc.Size)
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// Resolve is copy.Source's, for digests.
func (e *End) Resolve(ctx context.Context, ref string) (distribution.Manifest, error) {
	dgst, err := reference.ParseDigest(ref)
	if err != nil {
		return distribution.Manifest{}, errdefs.Errorf(errdefs.ErrNotFound,
			"%s: a client's store has no tags here", ref)
	}
	body, err := content.ReadBlob(ctx, e, ocispec.Descriptor{Digest: dgst})
	desc := ocispec.Descriptor{Digest: dgst, Size: int64(len(body))}
	return distribution.Manifest{Descriptor: desc, Body: body}, err
}

// Referrers is copy.Source's: none.
func (e *End) Referrers(context.Context, digest.Digest) ([]ocispec.Descriptor, error) {
	return nil, nil
}

// PushBlob is copy.Target's.
func (e *End) PushBlob(ctx context.Context, b copy.Blob) error {
	tell := func(kind progress.Kind, done int64) {
		b.Progress.Tell(progress.Event{Kind: kind, Desc: b.Descriptor, Offset: done})
	}
	there, err := e.Open(ctx, b.Descriptor)
	if err == nil {
		tell(progress.AlreadyExists, 0)
		return there.Close()
	}
	if !errors.Is(err, errdefs.ErrNotFound) && !errors.Is(err, errdefs.ErrCorrupt) {
		return err
	}
	from, err := b.Content.Open(ctx, b.Descriptor)
	if err != nil {
		return err
	}
	defer from.Close()
	tell(progress.Pushing, 0)
	err = e.blobs.Write(ctx, b.Descriptor, io.NewSectionReader(from, 0, from.Size()))
	if err == nil {
		tell(progress.Pushed, b.Size)
	}
	return err
}

// PushManifest is copy.Target's.
func (e *End) PushManifest(ctx context.Context, m distribution.Manifest, tag string) error {
	there, err := e.Open(ctx, m.Descriptor)
	if err == nil {
		err = there.Close()
	} else {
		err = e.blobs.Write(ctx, m.Descriptor, bytes.NewReader(m.Body))
	}
	if err != nil || tag == "" {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.last = m.Descriptor
	return nil
}
