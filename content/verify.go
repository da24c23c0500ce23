package content

import (
	// go-digest asks the crypto registry for its algorithms.
	_ "crypto/sha256"
	_ "crypto/sha512"
	"errors"
	"hash"
	"io"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/errdefs"
)

// Verify returns a reader of r that hashes what passes and, instead of an
// io.EOF that would call wrong bytes complete, fails with errdefs.ErrCorrupt
// when they are not what desc names. A size of zero in desc is not checked; any
// other size also ends the reading at once when r holds more. It reports a digest it cannot compute as
// errdefs.ErrInvalid on the first Read.
func Verify(r io.Reader, desc ocispec.Descriptor) io.Reader {
	v := &verifier{r: r, desc: desc}
	if err := desc.Digest.Validate(); err != nil {
		v.err = errdefs.Errorf(errdefs.ErrInvalid, "blob %q: %w", desc.Digest, err)
		return v
	}
	v.hash = desc.Digest.Algorithm().Hash()
	return v
}

type verifier struct {
	r    io.Reader
	desc ocispec.Descriptor
	hash hash.Hash
	n    int64
	err  error
}

func (v *verifier) Read(p []byte) (int, error) {
	if v.err != nil {
		return 0, v.err
	}
	n, err := v.r.Read(p)
	v.hash.Write(p[:n])
	v.n += int64(n)
	switch {
	case v.desc.Size != 0 && v.n > v.desc.Size:
		v.err = BlobErrorf(errdefs.ErrCorrupt, v.desc.Digest, "holds more than the %d bytes it should have",
			v.desc.Size)
	case errors.Is(err, io.EOF):
		v.err = v.complete()
	case err != nil:
		v.err = err
	}
	// The last bytes are held back with the verdict, so that a caller that
	// uses n before looking at err never gets a wrong body whole.
	if v.err != nil && !errors.Is(v.err, io.EOF) {
		n = 0
	}
	return n, v.err
}

func (v *verifier) complete() error {
	if v.desc.Size != 0 && v.n != v.desc.Size {
		return BlobErrorf(errdefs.ErrCorrupt, v.desc.Digest, "holds %d bytes and should have %d", v.n,
			v.desc.Size)
	}
	got := digest.NewDigest(v.desc.Digest.Algorithm(), v.hash)
	if got != v.desc.Digest {
		return BlobErrorf(errdefs.ErrCorrupt, v.desc.Digest, "its %d bytes hash to %s", v.n, got)
	}
	return io.EOF
}
