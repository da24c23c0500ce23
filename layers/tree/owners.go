package tree

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// OneOwner reports whether this process's user namespace has one user or one group
// alone: then no file can belong to anybody else.
func OneOwner() bool { return oneOwner() }

var oneOwner = sync.OnceValue(func() bool {
	return holdsOne("/proc/self/uid_map") || holdsOne("/proc/self/gid_map")
})

// holdsOne reads lines of inside, outside and count (user_namespaces(7)).
func holdsOne(name string) bool {
	b, err := os.ReadFile(name)
	if err != nil {
		return false // a kernel without user namespaces
	}
	fields := strings.Fields(string(b))
	return len(fields) == 3 && fields[2] == "1"
}

// ownerAttr notes an owner that this user namespace lacks, as "uid:gid:0mode": the attribute
// that containers/storage and fuse-overlayfs have for that. It ships with no layer.
const ownerAttr = "user.containers.override_stat"

// NoteOwner notes whose the open file or directory fd is, where OneOwner leaves it nobody
// else's; an earlier note is forgotten.
func NoteOwner(fd, uid, gid int, mode int64) error {
	var err error
	if uid == 0 && gid == 0 {
		err = unix.Fremovexattr(fd, ownerAttr)
	} else {
		err = unix.Fsetxattr(fd, ownerAttr, fmt.Appendf(nil, "%d:%d:0%o", uid, gid, mode&0o7777), 0)
	}
	if errors.Is(err, unix.ENODATA) || errors.Is(err, unix.EOPNOTSUPP) {
		return nil // there was none, or the filesystem keeps none
	}
	return err
}

// NotedOwner returns whose a file or directory of dir is by its note; "" is dir itself.
func NotedOwner(dir int, name string) (uid, gid uint32, noted bool) {
	value, err := grow(func(b []byte) (int, error) {
		if name == "" {
			return unix.Fgetxattr(dir, ownerAttr, b)
		}
		return unix.Lgetxattr(procPath(dir, name), ownerAttr, b)
	})
	fields := strings.Split(string(value), ":")
	if err != nil || len(fields) < 2 {
		return 0, 0, false
	}
	u, err := strconv.ParseUint(fields[0], 10, 31)
	if err != nil {
		return 0, 0, false
	}
	g, err := strconv.ParseUint(fields[1], 10, 31)
	return uint32(u), uint32(g), err == nil
}
