// Package compress knows how a layer's tar is packed: it finds out by magic,
// unpacks beside its consumer, and packs on every core with an output that
// does not depend on how many there are.
package compress

import (
	"bytes"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/errdefs"
)

// Compression names a compression format.
type Compression string

// The formats that are read. None, Gzip and Zstd are also written.
const (
	None  Compression = "none"
	Gzip  Compression = "gzip"
	Zstd  Compression = "zstd"
	Bzip2 Compression = "bzip2"
	Xz    Compression = "xz"
)

// HeadSize is how many bytes Detect wants to see.
const HeadSize = 6

// Detect tells from its first bytes how a stream is compressed. What it does
// not know is None.
func Detect(head []byte) Compression {
	for _, m := range []struct {
		magic string
		c     Compression
	}{
		{"\x1f\x8b\x08", Gzip},
		{"\x28\xb5\x2f\xfd", Zstd},
		{"\xfd7zXZ\x00", Xz},
	} {
		if bytes.HasPrefix(head, []byte(m.magic)) {
			return m.c
		}
	}
	// bzip2's first letters may be a file's in a plain tar: a level follows, and the
	// first two bytes of a block's mark or of the stream's end.
	if len(head) >= HeadSize && bytes.HasPrefix(head, []byte("BZh")) && head[3] >= '1' && head[3] <= '9' &&
		(head[4] == 0x31 && head[5] == 0x41 || head[4] == 0x17 && head[5] == 0x72) {
		return Bzip2
	}
	// A zstd stream may begin with a skippable frame, 0x184D2A50 to 5F.
	if len(head) >= 4 && head[0]&0xf0 == 0x50 && bytes.Equal(head[1:4], []byte("\x2a\x4d\x18")) {
		return Zstd
	}
	return None
}

// MediaType is the media type of a layer with this compression, or
// errdefs.ErrUnsupported for one that the image specification has no name for.
func (c Compression) MediaType() (string, error) {
	switch c {
	case None:
		return ocispec.MediaTypeImageLayer, nil
	case Gzip, "":
		return ocispec.MediaTypeImageLayerGzip, nil
	case Zstd:
		return ocispec.MediaTypeImageLayerZstd, nil
	}
	return "", errdefs.Errorf(errdefs.ErrUnsupported, "layer: compression %q is not one of gzip, zstd, none", c)
}
