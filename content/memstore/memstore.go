// Package memstore keeps blobs in memory: for tests, and for the small things a
// process passes to itself. It keeps every promise of package content except
// that nothing outlives the process.
package memstore

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/errdefs"
)

var _ content.Store = (*Store)(nil)

// Store is a content.Store in memory. It is safe for concurrent use.
type Store struct {
	now func() time.Time

	mu     sync.Mutex
	blobs  map[digest.Digest]blob
	writes map[string]*writer
	leases map[*lease]struct{}
	// gc is held shared to add leases, exclusively by a Freeze. It is a channel
	// of one token, so that waiting can be given up.
	gc chan struct{}
}

type blob struct {
	data []byte
	at   time.Time
}

// New returns an empty store. now stamps blobs; nil means time.Now.
func New(now func() time.Time) *Store {
	if now == nil {
		now = time.Now
	}
	return &Store{
		now:    now,
		blobs:  map[digest.Digest]blob{},
		writes: map[string]*writer{},
		leases: map[*lease]struct{}{},
		gc:     make(chan struct{}, 1),
	}
}

// Open implements content.Provider.
func (s *Store) Open(_ context.Context, desc ocispec.Descriptor) (content.Reader, error) {
	b, err := s.find(desc.Digest)
	if err != nil {
		return nil, err
	}
	if desc.Size != 0 && desc.Size != int64(len(b.data)) {
		return nil, content.BlobErrorf(errdefs.ErrCorrupt, desc.Digest, "%d bytes are stored, %d expected",
			len(b.data), desc.Size)
	}
	return reader{bytes.NewReader(b.data)}, nil
}

type reader struct{ *bytes.Reader }

func (reader) Close() error { return nil }

func (s *Store) find(dgst digest.Digest) (blob, error) {
	if err := check(dgst); err != nil {
		return blob{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b, ok := s.blobs[dgst]
	if !ok {
		return blob{}, content.BlobErrorf(errdefs.ErrNotFound, dgst, "is not stored here")
	}
	return b, nil
}

func check(dgst digest.Digest) error {
	if err := dgst.Validate(); err != nil {
		return errdefs.Errorf(errdefs.ErrInvalid, "digest %q: %w", dgst, err)
	}
	return nil
}

// Stat implements content.Manager.
func (s *Store) Stat(_ context.Context, dgst digest.Digest) (content.Info, error) {
	b, err := s.find(dgst)
	if err != nil {
		return content.Info{}, err
	}
	return content.Info{Digest: dgst, Size: int64(len(b.data)), ModTime: b.at}, nil
}

// Delete implements content.Manager.
func (s *Store) Delete(_ context.Context, dgst digest.Digest) error {
	if _, err := s.find(dgst); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.blobs, dgst)
	return nil
}

// All implements content.Manager.
func (s *Store) All(ctx context.Context) iter.Seq2[content.Info, error] {
	return func(yield func(content.Info, error) bool) {
		s.mu.Lock()
		digests := slices.Collect(maps.Keys(s.blobs))
		s.mu.Unlock()
		for _, dgst := range digests {
			info, err := s.Stat(ctx, dgst)
			if err != nil {
				continue // deleted meanwhile
			}
			if !yield(info, ctx.Err()) || ctx.Err() != nil {
				return
			}
		}
	}
}

// Foreign implements content.Inspector: nothing but blobs comes in here.
func (s *Store) Foreign(context.Context) iter.Seq2[content.Foreign, error] {
	return func(func(content.Foreign, error) bool) {}
}

// RemoveForeign implements content.Inspector.
func (s *Store) RemoveForeign(_ context.Context, f content.Foreign) error {
	return errdefs.Errorf(errdefs.ErrNotFound, "%s: is not here", f.Name)
}

// Begin implements content.Ingester.
func (s *Store) Begin(_ context.Context, id string) (content.Writer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.writes[id]
	if w == nil {
		w = &writer{s: s, id: id, updated: s.now()}
		s.writes[id] = w
	}
	if w.open {
		return nil, errdefs.Errorf(errdefs.ErrUnavailable, "write %q: another writer has it open", id)
	}
	w.open = true
	return &handle{w: w}, nil
}

// Abort implements content.Ingester.
func (s *Store) Abort(_ context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.writes[id]
	switch {
	case w == nil:
		return errdefs.Errorf(errdefs.ErrNotFound, "write %q: was never begun, or is finished", id)
	case w.open:
		return errdefs.Errorf(errdefs.ErrUnavailable, "write %q: another writer has it open", id)
	}
	delete(s.writes, id)
	return nil
}

// Expire implements content.Janitor.
func (s *Store) Expire(_ context.Context, before time.Time) (freed int64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, w := range s.writes {
		if !w.open && w.updated.Before(before) {
			freed += int64(len(w.data))
			delete(s.writes, id)
		}
	}
	return freed, nil
}

// writer is what is kept of a write between handles.
type writer struct {
	s       *Store
	id      string
	data    []byte
	updated time.Time
	open    bool
}

// handle is one opening of a write.
type handle struct {
	w      *writer
	closed bool
}

func (h *handle) Write(p []byte) (int, error) {
	if h.closed {
		return 0, errdefs.Errorf(errdefs.ErrConflict, "write %q: is closed", h.w.id)
	}
	h.w.s.mu.Lock()
	defer h.w.s.mu.Unlock()
	h.w.data, h.w.updated = append(h.w.data, p...), h.w.s.now()
	return len(p), nil
}

// ReadAt implements content.ReadableWriter.
func (h *handle) ReadAt(p []byte, off int64) (int, error) {
	h.w.s.mu.Lock()
	defer h.w.s.mu.Unlock()
	if h.closed {
		return 0, os.ErrClosed
	}
	return bytes.NewReader(h.w.data).ReadAt(p, off)
}

func (h *handle) Offset() int64         { return int64(len(h.w.data)) }
func (h *handle) Digest() digest.Digest { return digest.FromBytes(h.w.data) }

func (h *handle) Close() error {
	h.w.s.mu.Lock()
	defer h.w.s.mu.Unlock()
	if !h.closed {
		h.closed, h.w.open = true, false
	}
	return nil
}

func (h *handle) Commit(ctx context.Context, desc ocispec.Descriptor) error {
	if h.closed {
		return errdefs.Errorf(errdefs.ErrConflict, "write %q: is closed", h.w.id)
	}
	if err := errors.Join(check(desc.Digest), ctx.Err()); err != nil {
		return err
	}
	s := h.w.s
	s.mu.Lock()
	defer s.mu.Unlock()
	h.closed, h.w.open = true, false
	delete(s.writes, h.w.id)
	n := int64(len(h.w.data))
	if desc.Size != 0 && desc.Size != n {
		return content.BlobErrorf(errdefs.ErrCorrupt, desc.Digest, "%d bytes came, %d expected", n, desc.Size)
	}
	if got := desc.Digest.Algorithm().FromBytes(h.w.data); got != desc.Digest {
		return content.BlobErrorf(errdefs.ErrCorrupt, desc.Digest, "the %d bytes that came hash to %s", n, got)
	}
	s.blobs[desc.Digest] = blob{h.w.data, s.now()}
	return nil
}
