package archive

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"path"
	"strings"

	"github.com/moby/sys/userns"
	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/layers/tree"
)

const (
	copySize = 256 << 10
	// holeSize is the grain of holes: a run of zeros of this length, at a
	// multiple of it, is not written.
	holeSize = 32 << 10
)

// place makes one entry as base in the cursor's directory.
func (x *Extractor) place(
	ctx context.Context, name, base string, hdr *tar.Header, body io.Reader,
) (replaced bool, err error) {
	x.at.Touch()
	switch hdr.Typeflag {
	case tar.TypeDir:
		return x.dir(base, hdr)
	case tar.TypeLink:
		return x.link(ctx, name, base, hdr)
	case tar.TypeReg, tar.TypeGNUSparse, tar.TypeCont:
		return x.file(base, hdr, body)
	case tar.TypeSymlink:
		return x.symlink(base, hdr)
	case tar.TypeChar, tar.TypeBlock, tar.TypeFifo:
		return x.node(base, hdr)
	}
	return false, errdefs.Errorf(errdefs.ErrUnsupported, "type %q is not a file's", hdr.Typeflag)
}

// replacing calls make, and once more after removing base if something has
// that name already.
func (x *Extractor) replacing(base string, create func() error) (replaced bool, err error) {
	err = create()
	if !errors.Is(err, unix.EEXIST) {
		return false, err
	}
	if err := x.keeps(base); err != nil {
		return false, err
	}
	if err := x.Remove(base); err != nil {
		return false, err
	}
	return true, create()
}

// keeps refuses to replace a directory, if kinds are kept: of what is none, dir does.
func (x *Extractor) keeps(base string) error {
	if !x.opt.KeepKinds {
		return nil
	}
	st, err := tree.Stat(x.at.Dir(), base)
	if err == nil && tree.IsDir(st.Mode) {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot overwrite a directory with what is none")
	}
	return err
}

func (x *Extractor) dir(base string, hdr *tar.Header) (replaced bool, err error) {
	dir := x.at.Dir()
	create := func() error { return unix.Mkdirat(dir, base, 0o700) }
	err = create()
	if errors.Is(err, unix.EEXIST) {
		st, serr := tree.Stat(dir, base)
		if serr != nil {
			return false, serr
		}
		if !tree.IsDir(st.Mode) {
			if x.opt.KeepKinds {
				return false, errdefs.Errorf(errdefs.ErrInvalid, "cannot overwrite with a directory what is none")
			}
			replaced, err = x.replacing(base, create)
		} else {
			err = nil
		}
	}
	if err != nil {
		return replaced, err
	}
	fd, err := tree.OpenDir(dir, base)
	if errors.Is(err, unix.EACCES) && unix.Fchmodat(dir, base, 0o700, 0) == nil {
		fd, err = tree.OpenDir(dir, base)
	}
	if err != nil {
		return replaced, err
	}
	defer unix.Close(fd)
	if err := x.dirMeta(fd, hdr); err != nil {
		return replaced, err
	}
	return replaced, tree.SetTimes(fd, "", timespec(hdr.ModTime))
}

// dirMeta gives an open directory the entry's owner, mode and attributes; of
// those it had, the ones that the entry lacks go.
func (x *Extractor) dirMeta(fd int, hdr *tar.Header) error {
	had, err := tree.ListXattrs(fd)
	if err != nil {
		return err
	}
	for _, attr := range had {
		if _, stays := hdr.PAXRecords[XattrPrefix+attr]; stays || !tree.Ships(attr) {
			continue
		}
		if err := unix.Fremovexattr(fd, attr); err != nil && !errors.Is(err, unix.ENODATA) {
			return err
		}
	}
	return x.fileMeta(fd, hdr)
}

