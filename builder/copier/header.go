package copier

import (
	"archive/tar"
	"time"

	"golang.org/x/sys/unix"

	"cove/builder/buildctx"
	"cove/layers/archive"
)

// defaultTime is the time of every file that COPY makes, unless the build sets
// one (SOURCE_DATE_EPOCH). The times of a checkout are those of the machine
// that checked it out: with them no two machines would make the same layer.
// 1980 is the first year that a zip file can hold.
var defaultTime = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)

// rootMode is the mode of a context's own directory, which nobody chose.
const rootMode = 0o755

// header describes a pick as it is in its tree, with owners and attributes
// only where they are kept, and without name and time.
func (p part) header(pk pick) *tar.Header {
	if pk.inline != nil {
		return &tar.Header{Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(*pk.inline))}
	}
	e := pk.entry
	h := &tar.Header{Mode: int64(e.Mode & 0o7777), Typeflag: typeflag(e)}
	if p.tree.KeepOwner {
		h.Uid, h.Gid = int(e.UID), int(e.GID)
		for k, v := range e.Xattrs {
			if h.PAXRecords == nil {
				h.PAXRecords = map[string]string{}
			}
			h.PAXRecords[archive.XattrPrefix+k] = v
		}
	}
	switch h.Typeflag {
	case tar.TypeReg:
		h.Size = e.Size
	case tar.TypeSymlink:
		h.Linkname, h.Mode = e.Link, 0o777
	case tar.TypeChar, tar.TypeBlock:
		h.Devmajor, h.Devminor = int64(unix.Major(e.Rdev)), int64(unix.Minor(e.Rdev))
	case tar.TypeDir:
		if e.Path == "" && !p.tree.KeepOwner {
			h.Mode = rootMode
		}
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
