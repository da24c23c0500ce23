package archive

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"path"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/layers/mount"
	"cove/layers/tree"
	"cove/layers/whiteout"
)

// Writer writes a tar stream whose headers depend on nothing but the entries:
// no user names, no access or change times, whole seconds, PAX records only
// where the ustar form cannot say it. It is not safe for concurrent use.
type Writer struct {
	tw    *tar.Writer
	opt   PackOptions
	buf   []byte
	links map[inode]string // first name of each file that has several
	bytes int64            // of files
}

type inode struct{ dev, ino uint64 }

// NewWriter returns a Writer to w. Close it to end the archive.
func NewWriter(w io.Writer, opt PackOptions) *Writer {
	return &Writer{tw: tar.NewWriter(w), opt: opt, links: map[inode]string{}}
}

// FileBytes is how many bytes the files have that were written.
func (w *Writer) FileBytes() int64 { return w.bytes }

// Close ends the archive. The writer below is not closed.
func (w *Writer) Close() error { return w.tw.Close() }

// Add writes one entry: its header, made deterministic, and for a regular file
// exactly hdr.Size bytes of body, which may be nil when that is zero. Extended
// attributes go into hdr.PAXRecords with the prefix [XattrPrefix]; only those
// that belong to an image are written.
func (w *Writer) Add(hdr *tar.Header, body io.Reader) error {
	name, err := cleanName(hdr.Name)
	if err != nil {
		return &entryError{hdr.Name, err}
	}
	if err := w.header(hdr, name); err != nil {
		return err
	}
	if hdr.Size == 0 || hdr.Typeflag != tar.TypeReg {
		return nil
	}
	n, err := io.CopyBuffer(onlyWriter{w.tw}, io.LimitReader(body, hdr.Size), w.buffer())
	if err == nil && n < hdr.Size {
		err = errdefs.Errorf(errdefs.ErrInvalid, "%d of %d bytes", n, hdr.Size)
	}
	if err != nil {
		return &entryError{hdr.Name, err}
	}
	return nil
}

// onlyWriter keeps io.CopyBuffer from using ReadFrom, and so its own buffer.
type onlyWriter struct{ io.Writer }

// header writes a header under the clean name.
func (w *Writer) header(hdr *tar.Header, name string) error {
	h := tar.Header{
		Typeflag: hdr.Typeflag,
		Name:     path.Join(w.opt.Prefix, name),
		Linkname: hdr.Linkname,
		Size:     hdr.Size,
		Mode:     hdr.Mode & 0o7777,
		Uid:      hdr.Uid,
		Gid:      hdr.Gid,
		Devmajor: hdr.Devmajor,
		Devminor: hdr.Devminor,
		ModTime:  w.clamp(hdr.ModTime),
	}
	switch h.Typeflag {
	case tar.TypeDir:
		h.Name += "/"
	case tar.TypeLink:
		h.Linkname = w.opt.Lead + path.Join(w.opt.Prefix, strings.TrimPrefix(h.Linkname, "/"))
	}
	if w.opt.Lead != "" {
		h.Name = w.opt.Lead + strings.TrimPrefix(h.Name, "./")
	}
	for key, value := range hdr.PAXRecords {
		if attr, ok := strings.CutPrefix(key, XattrPrefix); ok && tree.Ships(attr) {
			if h.PAXRecords == nil {
				h.PAXRecords = map[string]string{}
			}
			h.PAXRecords[key] = value
		}
	}
	if err := w.tw.WriteHeader(&h); err != nil {
		return &entryError{h.Name, err}
	}
	if h.Typeflag == tar.TypeReg {
		w.bytes += h.Size
	}
	return nil
}

func (w *Writer) clamp(t time.Time) time.Time {
	if !w.opt.SourceDate.IsZero() && t.After(w.opt.SourceDate) {
		t = w.opt.SourceDate
	}
	if t.IsZero() {
		return time.Unix(0, 0)
	}
	return time.Unix(t.Unix(), 0)
}

