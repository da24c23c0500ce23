package sandbox

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/layers/mount"
	"cove/runner/plan"
)

// openRoot returns m as a detached, private mount.
func openRoot(m mount.Mount) (int, error) {
	if !m.IDMap.IsZero() {
		return -1, errdefs.Errorf(errdefs.ErrUnsupported, "sandbox: root filesystem: id-mapped mounts")
	}
	var attr uint64
	if m.ReadOnly {
		attr = unix.MOUNT_ATTR_RDONLY
	}
	switch m.Type {
	case "bind":
		return openTree(m.Source, plan.File{Recursive: true, Attr: plan.MountAttr{
			Set:         attr,
			Propagation: unix.MS_PRIVATE, PropagateAll: true,
		}}, "root filesystem")
	case "overlay":
		fd, err := openOverlay(m, attr)
		if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
			// Before Linux 6.7 there is no "lowerdir+".
			fd, err = classicOverlay(m, attr)
		}
		if err != nil {
			return -1, errdefs.Errorf(errKind(err), "sandbox: root filesystem: overlay of %d layers: %w", len(m.Lower), err)
		}
		return fd, nil
	}
	return -1, errdefs.Errorf(errdefs.ErrInvalid, "sandbox: root filesystem: mount type %q: want overlay or bind", m.Type)
}

func openOverlay(m mount.Mount, attr uint64) (int, error) {
	fs, err := unix.Fsopen("overlay", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, err
	}
	defer unix.Close(fs)
	for _, dir := range m.Lower {
		if err := unix.FsconfigSetString(fs, "lowerdir+", dir); err != nil {
			return -1, err
		}
	}
	options := m.Options
	if m.Upper != "" {
		if err := unix.FsconfigSetString(fs, "upperdir", m.Upper); err != nil {
			return -1, err
		}
		if err := unix.FsconfigSetString(fs, "workdir", m.Work); err != nil {
			return -1, err
		}
	}
	return createMount(fs, options, attr)
}

// newMount returns a detached mount of a new filesystem instance.
func newMount(fstype string, options []string, attr uint64) (int, error) {
	fs, err := unix.Fsopen(fstype, unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, errdefs.Errorf(errKind(err), "sandbox: new %s: fsopen: %w", fstype, err)
	}
	defer unix.Close(fs)
	fd, err := createMount(fs, options, attr)
	if err != nil {
		return -1, errdefs.Errorf(errKind(err), "sandbox: new %s: %w", fstype, err)
	}
	return fd, nil
}

func createMount(fs int, options []string, attr uint64) (int, error) {
	for _, o := range options {
		var err error
		if key, value, ok := strings.Cut(o, "="); ok {
			err = unix.FsconfigSetString(fs, key, value)
		} else {
			err = unix.FsconfigSetFlag(fs, key)
		}
		if err != nil {
			return -1, err
		}
	}
	if err := unix.FsconfigCreate(fs); err != nil {
		return -1, err
	}
	return unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, int(attr))
}

// classicOverlay mounts with mount(2), in a mount namespace that lives as long
// as this call, and returns a detached copy. So here too nothing is ever
// mounted on the host.
func classicOverlay(m mount.Mount, attr uint64) (int, error) {
	type result struct {
		fd  int
		err error
	}
	done := make(chan result)
	go func() {
		// The thread ends with the goroutine: its namespace is no use to others.
		runtime.LockOSThread()
		fd, err := mountPrivately(m)
		done <- result{fd, err}
	}()
	r := <-done
	if r.err != nil || attr == 0 {
		return r.fd, r.err
	}
	if err := unix.MountSetattr(r.fd, "", unix.AT_EMPTY_PATH, &unix.MountAttr{Attr_set: attr}); err != nil {
		unix.Close(r.fd)
		return -1, err
	}
	return r.fd, nil
}

func mountPrivately(m mount.Mount) (int, error) {
	if err := unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_FS); err != nil {
		return -1, err
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return -1, err
	}
	lowers, opened, err := shortNames(m.Lower)
	defer func() {
		for _, f := range opened {
			f.Close()
		}
	}()
	if err != nil {
		return -1, err
	}
	options := append([]string{"lowerdir=" + strings.Join(lowers, ":")}, m.Options...)
	target := m.Lower[0]
	if m.Upper != "" {
		options = append(options, "upperdir="+m.Upper, "workdir="+m.Work)
		target = m.Upper
	}
	if err := unix.Mount("overlay", target, "overlay", 0, strings.Join(options, ",")); err != nil {
		return -1, err
	}
	return unix.OpenTree(unix.AT_FDCWD, target, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
}

// shortNames names directories by descriptors, because the options of mount(2)
// must fit in one page, which the paths of 128 layers do not.
func shortNames(dirs []string) ([]string, []*os.File, error) {
	var names []string
	var opened []*os.File
	for _, dir := range dirs {
		fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return nil, opened, fmt.Errorf("layer %s: %w", dir, err)
		}
		opened = append(opened, os.NewFile(uintptr(fd), dir))
		names = append(names, fmt.Sprintf("/proc/thread-self/fd/%d", fd))
	}
	return names, opened, nil
}
