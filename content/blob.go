package content

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/errdefs"
)

// MaxRead is the largest blob that ReadBlob takes into memory: manifests,
// indexes and configs, which every registry holds well below it.
const MaxRead = 32 << 20

// FileReader is a Reader over a file of its own. HTTP servers hand File to
// io.Copy, so that the kernel moves the bytes (sendfile). The file's offset
// starts at 0 and belongs to this one Reader; ReadAt does not move it. Close
// the Reader, not the file.
type FileReader interface {
	Reader
	File() *os.File
}

// NewReader reads all of r from the start. It does not close r.
func NewReader(r Reader) *io.SectionReader {
	return io.NewSectionReader(r, 0, r.Size())
}

// NewReadCloser reads a blob from its beginning to its end, and closes it.
func NewReadCloser(r Reader) io.ReadCloser {
	return struct {
		io.Reader
		io.Closer
	}{NewReader(r), r}
}

// Intact reports whether a blob is here with its digest, and with its size if desc
// has one. read reads its bytes; without that the size shows most damage.
func Intact(ctx context.Context, p Provider, desc ocispec.Descriptor, read bool) (bool, error) {
	r, err := p.Open(ctx, desc)
	if err == nil {
		if read {
			_, err = io.Copy(io.Discard, Verify(NewReader(r), desc))
		}
		err = errors.Join(err, r.Close())
	}
	if errors.Is(err, errdefs.ErrNotFound) || errors.Is(err, errdefs.ErrCorrupt) {
		return false, nil
	}
	return err == nil, err
}

// ReadBlob reads a small blob whole and checks its digest. One larger than
// MaxRead is errdefs.ErrExhausted.
func ReadBlob(ctx context.Context, p Provider, desc ocispec.Descriptor) ([]byte, error) {
	r, err := p.Open(ctx, desc)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if r.Size() > MaxRead {
		return nil, BlobErrorf(errdefs.ErrExhausted, desc.Digest, "%d bytes are too many to read at once (%d at most)",
			r.Size(), MaxRead)
	}
	b := make([]byte, r.Size())
	if _, err := r.ReadAt(b, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("reading blob %s: %w", desc.Digest, err)
	}
	// ReadAt may come up short of Size only on a blob cut behind our back,
	// whose digest then differs.
	if _, err := io.Copy(io.Discard, Verify(bytes.NewReader(b), desc)); err != nil {
		return nil, err
	}
	return b, nil
}

// WriteBlob stores what r holds under desc.Digest, durably; see Writer.Commit
// for the errors. Nothing is kept of a write that fails.
func WriteBlob(ctx context.Context, s Ingester, desc ocispec.Descriptor, r io.Reader) error {
	id := "write/" + rand.Text()
	w, err := s.Begin(WithExpected(ctx, desc.Digest), id)
	if err != nil {
		return err
	}
	if _, err = io.Copy(w, Until(ctx, r)); err == nil {
		err = w.Commit(ctx, desc)
	}
	if err != nil {
		err = errors.Join(err, w.Close())
		// The write may be forgotten already, and the first error says more.
		_ = s.Abort(context.WithoutCancel(ctx), id)
	}
	return err
}

// Forget drops what a write left that nobody needs. One that is gone already, or that
// somebody opened in between, who will find the same and drop it, is no error.
func Forget(ctx context.Context, s Ingester, id string) error {
	err := s.Abort(context.WithoutCancel(ctx), id)
	if errors.Is(err, errdefs.ErrNotFound) || errors.Is(err, errdefs.ErrUnavailable) {
		return nil
	}
	return err
}

// WriteBytes is WriteBlob for bytes at hand. desc.Digest and desc.Size may be
// left out: they are those of b (sha256). It returns the complete descriptor.
func WriteBytes(ctx context.Context, s Ingester, desc ocispec.Descriptor, b []byte) (ocispec.Descriptor, error) {
	if desc.Digest == "" {
		desc.Digest = digest.FromBytes(b)
	}
	if desc.Size == 0 {
		desc.Size = int64(len(b))
	}
	if p, ok := s.(Putter); ok {
		return desc, p.Put(ctx, desc, b)
	}
	return desc, WriteBlob(ctx, s, desc, bytes.NewReader(b))
}

// Same reports whether a small blob is stored and is b. What cannot be read is not the same.
func Same(ctx context.Context, p Provider, desc ocispec.Descriptor, b []byte) bool {
	here, err := ReadBlob(ctx, p, desc)
	return err == nil && bytes.Equal(here, b)
}

// Until reads r until ctx ends, which a read of a file does not ask.
func Until(ctx context.Context, r io.Reader) io.Reader { return contextReader{ctx, r} }

type contextReader struct {
	ctx context.Context //nolint:containedctx // lives for one copy
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// BlobErrorf is a failure of one blob, of this kind.
func BlobErrorf(kind error, dgst digest.Digest, format string, args ...any) error {
	return &errdefs.Error{Object: BlobName(dgst), Kind: kind, Err: fmt.Errorf(format, args...)}
}

// BlobName is what errors call a blob.
func BlobName(dgst digest.Digest) string { return "blob " + dgst.String() }
