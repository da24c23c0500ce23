package rootfs

import (
	"context"
	"io/fs"
	"path"
	"time"

	"golang.org/x/sys/unix"

	"cove/layers/tree"
)

// Stat is what is at a path of a container.
type Stat struct {
	Name  string
	Size  int64
	Mode  fs.FileMode
	MTime time.Time
	// Target is, of a link, the path of the container that it leads to.
	Target string
}

// StatOf looks at name below the open directory root, which no link leads out of.
// What is not there is errdefs.ErrNotFound.
func StatOf(ctx context.Context, root Root, name string) (s Stat, err error) {
	src, err := Find(ctx, root, name, false, nil)
	if err != nil {
		return s, err
	}
	defer src.Close()
	st, err := tree.Stat(src.at.Dir(), src.base)
	if err != nil {
		return s, notThere(name, err)
	}
	s = Stat{
		Name: path.Base(path.Clean("/" + name)), Size: st.Size, Mode: fileMode(st.Mode),
		MTime: time.Unix(st.Mtim.Unix()),
	}
	if !tree.IsLink(st.Mode) {
		return s, nil
	}
	dir, base := split(name)
	to, err := find(ctx, root.FD, dir, base, true)
	if err != nil {
		return s, err
	}
	defer to.at.Close()
	s.Target = path.Join("/", to.at.Child(to.base))
	return s, nil
}

// fileMode is Go's form of a mode, which docker's clients read.
func fileMode(mode uint32) fs.FileMode {
	m := fs.FileMode(mode & 0o777)
	for bit, as := range map[uint32]fs.FileMode{
		unix.S_ISUID: fs.ModeSetuid, unix.S_ISGID: fs.ModeSetgid, unix.S_ISVTX: fs.ModeSticky,
	} {
		if mode&bit != 0 {
			m |= as
		}
	}
	return m | map[uint32]fs.FileMode{
		unix.S_IFDIR: fs.ModeDir, unix.S_IFLNK: fs.ModeSymlink, unix.S_IFIFO: fs.ModeNamedPipe,
		unix.S_IFSOCK: fs.ModeSocket,
		unix.S_IFBLK:  fs.ModeDevice, unix.S_IFCHR: fs.ModeDevice | fs.ModeCharDevice,
	}[mode&unix.S_IFMT]
}
