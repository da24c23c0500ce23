package files

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/internal/inroot"
	"cove/layers/mount"
	"cove/sandbox/host"
	"cove/sandbox/plan"
)

// Stack is what a bind shows instead of a path of the host: several directories, as
// one read-only or with one of them taking what is written.
type Stack struct {
	Mount mount.Mount
	// Subpath is the directory or file of it that is shown; "" is all. Links in the
	// path are read as if the stack were the root.
	Subpath string
	// Name says in errors what it is.
	Name string
}

// OpenStack is OpenRoot of a stack.
func OpenStack(s Stack) (*os.File, error) {
	fd, err := openStack(s, plan.File{})
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), s.Name), nil
}

// openStack returns a stack as a detached mount.
func openStack(s Stack, want plan.File) (fd int, err error) {
	if fd, err = openRoot(s.Mount, 0); err != nil {
		return -1, errdefs.Errorf(errdefs.KindOf(err), "sandbox: mount of %s: %w", s.Name, err)
	}
	if s.Subpath != "" {
		whole := fd
		fd, err = subtree(whole, s.Subpath)
		if errors.Is(err, unix.EINVAL) { // a copy of a detached mount needs Linux 6.15
			fd, err = subtreeWithin(whole, s)
		}
		unix.Close(whole)
	}
	if errors.Is(err, unix.ENOENT) {
		return -1, errdefs.Errorf(errdefs.ErrNotFound, "sandbox: mount of %s: cannot access path %s: "+
			"there is no such file or directory in it (path concatenation escapes the base directory, "+
			"if a link in it leads out)", s.Name, s.Subpath)
	}
	if err == nil {
		if err = setAttr(fd, want.Attr); err != nil {
			unix.Close(fd)
		}
	}
	if err != nil {
		return -1, errdefs.Errorf(host.ErrKind(err), "sandbox: mount of %s: %w", s.Name, err)
	}
	return fd, nil
}

// subtree copies what is mounted at a path below a mount.
func subtree(whole int, path string) (int, error) {
	at, err := inroot.Open(whole, path, unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	})
	if err != nil {
		return -1, err
	}
	defer unix.Close(at)
	return unix.OpenTree(at, "", unix.AT_EMPTY_PATH|unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
}

// subtreeWithin is subtree for kernels that copy attached mounts alone: it is attached
// in a mount namespace that ends with the call.
func subtreeWithin(whole int, s Stack) (fd int, err error) {
	dir := s.Mount.Source
	if s.Mount.Type == "overlay" {
		dir = s.Mount.Lower[0]
	}
	mount.OnOwnThread(func() {
		if err = unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_FS); err != nil {
			return
		}
		if err = unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			return
		}
		err = unix.MoveMount(whole, "", unix.AT_FDCWD, dir, unix.MOVE_MOUNT_F_EMPTY_PATH)
		if err == nil {
			fd, err = subtree(whole, s.Subpath)
		}
	})
	if err != nil {
		return -1, err
	}
	return fd, nil
}
