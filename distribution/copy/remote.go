package copy

import (
	"context"
	"io"
	"sync"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/distribution"
	"cove/distribution/client"
	"cove/distribution/manifest"
	"cove/distribution/progress"
)

// Remote is a repository at a registry that is spoken to over HTTP: a Source and
// a Target. A cut line is gone on with where it was cut, in both directions,
// within the patience of the client.
type Remote struct {
	Repo *client.Repository
	// Progress hears that the reading of a blob is tried again.
	Progress progress.Func

	// lists is held while the list of a subject's referrers may change, which at
	// a registry from before referrers takes a read and a write.
	lists sync.Mutex
}

var (
	_ Source  = (*Remote)(nil)
	_ Target  = (*Remote)(nil)
	_ Mounter = (*Remote)(nil)
)

// Resolve is Source's.
func (r *Remote) Resolve(ctx context.Context, ref string) (distribution.Manifest, error) {
	desc, body, err := r.Repo.Resolve(ctx, ref)
	return distribution.Manifest{Descriptor: desc, Body: body}, err
}

// Referrers is Source's.
func (r *Remote) Referrers(ctx context.Context, subject digest.Digest) ([]ocispec.Descriptor, error) {
	return r.Repo.Referrers(ctx, subject, "")
}

// Open is content.Provider's. One request brings as much as is read in order; ctx
// must last until the reader is closed.
func (r *Remote) Open(ctx context.Context, desc ocispec.Descriptor) (content.Reader, error) {
	return NewReader(desc.Size, func(offset int64) (io.ReadCloser, error) {
		return r.Repo.OpenBlob(ctx, desc, offset, r.retrying)
	}), nil
}

// NewReader reads a blob of size bytes from bodies that begin at an offset. Ranges that
// follow one another are read from one body.
func NewReader(size int64, open func(offset int64) (io.ReadCloser, error)) content.Reader {
	return &stream{size: size, open: open}
}

func (r *Remote) retrying(e progress.Event) {
	if e.Kind == progress.Retrying {
		r.Progress.Tell(e)
	}
}

// Neighbour is Mounter's.
func (r *Remote) Neighbour(src Source) (repo string, ok bool) {
	from, ok := src.(*Remote)
	if !ok || from.Repo.Host() != r.Repo.Host() {
		return "", false
	}
	return from.Repo.Name(), true
}

// PushBlob is Target's.
func (r *Remote) PushBlob(ctx context.Context, b Blob) error {
	return r.Repo.PushBlob(ctx, b.Descriptor, b.Content, client.PushOptions{
		MountFrom: b.MountFrom, Progress: b.Progress, Uploads: b.Uploads,
	})
}

// PushManifest is Target's.
func (r *Remote) PushManifest(ctx context.Context, m distribution.Manifest, tag string) error {
	doc, err := manifest.Parse(m.Descriptor.MediaType, m.Body)
	if err == nil && doc.Subject != nil {
		r.lists.Lock()
		defer r.lists.Unlock()
	}
	return r.Repo.PushManifest(ctx, tag, m.Descriptor, m.Body)
}

// stream reads a blob at any offset from what can be opened at an offset and read
// on. Reading on costs nothing, reading elsewhere another opening.
type stream struct {
	size int64
	open func(offset int64) (io.ReadCloser, error)

	mu   sync.Mutex
	body io.ReadCloser
	at   int64
}

func (s *stream) Size() int64 { return s.size }

func (s *stream) ReadAt(p []byte, off int64) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	left := s.size - off
	if left <= 0 {
		return 0, io.EOF
	}
	if err := s.seek(off); err != nil {
		return 0, err
	}
	n, err := io.ReadFull(s.body, p[:min(int64(len(p)), left)])
	s.at += int64(n)
	if err == nil && s.at == s.size {
		// That there is an end is asked too: a sender may have more.
		if _, err = s.body.Read(make([]byte, 1)); err == nil {
			err = io.ErrNoProgress
		}
	}
	return n, err
}

// seek opens the blob at off, unless that is where the reading is.
func (s *stream) seek(off int64) (err error) {
	if s.body != nil && s.at == off {
		return nil
	}
	if s.body != nil {
		s.body.Close()
	}
	if s.body, err = s.open(off); err != nil {
		s.body = nil
		return err
	}
	s.at = off
	return nil
}

func (s *stream) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.body == nil {
		return nil
	}
	err := s.body.Close()
	s.body, s.open = nil, closed
	return err
}

func closed(int64) (io.ReadCloser, error) { return nil, io.ErrClosedPipe }
