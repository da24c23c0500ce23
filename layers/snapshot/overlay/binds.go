package overlay

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"cove/layers/mount"
)

// Bind is a directory or a file that is seen at a place of a tree; without a source it is
// a directory of the tree itself, which is made if it is not there.
type Bind struct {
	Source, Target string
	ReadOnly       bool
}

// WithBinds calls fn with the root of m's tree and with what is bound in it, parents first.
// A place that is not there is made, also in a tree that fn sees read-only; no link leads one
// out of the tree. The mounts are of a namespace of their own, which ends with fn or with this
// process.
func WithBinds(ctx context.Context, m mount.Mount, binds []Bind, fn func(root int) error) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	mount.OnOwnThread(func() { err = withBinds(m, binds, fn) })
	return err
}

func withBinds(m mount.Mount, binds []Bind, fn func(root int) error) error {
	// A thread that shares its root with others cannot have a namespace of its own.
	if err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("mounting %s: %w", m.Source, err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("mounting %s: %w", m.Source, err)
	}
	trees, err := openTrees(binds)
	defer closeAll(trees)
	if err != nil {
		return err
	}
	sealed := m.ReadOnly // when its places are made
	m.ReadOnly = false
	root, err := attach(m)
	if err != nil {
		return err
	}
	defer unix.Close(root)
	for i, b := range binds {
		if err := bind(root, trees[i], b); err != nil {
			return fmt.Errorf("mounting %s at %s: %w", b.Source, b.Target, err)
		}
	}
	if sealed {
		err := unix.MountSetattr(root, "", unix.AT_EMPTY_PATH, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY})
		if err != nil {
			return fmt.Errorf("making the root read-only: %w", err)
		}
	}
	return fn(root)
}

// openTrees opens all before the tree has a place, which may be above theirs.
func openTrees(binds []Bind) (trees []int, err error) {
	for _, b := range binds {
		if b.Source == "" {
			trees = append(trees, -1)
			continue
		}
		fd, err := unix.OpenTree(unix.AT_FDCWD, b.Source,
			unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE)
		if err != nil {
			return trees, &os.PathError{Op: "open_tree", Path: b.Source, Err: err}
		}
		trees = append(trees, fd)
		if b.ReadOnly {
			err = unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE,
				&unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY})
		}
		if err != nil {
			return trees, &os.PathError{Op: "mount_setattr", Path: b.Source, Err: err}
		}
	}
	return trees, nil
}

func closeAll(fds []int) {
	for _, fd := range fds {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}

// attach gives the tree a place in this namespace, as only such a one takes mounts: that of
// a directory of its own.
func attach(m mount.Mount) (root int, err error) {
	place := m.Source
	if m.Type == "overlay" {
		place = filepath.Dir(m.Upper)
	}
	tree, err := detached(m)
	if err == nil {
		defer unix.Close(tree)
		err = unix.MoveMount(tree, "", unix.AT_FDCWD, place, unix.MOVE_MOUNT_F_EMPTY_PATH)
	} else if errors.Is(err, errors.ErrUnsupported) {
		err = classic(m, place)
	}
	if err != nil {
		return -1, fmt.Errorf("mounting at %s: %w", place, err)
	}
	return unix.Open(place, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
}

func bind(root, tree int, b Bind) error {
	if tree < 0 {
		if at, err := place(root, b.Target, true); err == nil { // what cannot be is told at the start
			unix.Close(at)
		}
		return nil
	}
	var st unix.Stat_t
	if err := unix.Fstat(tree, &st); err != nil {
		return err
	}
	at, err := place(root, b.Target, st.Mode&unix.S_IFMT == unix.S_IFDIR)
	if err != nil {
		return err
	}
	defer unix.Close(at)
	return unix.MoveMount(tree, "", at, "", unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH)
}

// place opens what is at a name, and makes it if nothing is.
func place(root int, name string, dir bool) (int, error) {
	at, err := inside(root, name, unix.O_PATH)
	if errors.Is(err, unix.ENOENT) && path.Clean(name) != "/" {
		at, err = makePlace(root, name, dir)
	}
	return at, err
}

func inside(root int, name string, flags uint64) (int, error) {
	return unix.Openat2(root, strings.TrimPrefix(path.Clean(name), "/"), &unix.OpenHow{
		Flags: flags | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	})
}

// makePlace makes a directory or an empty file, and the directories above it.
func makePlace(root int, name string, dir bool) (int, error) {
	above, base := path.Split(path.Clean(name))
	parent := root
	if above != "/" {
		var err error
		if parent, err = inside(root, above, unix.O_PATH|unix.O_DIRECTORY); errors.Is(err, unix.ENOENT) {
			parent, err = makePlace(root, above, true)
		}
		if err != nil {
			return -1, err
		}
		defer unix.Close(parent)
	}
	var err error
	if dir {
		err = unix.Mkdirat(parent, base, 0o755)
	} else {
		err = unix.Mknodat(parent, base, unix.S_IFREG|0o644, 0)
	}
	if err != nil && !errors.Is(err, unix.EEXIST) {
		return -1, err
	}
	return inside(root, name, unix.O_PATH)
}
