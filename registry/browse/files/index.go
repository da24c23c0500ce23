package files

import (
	"archive/tar"
	"context"
	"errors"
	"hash/maphash"
	"io"
	"path"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/content"
	"cove/errdefs"
	"cove/layers/compress"
	_ "cove/layers/compress/codec/linked"
	"cove/layers/whiteout"
)

// The bounds of reading one layer.
const (
	maxBytes   = 4 << 30 // decompressed
	maxTime    = 15 * time.Second
	maxEntries = 200_000
	maxNames   = 24 << 20 // bytes of all names and links
	maxName    = 4096     // bytes of one
	maxWindow  = 64 << 20 // of a decompressor
	maxPreview = 64 << 10 // bytes of a file that are shown
)

// limits of decompressing: what grows five hundred times is not made of files that
// anybody looks at.
var limits = compress.Limits{Bytes: maxBytes, Ratio: 500, RatioAfter: 256 << 20, Window: maxWindow}

// Layer is a layer that can be opened.
type Layer struct {
	Digest digest.Digest
	Open   func(ctx context.Context) (content.Reader, error)
}

// header is what is kept of an entry of a tar.
type header struct {
	name string // cleaned, without a slash at either end
	link string
	kind byte // as tar has it
	mode int64
	uid  int
	gid  int
	size int64
	sum  uint64 // of the bytes of a file, good within this process
}

// seed is that of sums.
var seed = maphash.MakeSeed()

// index is what a layer holds, in the order of its tar.
type index struct {
	headers []header
	bytes   int  // that names and links take
	cut     bool // there is more than was read
}

// scan visits the entries of a layer until visit says not to go on, or a bound is
// met: then cut is true.
func scan(
	ctx context.Context, l Layer, visit func(h *tar.Header, r io.Reader) (goOn bool, err error),
) (cut bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, maxTime)
	defer cancel()
	blob, err := l.Open(ctx)
	if err != nil {
		return false, err
	}
	defer blob.Close()
	raw := io.NewSectionReader(blob, 0, blob.Size())
	packed, err := compress.NewReader(ctx, raw, limits)
	if err != nil {
		return false, err
	}
	defer packed.Close()
	for tr := tar.NewReader(packed); ; {
		h, err := tr.Next()
		if ctx.Err() != nil {
			return bounded(ctx, l, ctx.Err())
		}
		switch {
		case errors.Is(err, io.EOF):
			return false, nil
		case err != nil:
			return bounded(ctx, l, err)
		}
		goOn, err := visit(h, tr)
		if err != nil {
			return bounded(ctx, l, err)
		}
		if !goOn {
			return true, nil
		}
	}
}

// bounded tells a bound of ours from a layer that cannot be read.
func bounded(ctx context.Context, l Layer, err error) (cut bool, _ error) {
	switch {
	case errors.Is(err, errdefs.ErrExhausted), errors.Is(ctx.Err(), context.DeadlineExceeded):
		return true, nil
	case ctx.Err() != nil:
		return false, ctx.Err()
	case errdefs.KindOf(err) == nil, errors.Is(err, errdefs.ErrCorrupt):
		// It is what somebody pushed, and no fault of the registry's.
		return false, errdefs.Errorf(errdefs.ErrInvalid, "layer %s is no tar that can be read: %s", l.Digest, err)
	}
	return false, err
}

// read makes the index of a layer.
func read(ctx context.Context, l Layer) (*index, error) {
	x := &index{}
	var sum maphash.Hash
	sum.SetSeed(seed)
	cut, err := scan(ctx, l, func(h *tar.Header, r io.Reader) (bool, error) {
		name, ok := clean(h.Name)
		if !ok || len(h.Linkname) > maxName {
			x.cut = true
			return true, nil
		}
		entry := header{
			name: name, link: h.Linkname, kind: h.Typeflag, mode: h.Mode, uid: h.Uid, gid: h.Gid, size: max(0, h.Size),
		}
		if h.Typeflag == tar.TypeReg {
			sum.Reset()
			if _, err := io.Copy(&sum, r); err != nil {
				return false, err
			}
			entry.sum = sum.Sum64()
		}
		x.headers = append(x.headers, entry)
		x.bytes += len(name) + len(h.Linkname)
		return len(x.headers) < maxEntries && x.bytes < maxNames, nil
	})
	x.cut = x.cut || cut
	return x, err
}

// clean is a name as the tree has it; false for one that leads out of it or is
// longer than any system takes. The root itself is "".
func clean(name string) (string, bool) {
	if len(name) > maxName {
		return "", false
	}
	name = path.Clean("/" + name)[1:]
	return name, !strings.Contains(name, "\x00")
}

// hides says what an entry takes away from the layers below: a path, or all that
// is in a directory.
func (h header) hides() (target string, opaque, is bool) {
	dir, base := path.Split(h.name)
	hidden, opaque, meta, err := whiteout.Parse(base)
	dir = strings.TrimSuffix(dir, "/")
	switch {
	case err != nil || !opaque && hidden == "" && !meta:
		return "", false, false
	case opaque:
		return dir, true, true
	case meta: // of a file system that nobody unpacks
		return "", false, true
	}
	return path.Join(dir, hidden), false, true
}

// Preview is the beginning of a file.
type Preview struct {
	Text string // "" for what is no text
	Size int64
	Cut  bool
}