// fileMeta gives an open file or directory its owner, mode and attributes, in
// this order: a change of owner clears the setuid bits and the capabilities.
func (x *Extractor) fileMeta(fd int, hdr *tar.Header) error {
	if !x.opt.Unprivileged {
		if err := unix.Fchown(fd, hdr.Uid, hdr.Gid); err != nil {
			return notOurs(hdr, err)
		}
	}
	if x.noting {
		if err := tree.NoteOwner(fd, hdr.Uid, hdr.Gid, hdr.Mode); err != nil {
			return err
		}
	}
	if err := unix.Fchmod(fd, uint32(hdr.Mode&0o7777)); err != nil {
		return err
	}
	for key, value := range hdr.PAXRecords {
		attr, ok := strings.CutPrefix(key, XattrPrefix)
		if !ok || !tree.Ships(attr) || x.opt.Unprivileged && strings.HasPrefix(attr, "security.") {
			continue
		}
		err := tree.SetXattr(fd, "", attr, []byte(value))
		if errors.Is(err, unix.EOPNOTSUPP) && !strings.HasPrefix(attr, "security.") {
			continue // the filesystem keeps none, which loses no right or capability
		}
		if err != nil {
			return &xattrError{attr, err}
		}
	}
	return nil
}

type xattrError struct {
	attr string
	err  error
}

func (e *xattrError) Error() string {
	return "extended attribute " + quote(e.attr) + ": " + e.err.Error()
}
func (e *xattrError) Unwrap() error { return e.err }

func (x *Extractor) file(base string, hdr *tar.Header, body io.Reader) (replaced bool, err error) {
	var fd int
	replaced, err = x.replacing(base, func() (err error) {
		fd, err = unix.Openat(x.at.Dir(), base, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC,
			0o600)
		return err
	})
	if err != nil {
		return replaced, err
	}
	defer unix.Close(fd)
	if hdr.Size > 0 {
		if err := x.fill(fd, body, hdr.Size); err != nil {
			return replaced, err
		}
	}
	if err := x.fileMeta(fd, hdr); err != nil {
		return replaced, err
	}
	return replaced, tree.SetTimes(fd, "", timespec(hdr.ModTime))
}

// fill writes size bytes of body to the empty file fd, runs of zeros as holes.
func (x *Extractor) fill(fd int, body io.Reader, size int64) error {
	if x.buf == nil {
		x.buf = make([]byte, copySize)
	}
	var off int64
	hole := false
	for off < size {
		want := x.buf[:min(size-off, copySize)]
		if _, err := io.ReadFull(body, want); err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
		for len(want) > 0 {
			data, zeros := split(want)
			if err := pwrite(fd, data, off); err != nil {
				return err
			}
			off += int64(len(data) + zeros)
			want = want[len(data)+zeros:]
			hole = zeros > 0
		}
	}
	if hole {
		return unix.Ftruncate(fd, size)
	}
	return nil
}

// split returns the data at the start of buf and how many zeros follow it
// before more data; it looks at whole grains only.
func split(buf []byte) (data []byte, zeros int) {
	end := 0
	for end+holeSize <= len(buf) && !isZero(buf[end:end+holeSize]) {
		end += holeSize
	}
	if end+holeSize > len(buf) {
		return buf, 0
	}
	zeros = holeSize
	for end+zeros+holeSize <= len(buf) && isZero(buf[end+zeros:end+zeros+holeSize]) {
		zeros += holeSize
	}
	return buf[:end], zeros
}

// zeroGrain is only read.
var zeroGrain [holeSize]byte

func isZero(b []byte) bool { return b[0] == 0 && b[len(b)/2] == 0 && bytes.Equal(b, zeroGrain[:]) }

func pwrite(fd int, data []byte, off int64) error {
	for len(data) > 0 {
		n, err := unix.Pwrite(fd, data, off)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return err
		}
		data, off = data[n:], off+int64(n)
	}
	return nil
}

func (x *Extractor) symlink(base string, hdr *tar.Header) (replaced bool, err error) {
	if hdr.Linkname == "" {
		return false, errdefs.Errorf(errdefs.ErrInvalid, "a symbolic link to nothing")
	}
	dir := x.at.Dir()
	replaced, err = x.replacing(base, func() error { return unix.Symlinkat(hdr.Linkname, dir, base) })
	if err != nil {
		return replaced, err
	}
	return replaced, x.ownByName(base, hdr)
}

