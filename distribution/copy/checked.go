package copy

import (
	"context"
	"hash"
	"sync"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/errdefs"
)

// checked is one blob of a source, hashed while it is read. Opened again after a
// cut, it goes on hashing where it was: it is the reading in order from the start
// to the end that is checked, however many openings that took. Bytes that nobody
// reads, because the target has them from before, only the target can hash.
type checked struct {
	src  content.Provider
	desc ocispec.Descriptor

	mu   sync.Mutex
	hash hash.Hash
	n    int64 // how many bytes are in hash
}

func newChecked(src content.Provider, desc ocispec.Descriptor) *checked {
	return &checked{src: src, desc: desc, hash: desc.Digest.Algorithm().Hash()}
}

// Open is content.Provider's, of the one blob.
func (c *checked) Open(ctx context.Context, desc ocispec.Descriptor) (content.Reader, error) {
	r, err := c.src.Open(ctx, desc)
	if err != nil {
		return nil, err
	}
	if r.Size() != c.desc.Size {
		err := content.BlobErrorf(errdefs.ErrCorrupt, c.desc.Digest, "the source has %d bytes of it and should have %d",
			r.Size(), c.desc.Size)
		r.Close()
		return nil, err
	}
	return &checkedReader{Reader: r, of: c}, nil
}

type checkedReader struct {
	content.Reader
	of *checked
}

// ReadAt holds the last bytes back when all of them together are wrong.
func (r *checkedReader) ReadAt(p []byte, off int64) (int, error) {
	n, err := r.Reader.ReadAt(p, off)
	if wrong := r.of.take(p[:n], off); wrong != nil {
		return 0, wrong
	}
	return n, err
}

// take hashes what of p follows on what was hashed before.
func (c *checked) take(p []byte, off int64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	skip := c.n - off
	if skip < 0 || skip >= int64(len(p)) {
		return nil
	}
	c.hash.Write(p[skip:])
	if c.n += int64(len(p)) - skip; c.n < c.desc.Size {
		return nil
	}
	if got := digest.NewDigest(c.desc.Digest.Algorithm(), c.hash); got != c.desc.Digest {
		// Read anew, it may be right: a disk or a line was wrong, not the source.
		c.hash.Reset()
		size := c.n
		c.n = 0
		return content.BlobErrorf(errdefs.ErrCorrupt, c.desc.Digest, "its %d bytes at the source hash to %s", size, got)
	}
	return nil
}
