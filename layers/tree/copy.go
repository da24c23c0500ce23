package tree

import (
	"errors"
	"io/fs"

	"golang.org/x/sys/unix"
)

// CopyMeta gives dst the owner, mode, shipping attributes and modification
// time of src. Both are open directories or regular files.
func CopyMeta(src, dst int) error { return copyMeta(src, dst, nil) }

// Owners says to whom a copy belongs of what belongs to uid and gid; nil is to them.
type Owners func(uid, gid uint32) (newUID, newGID uint32)

func (o Owners) of(st *unix.Stat_t) {
	if o != nil {
		st.Uid, st.Gid = o(st.Uid, st.Gid)
	}
}

func copyMeta(src, dst int, owners Owners) error {
	st, err := Fstat(src)
	if err != nil {
		return err
	}
	owners.of(&st)
	if err := chown(dst, st); err != nil {
		return err
	}
	if err := unix.Fchmod(dst, st.Mode&0o7777); err != nil {
		return err
	}
	if OneOwner() {
		if uid, gid, noted := NotedOwner(src, ""); noted {
			if err := NoteOwner(dst, int(uid), int(gid), int64(st.Mode)); err != nil {
				return err
			}
		}
	}
	names, err := ListXattrs(src)
	if err != nil {
		return err
	}
	for _, name := range names {
		if !Ships(name) {
			continue
		}
		value, err := GetXattr(src, name)
		if err != nil {
			return err
		}
		if err := SetXattr(dst, "", name, value); err != nil && unix.Geteuid() == 0 {
			return err
		}
	}
	return SetTimes(dst, "", st.Mtim)
}

// chown keeps what only root may change.
func chown(fd int, st unix.Stat_t) error {
	err := unix.Fchown(fd, int(st.Uid), int(st.Gid))
	if errors.Is(err, unix.EPERM) && unix.Geteuid() != 0 {
		return nil
	}
	return err
}

// CopyNode copies what is called name in src, which is not a directory, into
// dst under the same name, with all that belongs to it.
func CopyNode(src, dst int, name string) error { return copyNode(src, dst, name, nil) }

func copyNode(src, dst int, name string, owners Owners) error {
	st, err := Stat(src, name)
	if err != nil {
		return err
	}
	owners.of(&st)
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		return copyFile(src, dst, name, st.Size, owners)
	case unix.S_IFLNK:
		target, err := ReadLink(src, name)
		if err != nil {
			return err
		}
		err = unix.Symlinkat(target, dst, name)
		if err != nil {
			return err
		}
	case unix.S_IFDIR:
		return unix.EISDIR
	case unix.S_IFSOCK:
		return nil
	default:
		err := unix.Mknodat(dst, name, st.Mode, int(st.Rdev))
		if errors.Is(err, unix.EPERM) && unix.Geteuid() != 0 {
			return nil
		}
		if err != nil {
			return err
		}
		if err := unix.Fchmodat(dst, name, st.Mode&0o7777, 0); err != nil {
			return err
		}
	}
	if err := unix.Fchownat(dst, name, int(st.Uid), int(st.Gid), unix.AT_SYMLINK_NOFOLLOW); err != nil &&
		unix.Geteuid() == 0 {
		return err
	}
	return SetTimes(dst, name, st.Mtim)
}

func copyFile(src, dst int, name string, size int64, owners Owners) error {
	in, err := unix.Openat(src, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer unix.Close(in)
	out, err := unix.Openat(dst, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	defer unix.Close(out)
	if err := CopyData(in, out, size); err != nil {
		return err
	}
	return copyMeta(in, out, owners)
}

// CopyData copies the size bytes of in to out, an empty file, sharing blocks
// where the filesystem can and keeping holes.
func CopyData(in, out int, size int64) error {
	if size == 0 || unix.IoctlFileClone(out, in) == nil {
		return nil
	}
	if err := unix.Ftruncate(out, size); err != nil {
		return err
	}
	for off := int64(0); off < size; {
		data, err := unix.Seek(in, off, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) { // only a hole is left
			return nil
		}
		if err != nil {
			return err
		}
		hole, err := unix.Seek(in, data, unix.SEEK_HOLE)
		if err != nil {
			return err
		}
		if err := copyRange(in, out, data, hole); err != nil {
			return err
		}
		off = hole
	}
	return nil
}

func copyRange(in, out int, from, to int64) error {
	src, dst := from, from
	for src < to {
		n, err := unix.CopyFileRange(in, &src, out, &dst, int(min(to-src, 1<<30)), 0)
		if errors.Is(err, unix.EXDEV) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EOPNOTSUPP) ||
			errors.Is(err, unix.ENOSYS) {
			return copyPlain(in, out, src, to)
		}
		if err != nil {
			return err
		}
		if n == 0 { // shrank under us
			return nil
		}
	}
	return nil
}

// copyPlain is for filesystems that cannot copy between files themselves.
func copyPlain(in, out int, from, to int64) error {
	buf := make([]byte, 128<<10)
	for from < to {
		n, err := unix.Pread(in, buf[:min(int64(len(buf)), to-from)], from)
		if err != nil || n == 0 {
			return err
		}
		for done := 0; done < n; {
			w, err := unix.Pwrite(out, buf[done:n], from+int64(done))
			if err != nil {
				return err
			}
			done += w
		}
		from += int64(n)
	}
	return nil
}

// Copy copies all that the directory src holds, and what belongs to src
// itself, into the empty directory dst. Hard links within src stay links.
func Copy(src, dst int) error { return CopyAs(src, dst, nil) }

// CopyAs is Copy with other owners.
func CopyAs(src, dst int, owners Owners) error {
	c := treeCopy{top: dst, seen: map[inode]string{}, owners: owners}
	return c.dir(src, dst, "")
}

type inode struct{ dev, ino uint64 }

// treeCopy is one call of Copy.
type treeCopy struct {
	top    int              // the directory that all is copied into
	seen   map[inode]string // the first name of each file that has several
	owners Owners
}

// dir copies the open directory src, called path below the top, to dst.
func (c *treeCopy) dir(src, dst int, path string) error {
	names, err := Names(src)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := c.child(src, dst, path, name); err != nil {
			return &fs.PathError{Op: "copy", Path: join(path, name), Err: err}
		}
	}
	return copyMeta(src, dst, c.owners)
}

func (c *treeCopy) child(src, dst int, path, name string) error {
	st, err := Stat(src, name)
	if err != nil {
		return err
	}
	if IsDir(st.Mode) {
		if err := unix.Mkdirat(dst, name, 0o700); err != nil {
			return err
		}
		return c.subdir(src, dst, path, name)
	}
	if st.Nlink > 1 {
		id := inode{st.Dev, st.Ino}
		if first, ok := c.seen[id]; ok {
			// first is a name that we made ourselves in dst's tree, in which
			// nothing else works meanwhile.
			return unix.Linkat(c.top, first, dst, name, 0)
		}
		c.seen[id] = join(path, name)
	}
	return copyNode(src, dst, name, c.owners)
}

func (c *treeCopy) subdir(src, dst int, path, name string) error {
	in, err := OpenDir(src, name)
	if err != nil {
		return err
	}
	defer unix.Close(in)
	out, err := OpenDir(dst, name)
	if err != nil {
		return err
	}
	defer unix.Close(out)
	return c.dir(in, out, join(path, name))
}