func (w *Writer) buffer() []byte {
	if w.buf == nil {
		w.buf = make([]byte, copySize)
	}
	return w.buf
}

// Dir writes the entry of the open directory fd.
func (w *Writer) Dir(fd int, name string) error {
	if err := w.checkBase(name); err != nil {
		return err
	}
	st, err := tree.Fstat(fd)
	if err != nil {
		return &fs.PathError{Op: "stat", Path: name, Err: err}
	}
	hdr := w.headerOf(&st)
	if err := w.xattrs(fd, hdr); err != nil {
		return &fs.PathError{Op: "read attributes", Path: name, Err: err}
	}
	return w.header(hdr, name)
}

// Node writes base in the open directory dir, which is no directory itself and
// is described by st, under name.
func (w *Writer) Node(dir int, base, name string, st *unix.Stat_t) error {
	if st.Mode&unix.S_IFMT == unix.S_IFSOCK {
		return nil
	}
	if err := w.checkBase(name); err != nil {
		return err
	}
	hdr := w.headerOf(st)
	if st.Nlink > 1 {
		id := inode{st.Dev, st.Ino}
		if first, ok := w.links[id]; ok {
			hdr.Typeflag, hdr.Linkname, hdr.Size = tar.TypeLink, first, 0
			return w.header(hdr, name)
		}
		w.links[id] = name
	}
	switch {
	case tree.IsReg(st.Mode):
		return w.file(dir, base, name, hdr)
	case tree.IsLink(st.Mode):
		target, err := tree.ReadLink(dir, base)
		if err != nil {
			return &fs.PathError{Op: "readlink", Path: name, Err: err}
		}
		hdr.Linkname = target
	}
	return w.header(hdr, name)
}

// checkBase refuses the file of a directory whose name a layer cannot hold.
func (w *Writer) checkBase(name string) error {
	if !w.opt.Layer || !strings.HasPrefix(path.Base(name), whiteout.Prefix) {
		return nil
	}
	return errdefs.Errorf(errdefs.ErrInvalid,
		"/%s: a name that begins with %s says in a layer that a file is deleted, so no layer can hold it", name, whiteout.Prefix)
}

// headerOf translates what stat tells.
func (w *Writer) headerOf(st *unix.Stat_t) *tar.Header {
	uid, gid := w.opt.Owners.Inside(st.Uid, st.Gid)
	hdr := &tar.Header{
		Mode:    int64(st.Mode & 0o7777),
		Uid:     int(uid),
		Gid:     int(gid),
		ModTime: time.Unix(st.Mtim.Unix()),
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		hdr.Typeflag = tar.TypeDir
	case unix.S_IFREG:
		hdr.Typeflag, hdr.Size = tar.TypeReg, st.Size
	case unix.S_IFLNK:
		hdr.Typeflag, hdr.Mode = tar.TypeSymlink, 0o777
	case unix.S_IFIFO:
		hdr.Typeflag = tar.TypeFifo
	case unix.S_IFCHR, unix.S_IFBLK:
		hdr.Typeflag = tar.TypeChar
		if st.Mode&unix.S_IFMT == unix.S_IFBLK {
			hdr.Typeflag = tar.TypeBlock
		}
		hdr.Devmajor, hdr.Devminor = int64(unix.Major(st.Rdev)), int64(unix.Minor(st.Rdev))
	}
	return hdr
}

// xattrs puts the shipping attributes of the open file fd into hdr.
func (w *Writer) xattrs(fd int, hdr *tar.Header) error {
	names, err := tree.ListXattrs(fd)
	if err != nil {
		return err
	}
	if attr, partial := whiteout.Partial(names); partial {
		return errdefs.Errorf(errdefs.ErrUnsupported,
			"%s: this file of an overlay's upper directory is not whole; mount overlays with redirect_dir=off,metacopy=off", attr)
	}
	if tree.OneOwner() {
		if uid, gid, noted := tree.NotedOwner(fd, ""); noted {
			hdr.Uid, hdr.Gid = int(uid), int(gid)
		}
	}
	records := map[string]string{}
	for _, attr := range names {
		if !tree.Ships(attr) {
			continue
		}
		value, err := tree.GetXattr(fd, attr)
		if errors.Is(err, unix.ENODATA) {
			continue
		}
		if err != nil {
			return err
		}
		if attr == capability {
			value = unscoped(value, w.opt.Owners)
		}
		records[XattrPrefix+attr] = string(value)
	}
	if len(records) > 0 {
		hdr.PAXRecords = records
	}
	return nil
}

