package copier

import (
	"archive/tar"
	"time"

	"golang.org/x/sys/unix"

	"cove/builder/buildctx"
	"cove/layers/archive"
)

// rootMode is the mode that a directory is made with.
const rootMode = 0o755

// header describes a pick as it is in its tree, with owners only where they are
// kept, and without a name. What is in no tree has no time
// either. Fractions of a second are dropped: a tar from docker has none.
func (p part) header(pk pick) *tar.Header {
	if pk.inline != nil {
		return &tar.Header{Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(*pk.inline))}
	}
	e := pk.entry
	if pk.rel == "" { // what a directory's contents are copied into is made, and not copied, as BuildKit has it
		return &tar.Header{Typeflag: tar.TypeDir, Mode: rootMode, ModTime: e.ModTime().Truncate(time.Second)}
	}
	h := &tar.Header{Mode: int64(e.Mode & 0o7777), Typeflag: typeflag(e), ModTime: e.ModTime().Truncate(time.Second)}
	if p.tree.KeepOwner {
		h.Uid, h.Gid = int(e.UID), int(e.GID)
	}
	for k, v := range e.Xattrs {
		if h.PAXRecords == nil {
			h.PAXRecords = map[string]string{}
		}
		h.PAXRecords[archive.XattrPrefix+k] = v
	}
	switch h.Typeflag {
	case tar.TypeReg:
		h.Size = e.Size
	case tar.TypeSymlink:
		h.Linkname, h.Mode = e.Link, 0o777
	case tar.TypeChar, tar.TypeBlock:
		h.Devmajor, h.Devminor = int64(unix.Major(e.Rdev)), int64(unix.Minor(e.Rdev))
	}
	if pk.link != "" {
		h.Typeflag, h.Linkname, h.Size = tar.TypeLink, pk.link, 0
	}
	return h
}

func typeflag(e *buildctx.Entry) byte {
	switch e.Type() {
	case unix.S_IFDIR:
		return tar.TypeDir
	case unix.S_IFLNK:
		return tar.TypeSymlink
	case unix.S_IFCHR:
		return tar.TypeChar
	case unix.S_IFBLK:
		return tar.TypeBlock
	case unix.S_IFIFO:
		return tar.TypeFifo
	}
	return tar.TypeReg
}
