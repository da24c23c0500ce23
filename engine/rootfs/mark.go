package rootfs

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"cove/internal/inroot"
	"cove/layers/mount"
	"cove/layers/whiteout"
)

// The marks of a container, relative to its root: an empty file by which programs know
// that they run in one, and docker's link to what is mounted.
const (
	marker = ".dockerenv"
	mtab   = "etc/mtab"
	mounts = "/proc/mounts"
)

// Mark makes the marks in a root that is not mounted yet. What an image has of them
// stays.
func Mark(m mount.Mount) error {
	fds, err := openAll(m)
	defer closeAll(fds)
	if err != nil {
		return err
	}
	uid, gid := owner(m.IDMap, 0, 0)
	err = missing(fds, marker, func(top int) error {
		fd, err := unix.Openat(top, marker, unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o755)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return errors.Join(unix.Fchmod(fd, 0o755), unix.Fchown(fd, uid, gid))
	})
	if err != nil {
		return err
	}
	return missing(fds, mtab, func(top int) error {
		below := m.IDMap
		if m.Shifted {
			below = mount.IDMap{}
		}
		etc, st, err := directory(fds, top, below)
		if err != nil || etc < 0 {
			return err
		}
		defer unix.Close(etc)
		if err := unix.Symlinkat(mounts, etc, "mtab"); err != nil {
			return err
		}
		times := []unix.Timespec{st.Atim, st.Mtim} // the directory itself is as it was
		return errors.Join(unix.Fchownat(etc, "mtab", uid, gid, unix.AT_SYMLINK_NOFOLLOW),
			unix.UtimesNanoAt(unix.AT_FDCWD, fdPath(etc), times, 0))
	})
}

// missing has one mark made in the top one of the directories, unless one has the name.
func missing(fds []int, name string, do func(top int) error) error {
	for _, fd := range fds {
		st, err := statIn(fd, name)
		if err == nil && !whiteout.Is(&st) {
			return nil
		}
		if err == nil || !errors.Is(err, unix.ENOENT) {
			break // deleted there, or not a directory above it
		}
	}
	if err := do(fds[0]); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("marking the root of a container: %s: %w", name, err)
	}
	return nil
}

// directory opens /etc in the top one of the directories, and makes it there as it is in
// the one below that has it, if one has; -1 is none that can be made so.
func directory(fds []int, top int, owners mount.IDMap) (int, unix.Stat_t, error) {
	const name = "etc"
	var st unix.Stat_t
	at := slices.IndexFunc(fds, func(fd int) bool {
		var err error
		st, err = statIn(fd, name)
		return err == nil
	})
	switch {
	case at < 0:
		st = unix.Stat_t{Mode: unix.S_IFDIR | 0o755}
		_ = unix.ClockGettime(unix.CLOCK_REALTIME, &st.Mtim)
		st.Atim = st.Mtim
	case st.Mode&unix.S_IFMT != unix.S_IFDIR, at > 0 && hasAttributes(fds[at], name):
		return -1, st, nil // access control lists and the like would be lost
	}
	if at != 0 {
		if err := unix.Mkdirat(top, name, 0o755); err != nil {
			return -1, st, err
		}
	}
	fd, err := unix.Openat(top, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil || at == 0 {
		return fd, st, err
	}
	uid, gid := owner(owners, int(st.Uid), int(st.Gid))
	if err := errors.Join(unix.Fchown(fd, uid, gid), unix.Fchmod(fd, st.Mode&0o7777)); err != nil {
		unix.Close(fd)
		return -1, st, err
	}
	return fd, st, nil
}

// openIn opens a name below a directory, itself if it is a link, through no other link.
func openIn(root int, name string) (int, error) {
	return inroot.Open(root, name, unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_NOFOLLOW | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_SYMLINKS,
	})
}

func statIn(root int, name string) (st unix.Stat_t, err error) {
	fd, err := openIn(root, name)
	if err != nil {
		return st, err
	}
	defer unix.Close(fd)
	return st, unix.Fstat(fd, &st)
}

// hasAttributes says that a directory has some that overlay did not put there.
func hasAttributes(root int, name string) bool {
	fd, err := unix.Openat(root, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return true
	}
	defer unix.Close(fd)
	list := make([]byte, 4096)
	n, err := unix.Flistxattr(fd, list)
	if err != nil {
		return !errors.Is(err, unix.ENOTSUP)
	}
	for attr := range strings.SplitSeq(strings.TrimRight(string(list[:n]), "\x00"), "\x00") {
		if attr != "" && !strings.HasPrefix(attr, "trusted.overlay.") && !strings.HasPrefix(attr, "user.overlay.") {
			return true
		}
	}
	return false
}

// owner is who owns on disk what uid and gid own in the container.
func owner(owners mount.IDMap, uid, gid int) (int, int) {
	if u, g, ok := owners.Outside(uint32(uid), uint32(gid)); ok {
		return int(u), int(g)
	}
	return uid, gid
}

// BytesOfMarks are how many bytes of files Mark added in the top directory of a root, as
// they are counted: a link has those of what it names.
func BytesOfMarks(m mount.Mount) int64 {
	if IsMark(cmp.Or(m.Upper, m.Source), mtab) {
		return int64(len(mounts))
	}
	return 0
}

// IsMark says that a name in the top directory of a root is there because Mark made it,
// as far as can be seen.
func IsMark(dir, name string) bool {
	if name != marker && name != mtab {
		return false
	}
	root, err := Open(dir)
	if err != nil {
		return false
	}
	defer unix.Close(root)
	switch name {
	case marker:
		st, err := statIn(root, name)
		return err == nil && st.Mode&unix.S_IFMT == unix.S_IFREG && st.Size == 0
	case mtab:
		fd, err := openIn(root, name)
		if err != nil {
			return false
		}
		defer unix.Close(fd)
		link := make([]byte, len(mounts)+1)
		n, err := unix.Readlinkat(fd, "", link)
		return err == nil && string(link[:n]) == mounts
	}
	return false
}