// capability is the attribute that holds the capabilities of a program.
const capability = "security.capability"

// unscoped takes away from capabilities that root of a user namespace gave the
// mark that they hold there alone (capabilities(7), "Namespaced file
// capabilities"): where the archive is unpacked, another one is root.
func unscoped(value []byte, owners mount.IDMap) []byte {
	const (
		version3 = 0x03000000
		version2 = 0x02000000
		length3  = 24
	)
	if len(value) != length3 || owners.IsZero() {
		return value
	}
	magic := binary.LittleEndian.Uint32(value)
	root, _ := owners.Inside(binary.LittleEndian.Uint32(value[length3-4:]), 0)
	if magic&0xff000000 != version3 || root != 0 {
		return value
	}
	plain := bytes.Clone(value[:length3-4])
	binary.LittleEndian.PutUint32(plain, magic&0x00ffffff|version2)
	return plain
}

// file writes a regular file. Its holes are written without being read.
func (w *Writer) file(dir int, base, name string, hdr *tar.Header) error {
	// Not blocking, should a fifo have taken its place meanwhile.
	fd, err := unix.Openat(dir, base, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return &fs.PathError{Op: "open", Path: name, Err: err}
	}
	defer unix.Close(fd)
	st, err := tree.Fstat(fd)
	if err == nil && !tree.IsReg(st.Mode) {
		err = unix.ESTALE
	}
	if err == nil {
		err = w.xattrs(fd, hdr)
	}
	if err != nil {
		return &fs.PathError{Op: "read", Path: name, Err: err}
	}
	hdr.Size = st.Size
	if err := w.header(hdr, name); err != nil {
		return err
	}
	if err := w.body(fd, st.Size, st.Blocks*512 < st.Size); err != nil {
		return &fs.PathError{Op: "read", Path: name, Err: err}
	}
	return nil
}

// body writes the size bytes of fd, which may be sparse.
func (w *Writer) body(fd int, size int64, sparse bool) error {
	for off := int64(0); off < size; {
		data, hole := off, size
		if sparse {
			var err error
			if data, hole, err = extent(fd, off, size); err != nil {
				return err
			}
		}
		if err := w.zeros(data - off); err != nil {
			return err
		}
		if err := w.extent(fd, data, hole); err != nil {
			return err
		}
		off = hole
	}
	return nil
}

// extent finds the next data from off on, and where it ends.
func extent(fd int, off, size int64) (data, hole int64, err error) {
	data, err = unix.Seek(fd, off, unix.SEEK_DATA)
	if errors.Is(err, unix.ENXIO) {
		return size, size, nil
	}
	if err != nil {
		return 0, 0, err
	}
	hole, err = unix.Seek(fd, data, unix.SEEK_HOLE)
	return min(data, size), min(hole, size), err
}

func (w *Writer) extent(fd int, from, to int64) error {
	buf := w.buffer()
	for from < to {
		n, err := unix.Pread(fd, buf[:min(int64(len(buf)), to-from)], from)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return err
		}
		if n == 0 {
			return errdefs.Errorf(errdefs.ErrConflict,
				"the file shrank while it was read; something still writes to it")
		}
		if _, err := w.tw.Write(buf[:n]); err != nil {
			return err
		}
		from += int64(n)
	}
	return nil
}

func (w *Writer) zeros(n int64) error {
	for n > 0 {
		part := min(n, int64(len(zeroGrain)))
		if _, err := w.tw.Write(zeroGrain[:part]); err != nil {
			return err
		}
		n -= part
	}
	return nil
}
