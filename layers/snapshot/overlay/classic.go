package overlay

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"cove/layers/mount"
)

// maxOptions is what mount(2) takes: a page, with the final NUL.
const maxOptions = 4095

// classic mounts with mount(2), for kernels and filters without fsopen.
func classic(m mount.Mount, dir string) error {
	if m.Type == "bind" {
		return classicBind(m, dir)
	}
	var flags uintptr
	if m.ReadOnly {
		flags = unix.MS_RDONLY
	}
	base, data, err := classicData(m)
	if err != nil {
		return err
	}
	if base == "" {
		return mountOverlay(m, dir, flags, data)
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	return onThread(unix.CLONE_FS, func() error {
		if err := unix.Chdir(base); err != nil {
			return err
		}
		return mountOverlay(m, abs, flags, data)
	})
}

// detachedClassic is for kernels that can detach a mount but not make a whole
// overlay with fsconfig, which Linux 6.1 is: it mounts in a namespace that lives
// as long as this call and returns a copy. It is errors.ErrUnsupported where
// that cannot be done.
func detachedClassic(m mount.Mount) (int, error) {
	var flags uintptr
	if m.ReadOnly {
		flags = unix.MS_RDONLY
	}
	base, data, err := classicData(m)
	if err != nil {
		return -1, err
	}
	over, err := filepath.Abs(m.Lower[0]) // any directory; nobody else sees it covered
	if err != nil {
		return -1, err
	}
	fd := -1
	err = onThread(unix.CLONE_NEWNS|unix.CLONE_FS, func() error {
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			return fmt.Errorf("%w: a private mount namespace: %w", errors.ErrUnsupported, err)
		}
		if base != "" {
			if err := unix.Chdir(base); err != nil {
				return err
			}
		}
		err := mountOverlay(m, over, flags, data)
		if err == nil {
			fd, err = unix.OpenTree(unix.AT_FDCWD, over, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
			err = unsupported(os.NewSyscallError("open_tree", err))
		}
		return err
	})
	return fd, err
}

// classicData are the options for mount(2), relative to base unless that is empty.
func classicData(m mount.Mount) (base, data string, err error) {
	if data = classicOptions(m, ""); len(data) <= maxOptions {
		return "", data, nil
	}
	// Named from their common directory, the lower ones are short enough.
	base = commonDir(append([]string{m.Upper, m.Work}, m.Lower...))
	if data = classicOptions(m, base); len(data) > maxOptions {
		return "", "", fmt.Errorf("overlay: %d layers are too many for this kernel's mount(2)", len(m.Lower))
	}
	return base, data, nil
}

func mountOverlay(m mount.Mount, dir string, flags uintptr, data string) error {
	err := unix.Mount("overlay", dir, "overlay", flags, data)
	if errors.Is(err, unix.ENOENT) {
		// mount(2) does not say which of them.
		for _, d := range append([]string{dir, m.Upper, m.Work}, m.Lower...) {
			if _, serr := os.Stat(d); d != "" && serr != nil {
				return fmt.Errorf("mount overlay: %w", serr)
			}
		}
	}
	if err != nil {
		return &os.PathError{Op: "mount overlay", Path: dir, Err: err}
	}
	return nil
}

func classicBind(m mount.Mount, dir string) error {
	if err := unix.Mount(m.Source, dir, "", unix.MS_BIND, ""); err != nil {
		return &os.PathError{Op: "bind " + m.Source, Path: dir, Err: err}
	}
	if !m.ReadOnly {
		return nil
	}
	if err := unix.Mount("", dir, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		_ = unmount(dir)
		return &os.PathError{Op: "remount read-only", Path: dir, Err: err}
	}
	return nil
}

// classicOptions are m's options in one string, its directories relative to base.
func classicOptions(m mount.Mount, base string) string {
	rel := func(dir string) string {
		dir = strings.TrimPrefix(dir, base)
		if base != "" {
			dir = strings.TrimPrefix(dir, "/")
		}
		return strings.NewReplacer(`\`, `\\`, ":", `\:`, ",", `\,`).Replace(dir)
	}
	opts := append([]string(nil), m.Options...)
	lower := make([]string, len(m.Lower))
	for i, dir := range m.Lower {
		lower[i] = rel(dir)
	}
	opts = append(opts, "lowerdir="+strings.Join(lower, ":"))
	if m.Upper != "" {
		opts = append(opts, "upperdir="+rel(m.Upper), "workdir="+rel(m.Work))
	}
	return strings.Join(opts, ",")
}

// commonDir is the deepest directory that all non-empty paths are below.
func commonDir(paths []string) string {
	common := ""
	for _, p := range paths {
		switch {
		case p == "":
		case common == "":
			common = filepath.Dir(p)
		default:
			for common != "/" && !strings.HasPrefix(p, common+"/") {
				common = filepath.Dir(common)
			}
		}
	}
	return common
}

// onThread calls fn on a thread that shares with no other what flags say, as
// unshare(2) names it, and that is not used again.
func onThread(flags int, fn func() error) (err error) {
	mount.OnOwnThread(func() {
		if err = unix.Unshare(flags); err != nil {
			err = fmt.Errorf("%w: unshare: %w", errors.ErrUnsupported, err)
			return
		}
		err = fn()
	})
	return err
}