func (x *Extractor) node(base string, hdr *tar.Header) (replaced bool, err error) {
	mode := uint32(hdr.Mode & 0o7777)
	switch hdr.Typeflag {
	case tar.TypeChar:
		mode |= unix.S_IFCHR
	case tar.TypeBlock:
		mode |= unix.S_IFBLK
	default:
		mode |= unix.S_IFIFO
	}
	if hdr.Typeflag != tar.TypeFifo && x.opt.Unprivileged {
		return false, nil
	}
	dev := 0
	if hdr.Typeflag != tar.TypeFifo {
		if hdr.Devmajor < 0 || hdr.Devminor < 0 || hdr.Devmajor > 0xfff || hdr.Devminor > 0xfffff {
			return false, errdefs.Errorf(errdefs.ErrInvalid, "device %d:%d is out of range", hdr.Devmajor, hdr.Devminor)
		}
		if hdr.Typeflag == tar.TypeChar && hdr.Devmajor == 0 && hdr.Devminor == 0 {
			return false, errdefs.Errorf(errdefs.ErrInvalid,
				"the character device 0:0 is the kernel's mark of a deleted file")
		}
		dev = int(unix.Mkdev(uint32(hdr.Devmajor), uint32(hdr.Devminor)))
	}
	dir := x.at.Dir()
	replaced, err = x.replacing(base, func() error { return unix.Mknodat(dir, base, mode, dev) })
	if errors.Is(err, unix.EPERM) && userns.RunningInUserNS() {
		return replaced, nil // nobody there may make devices; a container gets those of /dev anew
	}
	if err != nil {
		return replaced, err
	}
	if err := x.ownByName(base, hdr); err != nil {
		return replaced, err
	}
	return replaced, unix.Fchmodat(dir, base, mode&0o7777, 0)
}

// notOurs explains an owner that this user namespace does not have.
func notOurs(hdr *tar.Header, err error) error {
	if !errors.Is(err, unix.EINVAL) {
		return err
	}
	return errdefs.Errorf(errdefs.ErrUnsupported, "its owner %d:%d is beyond the ids of this user "+
		"(/etc/subuid, /etc/subgid; as root: usermod --add-subuids): %w", hdr.Uid, hdr.Gid, err)
}

// ownByName sets owner and time of what cannot be opened.
func (x *Extractor) ownByName(base string, hdr *tar.Header) error {
	dir := x.at.Dir()
	if !x.opt.Unprivileged {
		if err := unix.Fchownat(dir, base, hdr.Uid, hdr.Gid, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return notOurs(hdr, err)
		}
	}
	return tree.SetTimes(dir, base, timespec(hdr.ModTime))
}

// link makes a hard link to a name of the same tree. The link's target is
// resolved like any name, and a symbolic link at its end is itself linked.
func (x *Extractor) link(ctx context.Context, name, base string, hdr *tar.Header) (replaced bool, err error) {
	target, err := cleanName(hdr.Linkname)
	if err != nil {
		return false, err
	}
	if target == name {
		return false, errdefs.Errorf(errdefs.ErrInvalid, "a hard link to itself")
	}
	from := x.at
	targetDir, targetBase := path.Split(target)
	if dir, _ := path.Split(name); dir != targetDir {
		// A cursor of its own: the other stays where base is to be made.
		if from, err = x.at.Fork(); err != nil {
			return false, err
		}
		defer func() { err = errors.Join(err, from.Close()) }()
		if err := from.Enter(ctx, targetDir); err != nil {
			return false, err
		}
	}
	if err := x.linkable(ctx, from, targetBase); err != nil {
		return false, err
	}
	if from != x.at && from.Path() == x.at.Path() && targetBase == base {
		return false, errdefs.Errorf(errdefs.ErrInvalid, "a hard link to itself")
	}
	return x.replacing(base, func() error {
		return unix.Linkat(from.Dir(), targetBase, x.at.Dir(), base, 0)
	})
}

// linkable makes sure that base can be linked to.
func (x *Extractor) linkable(ctx context.Context, from *tree.Cursor, base string) error {
	st, err := tree.Stat(from.Dir(), base)
	missing := errors.Is(err, unix.ENOENT) || err == nil && st.Mode&unix.S_IFMT == unix.S_IFCHR && st.Rdev == 0
	if missing && x.hooks.Missing != nil {
		if err = x.hooks.Missing(ctx, from, base); err == nil {
			st, err = tree.Stat(from.Dir(), base)
		}
	}
	if err != nil {
		return errdefs.Errorf(errdefs.ErrInvalid, "hard link target: %w", err)
	}
	if tree.IsDir(st.Mode) {
		return errdefs.Errorf(errdefs.ErrInvalid, "a hard link to a directory")
	}
	return nil
}
