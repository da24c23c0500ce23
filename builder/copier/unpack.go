package copier

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"path"
	"strings"
	"time"

	"cove/builder/buildctx"
	"cove/errdefs"
	"cove/layers/archive"
	"cove/layers/compress"
	_ "cove/layers/compress/codec/linked"
	"cove/layers/tree"
	"cove/layers/whiteout"
)

// Limits of one archive, as package archive has them for a layer.
const (
	maxEntries = 2_000_000
	maxBytes   = 256 << 30
)

// isTar says whether a file is a tar archive, compressed or not: by its first
// header, as docker does, not by its name.
func isTar(ctx context.Context, from *buildctx.Tree, e *buildctx.Entry) (bool, error) {
	if e.Size < 32 {
		return false, nil
	}
	ok := false
	err := from.Read(e, func(r io.Reader) error {
		head := make([]byte, 512)
		n, err := io.ReadFull(r, head)
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			return err
		}
		if compress.Detect(head[:n]) == compress.None {
			ok = n == len(head) && firstHeader(bytes.NewReader(head)) // less than a block is no tar
			return nil
		}
		z, err := compress.NewReader(ctx, io.MultiReader(bytes.NewReader(head[:n]), r), compress.Limits{})
		if err != nil {
			return nil // begins like a compressed file and is none: copied as it is
		}
		defer z.Close()
		block := make([]byte, 512)
		if _, err := io.ReadFull(z, block); err == nil {
			ok = firstHeader(bytes.NewReader(block))
		}
		return nil
	})
	return ok, err
}

// firstHeader says whether r begins with a valid tar header. Extended headers
// go on beyond the block; that is no less a tar.
func firstHeader(r io.Reader) bool {
	_, err := tar.NewReader(r).Next()
	return err == nil || errors.Is(err, io.ErrUnexpectedEOF)
}

// unpack copies the entries of an archive below the destination.
func (l *Layout) unpack(ctx context.Context, w *archive.Writer, p part, place *placer) error {
	name := path.Base(p.archive.Path)
	err := p.tree.Read(p.archive, func(r io.Reader) error {
		z, err := compress.NewReader(ctx, r, compress.Limits{})
		if err != nil {
			return err
		}
		defer z.Close()
		u := unpacker{layout: l, w: w, place: place}
		return u.all(ctx, tar.NewReader(z))
	})
	if err != nil {
		return errdefs.Errorf(errdefs.ErrInvalid, "unpacking %s: %w", name, err)
	}
	return nil
}

// unpacker moves one archive into the layer.
type unpacker struct {
	layout  *Layout
	w       *archive.Writer
	place   *placer
	entries int
	bytes   int64
}

func (u *unpacker) all(ctx context.Context, tr *tar.Reader) error {
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		u.entries++
		u.bytes += h.Size
		if u.entries > maxEntries || u.bytes > maxBytes || h.Size < 0 {
			return errdefs.Errorf(errdefs.ErrExhausted, "more than %d entries or %d GiB", maxEntries, maxBytes>>30)
		}
		if err := u.one(h, tr); err != nil {
			return errdefs.Errorf(errdefs.ErrInvalid, "%q: %w", h.Name, err)
		}
	}
}

func (u *unpacker) one(h *tar.Header, r io.Reader) error {
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeDir, tar.TypeSymlink, tar.TypeLink, tar.TypeFifo, tar.TypeBlock:
	case tar.TypeChar:
		if h.Devmajor == 0 && h.Devminor == 0 {
			return errdefs.Errorf(errdefs.ErrInvalid, "the device 0:0 marks a deleted file in an overlay")
		}
	case tar.TypeXGlobalHeader:
		return nil
	default:
		return errdefs.Errorf(errdefs.ErrUnsupported, "entries of type %q are not supported", h.Typeflag)
	}
	rel := strings.TrimPrefix(path.Clean("/"+h.Name), "/")
	if err := whiteout.Within(rel); err != nil {
		return err
	}
	if rel == "" {
		return nil // the archive's own root is the destination
	}
	real, skip, err := u.check(rel, h.Typeflag)
	if skip || err != nil {
		return err
	}
	if err := u.parents(real); err != nil {
		return err
	}
	out := &tar.Header{
		Typeflag: h.Typeflag, Name: real, Mode: h.Mode & 0o7777, Uid: h.Uid, Gid: h.Gid, Size: h.Size,
		Linkname: h.Linkname, Devmajor: h.Devmajor, Devminor: h.Devminor, ModTime: h.ModTime,
	}
	if h.Typeflag == tar.TypeLink {
		if out.Linkname, _, err = u.place.place(path.Join(u.layout.base, path.Clean("/"+h.Linkname))); err != nil {
			return err
		}
	}
	if h.Typeflag == tar.TypeDir {
		out.Name += "/"
	}
	out.PAXRecords = shippedXattrs(h)
	if o := u.layout.owner; o != nil { // --chmod is for what is copied, as BuildKit has it
		out.Uid, out.Gid = o.UID, o.GID
	}
	if epoch := u.layout.epoch; epoch != nil && out.ModTime.After(*epoch) {
		out.ModTime = *epoch
	}
	u.place.record(real, thing{typ: regular(h.Typeflag), link: h.Linkname})
	return u.w.Add(out, r)
}

// check is Layout.check with the places of this pass. An archive, unlike a
// copy, replaces a file by a directory and the reverse, as tar does.
func (u *unpacker) check(rel string, typ byte) (real string, skip bool, err error) {
	l := *u.layout
	l.place = u.place
	name := path.Join(l.base, rel)
	real, skip, err = l.check(name, typ)
	if errors.Is(err, errdefs.ErrInvalid) {
		real, _, err = u.place.place(name)
	}
	return real, skip, err
}

// parents makes directories that the archive leaves out.
func (u *unpacker) parents(real string) error {
	missing, err := u.place.missingDirs(parent(real))
	if err != nil {
		return err
	}
	for _, dir := range missing {
		if isDir(u.layout.under, dir) {
			u.place.record(dir, thing{typ: tar.TypeDir})
			continue
		}
		h := &tar.Header{Typeflag: tar.TypeDir, Name: dir + "/", Mode: 0o755, ModTime: u.layout.timeOf(time.Time{})}
		if o := u.layout.owner; o != nil {
			h.Uid, h.Gid = o.UID, o.GID
		}
		u.place.record(dir, thing{typ: tar.TypeDir})
		if err := u.w.Add(h, nil); err != nil {
			return err
		}
	}
	return nil
}

// shippedXattrs keeps the attributes that an image carries.
func shippedXattrs(h *tar.Header) map[string]string {
	var out map[string]string
	for k, v := range h.PAXRecords {
		if name, ok := strings.CutPrefix(k, archive.XattrPrefix); ok && tree.Ships(name) {
			if out == nil {
				out = map[string]string{}
			}
			out[k] = v
		}
	}
	return out
}

// clone returns a placer that can go on without changing p.
func (p *placer) clone() *placer {
	q := newPlacer(p.dest)
	for k, v := range p.made {
		q.made[k] = v
	}
	return q
}
