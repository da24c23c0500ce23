// Package transfer brings the layers of an image here, from this machine or from
// its registry, and tells how far it is.
//
// A layer that comes over the network is stored and handed to its reader in one
// pass. Several processes that want the same layer fetch it once.
package transfer

import (
	"context"
	"errors"
	"io"
	"slices"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/distribution/progress"
	"cove/errdefs"
	"cove/images/remote"
	"cove/internal/limit"
	"cove/layers"
	"cove/layers/compress"
	"cove/layers/unpack"
)

// Source opens the layers of one image. It is safe for concurrent use.
type Source struct {
	Content content.Store
	// Repo is where layers come from that are not here; nil is nowhere.
	Repo     remote.Repository
	Progress progress.Func
}

// ResumablePrefix begins the ids of the writes of downloads: only those are ever
// gone on with by another process.
const ResumablePrefix = "pull/"

// Fetch brings the blobs of layers here, for layers that need no unpacking.
func (s *Source) Fetch(ctx context.Context, ls []layers.Layer) error {
	return s.each(ctx, ls, func(ctx context.Context, l layers.Layer, here bool) error {
		if here {
			return nil
		}
		r, err := s.download(ctx, l.Blob)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, r)
		return errors.Join(err, r.Close())
	})
}

// Check is Fetch for layers of which only somebody's word says that the blob
// unpacks to the diffID: it is unpacked to nothing, and the word held against
// what comes out. One that does not hold is errdefs.ErrCorrupt.
func (s *Source) Check(ctx context.Context, ls []layers.Layer) error {
	quiet := &Source{Content: s.Content, Repo: s.Repo}
	return s.each(ctx, ls, func(ctx context.Context, l layers.Layer, here bool) error {
		from := s
		if here { // to say "extracting" of it would be untrue
			from = quiet
		}
		r, err := from.Open(ctx, l.Blob)
		if err != nil {
			return err
		}
		return errors.Join(unpack.Check(ctx, r, l, compress.Limits{}), r.Close())
	})
}

// each calls do for the layers, a few at once, and tells what became of each.
func (s *Source) each(
	ctx context.Context, ls []layers.Layer, do func(ctx context.Context, l layers.Layer, here bool) error,
) error {
	return limit.Each(ctx, 3, slices.Values(ls), func(ctx context.Context, l layers.Layer) error {
		info, err := s.Content.Stat(ctx, l.Blob.Digest)
		here := err == nil
		if here && info.Size != l.Blob.Size {
			return errdefs.Errorf(errdefs.ErrInvalid, "layer %s: has %d bytes, and its manifest says %d", l.Blob.Digest,
				info.Size, l.Blob.Size)
		}
		if err := do(ctx, l, here); err != nil {
			return err
		}
		kind := progress.Complete
		if here {
			kind = progress.AlreadyExists
		}
		s.Progress.Tell(progress.Event{Kind: kind, Desc: l.Blob, Offset: l.Blob.Size})
		return nil
	})
}

// Open reads a layer as it is stored. Its bytes are known to be right when the
// reader says io.EOF, and only then; a layer from the registry is stored by
// then too. An error of kind errdefs.ErrCorrupt names the layer.
func (s *Source) Open(ctx context.Context, desc ocispec.Descriptor) (io.ReadCloser, error) {
	r, err := s.stored(ctx, desc)
	if errors.Is(err, errdefs.ErrNotFound) {
		return s.download(ctx, desc)
	}
	return r, err
}

// stored reads a blob that is here, verifying it on the way: rot is found before
// the snapshot is committed.
func (s *Source) stored(ctx context.Context, desc ocispec.Descriptor) (io.ReadCloser, error) {
	r, err := s.Content.Open(ctx, desc)
	if err != nil {
		return nil, err
	}
	told := &teller{r: content.Verify(content.NewReader(r), desc), tell: func(n int64) {
		s.Progress.Tell(progress.Event{Kind: progress.Extracting, Desc: desc, Offset: n})
	}}
	return readCloser{told, r}, nil
}

// download streams a blob from the registry through the content store. Another
// process may be fetching the same one: then it is waited for.
func (s *Source) download(ctx context.Context, desc ocispec.Descriptor) (io.ReadCloser, error) {
	if s.Repo == nil {
		return nil, errdefs.Errorf(errdefs.ErrNotFound, "layer %s: is not here, and where it came from is not known",
			desc.Digest)
	}
	id := ResumablePrefix + desc.Digest.String()
	for {
		w, err := s.Content.Begin(ctx, id)
		if err == nil {
			// Whoever held it before may have finished it.
			if r, err := s.stored(ctx, desc); err == nil {
				return r, errors.Join(w.Close(), content.Forget(ctx, s.Content, id))
			}
			readable, ok := w.(content.ReadableWriter)
			if !ok {
				return nil, errors.Join(errdefs.Errorf(errdefs.ErrUnsupported,
					"layer %s: the store cannot read a write back", desc.Digest), w.Close())
			}
			return startDownload(ctx, s, readable, desc), nil
		}
		if !errors.Is(err, errdefs.ErrUnavailable) {
			return nil, err
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return nil, err
		}
		if r, err := s.stored(ctx, desc); !errors.Is(err, errdefs.ErrNotFound) {
			return r, err
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

type readCloser struct {
	io.Reader
	io.Closer
}

// teller reports how far a reader is, about every megabyte.
type teller struct {
	r       io.Reader
	n, told int64
	tell    func(n int64)
}

func (t *teller) Read(b []byte) (int, error) {
	n, err := t.r.Read(b)
	t.n += int64(n)
	if t.n-t.told >= 1<<20 || err != nil {
		t.told = t.n
		t.tell(t.n)
	}
	return n, err
}
