package files

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/layers/mount"
	"cove/sandbox/host"
	"cove/sandbox/plan"
)

// OpenRoot returns what a container's root is mounted of as a detached, private mount,
// for who attaches it somewhere.
func OpenRoot(m mount.Mount) (*os.File, error) {
	fd, err := openRoot(m, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), "root"), nil
}

// openRoot returns m as a detached mount; a bind has the propagation, private for zero.
func openRoot(m mount.Mount, propagation uint64) (int, error) {
	if !m.IDMap.IsZero() && !m.Shifted {
		return openMapped(m, propagation)
	}
	return openUnmapped(m, propagation)
}

// openMapped is openRoot for a user namespace. The kernel maps the owners of a
// bind, and of what lies below an overlay, but no overlay (EINVAL).
func openMapped(m mount.Mount, propagation uint64) (fd int, err error) {
	ns, err := userNamespace(m.IDMap.UIDs, m.IDMap.GIDs)
	if err != nil {
		return -1, fmt.Errorf("sandbox: root filesystem: mapping its owners: %w", err)
	}
	defer unix.Close(ns)
	mapped := func(fd int) error {
		err := unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH,
			&unix.MountAttr{Attr_set: unix.MOUNT_ATTR_IDMAP, Userns_fd: uint64(ns)})
		if err != nil {
			return errdefs.Errorf(host.ErrKind(err),
				"sandbox: root filesystem: mapping its owners: %w; its filesystem may not be able to", err)
		}
		return nil
	}
	if m.Type == "bind" {
		if fd, err = openUnmapped(m, propagation); err != nil {
			return -1, err
		}
		if err := mapped(fd); err != nil {
			unix.Close(fd)
			return -1, err
		}
		return fd, nil
	}
	layers := make([]int, len(m.Lower))
	lowers := make([]string, len(m.Lower))
	for i, dir := range m.Lower {
		fd, err := unix.OpenTree(unix.AT_FDCWD, dir, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
		if err != nil {
			return -1, errdefs.Errorf(host.ErrKind(err), "sandbox: root filesystem: layer %s: %w", dir, err)
		}
		defer unix.Close(fd)
		if err := mapped(fd); err != nil {
			return -1, err
		}
		layers[i], lowers[i] = fd, fmt.Sprintf("/proc/self/fd/%d", fd)
	}
	attr := attributes(m)
	shown := m
	shown.Lower = lowers
	if fd, err = openOverlay(shown, attr); errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
		// Before Linux 6.15 no layer is taken from a mount that is attached nowhere.
		fd, err = attachedOverlay(m, attr, layers)
	}
	return overlaid(fd, err, m)
}

func attributes(m mount.Mount) uint64 {
	if m.ReadOnly {
		return unix.MOUNT_ATTR_RDONLY
	}
	return 0
}

func overlaid(fd int, err error, m mount.Mount) (int, error) {
	if err != nil {
		return -1, errdefs.Errorf(host.ErrKind(err), "sandbox: root filesystem: overlay of %d layers: %w",
			len(m.Lower), err)
	}
	return fd, nil
}

func openUnmapped(m mount.Mount, propagation uint64) (int, error) {
	attr := attributes(m)
	switch m.Type {
	case "bind":
		return openTree(m.Source, plan.File{Recursive: true, Attr: plan.MountAttr{
			Set:         attr,
			Propagation: cmp.Or(propagation, unix.MS_PRIVATE), PropagateAll: true,
		}}, "root filesystem")
	case "overlay":
		fd, err := openOverlay(m, attr)
		if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
			// Before Linux 6.7 there is no "lowerdir+".
			fd, err = classicOverlay(m, attr)
		}
		return overlaid(fd, err, m)
	}
	return -1, errdefs.Errorf(errdefs.ErrInvalid, "sandbox: root filesystem: mount type %q: want overlay or bind",
		m.Type)
}

func openOverlay(m mount.Mount, attr uint64) (int, error) {
	fs, err := unix.Fsopen("overlay", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, err
	}
	defer unix.Close(fs)
	var opened []*os.File
	defer func() { closeAll(opened) }()
	for _, d := range overlayDirs(m) {
		name := d.name
		if len(name) >= maxString {
			var f *os.File
			if name, f, err = shortName(name); err != nil {
				return -1, err
			}
			opened = append(opened, f)
		}
		if err := unix.FsconfigSetString(fs, d.key, name); err != nil {
			return -1, err
		}
	}
	return createMount(fs, m.Options, attr)
}

// maxString is how long a value the kernel takes from fsconfig.
const maxString = 256

type overlayDir struct{ key, name string }

func overlayDirs(m mount.Mount) []overlayDir {
	dirs := make([]overlayDir, 0, len(m.Lower)+2)
	for _, name := range m.Lower {
		dirs = append(dirs, overlayDir{"lowerdir+", name})
	}
	if m.Upper != "" {
		dirs = append(dirs, overlayDir{"upperdir", m.Upper}, overlayDir{"workdir", m.Work})
	}
	return dirs
}

// newMount returns a detached mount of a new filesystem instance.
func newMount(fstype string, options []string, attr uint64) (int, error) {
	fs, err := unix.Fsopen(fstype, unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, errdefs.Errorf(host.ErrKind(err), "sandbox: new %s: fsopen: %w", fstype, err)
	}
	defer unix.Close(fs)
	fd, err := createMount(fs, options, attr)
	if err != nil {
		return -1, errdefs.Errorf(host.ErrKind(err), "sandbox: new %s: %w", fstype, err)
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
	return attachedOverlay(m, attr, nil)
}

// attachedOverlay is classicOverlay of layers that the detached mounts show instead of their
// directories, over which they are laid where only its own thread sees them.
func attachedOverlay(m mount.Mount, attr uint64, layers []int) (int, error) {
	fd, err := -1, error(nil)
	mount.OnOwnThread(func() { fd, err = mountPrivately(m, layers) })
	if err != nil || attr == 0 {
		return fd, err
	}
	if err := unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH, &unix.MountAttr{Attr_set: attr}); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

func mountPrivately(m mount.Mount, layers []int) (int, error) {
	if err := unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_FS); err != nil {
		return -1, err
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return -1, err
	}
	for i, layer := range layers {
		if err := unix.MoveMount(layer, "", unix.AT_FDCWD, m.Lower[i], unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
			return -1, err
		}
	}
	// Directories are named by descriptors: the options of mount(2) must fit in
	// one page, which the paths of 128 layers do not, and a path may hold the
	// commas and colons that separate them.
	var lowers []string
	options := m.Options
	target := m.Lower[0]
	for _, d := range overlayDirs(m) {
		name, f, err := shortName(d.name)
		if err != nil {
			return -1, err
		}
		defer f.Close()
		if d.key == "lowerdir+" {
			lowers = append(lowers, name)
			continue
		}
		options = append(options[:len(options):len(options)], d.key+"="+name)
		target = m.Upper
	}
	options = append(options[:len(options):len(options)], "lowerdir="+strings.Join(lowers, ":"))
	if err := unix.Mount("overlay", target, "overlay", 0, strings.Join(options, ",")); err != nil {
		return -1, err
	}
	return unix.OpenTree(unix.AT_FDCWD, target, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
}

// shortName names a directory by a descriptor, which must stay open until the
// name has been used.
func shortName(dir string) (string, *os.File, error) {
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", nil, fmt.Errorf("layer %s: %w", dir, err)
	}
	return fmt.Sprintf("/proc/thread-self/fd/%d", fd), os.NewFile(uintptr(fd), dir), nil
}

func closeAll(list []*os.File) {
	for _, f := range list {
		f.Close()
	}
}
