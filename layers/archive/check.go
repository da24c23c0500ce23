package archive

import (
	"archive/tar"
	"math"
	"path"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"cove/errdefs"
)

// admit counts an entry against the limits and refuses what no filesystem
// could hold.
func (x *Extractor) admit(hdr *tar.Header) error {
	if x.entries++; x.entries > x.lim.Entries {
		return errdefs.Errorf(errdefs.ErrExhausted, "the archive has more than %d entries", x.lim.Entries)
	}
	if hdr.Size < 0 || x.bytes+hdr.Size < x.bytes {
		return errdefs.Errorf(errdefs.ErrInvalid, "size %d", hdr.Size)
	}
	if x.bytes += hdr.Size; x.bytes > x.lim.Bytes {
		return errdefs.Errorf(errdefs.ErrExhausted, "the files have more than %d bytes together", x.lim.Bytes)
	}
	for _, s := range []string{hdr.Name, hdr.Linkname} {
		if int64(len(s)) > x.lim.NameBytes {
			return errdefs.Errorf(errdefs.ErrExhausted, "a name of %d bytes is longer than %d", len(s), x.lim.NameBytes)
		}
		if strings.IndexByte(s, 0) >= 0 {
			return errdefs.Errorf(errdefs.ErrInvalid, "a name with a NUL byte")
		}
	}
	// The highest id is the kernel's "leave it as it is".
	for _, id := range []int{hdr.Uid, hdr.Gid} {
		if id < 0 || int64(id) >= math.MaxUint32 {
			return errdefs.Errorf(errdefs.ErrInvalid, "owner %d:%d is out of range", hdr.Uid, hdr.Gid)
		}
	}
	var xattrs int64
	for k, v := range hdr.PAXRecords {
		if strings.HasPrefix(k, XattrPrefix) {
			xattrs += int64(len(k) + len(v))
		}
	}
	if xattrs > x.lim.XattrBytes {
		return errdefs.Errorf(errdefs.ErrExhausted, "extended attributes of %d bytes, more than %d", xattrs,
			x.lim.XattrBytes)
	}
	return nil
}

// cleanName makes an entry's name relative and clean, "." for the top. A
// component ".." has no honest use in an archive and is refused.
func cleanName(name string) (string, error) {
	if name == "" {
		return "", errdefs.Errorf(errdefs.ErrInvalid, "an empty name")
	}
	for comp := range strings.SplitSeq(name, "/") {
		if comp == ".." {
			return "", errdefs.Errorf(errdefs.ErrInvalid, `a name with ".." in it`)
		}
	}
	clean := strings.TrimPrefix(path.Clean("/"+name), "/")
	if clean == "" {
		return ".", nil
	}
	return clean, nil
}

func timespec(t time.Time) unix.Timespec {
	if t.IsZero() {
		return unix.Timespec{}
	}
	ts, err := unix.TimeToTimespec(t)
	if err != nil {
		return unix.Timespec{}
	}
	return ts
}

func quote(s string) string {
	if len(s) > 300 {
		s = s[:300] + "…"
	}
	return strconv.Quote(s)
}
