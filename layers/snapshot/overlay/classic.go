package overlay

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
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
	data := classicOptions(m, "")
	if len(data) <= maxOptions {
		return mountOverlay(dir, flags, data)
	}
	// Named from their common directory, the lower ones are short enough.
	abs, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	base := commonDir(append([]string{m.Upper, m.Work}, m.Lower...))
	data = classicOptions(m, base)
	if len(data) > maxOptions {
		return fmt.Errorf("overlay: %d layers are too many for this kernel's mount(2)", len(m.Lower))
	}
	return inDir(base, func() error { return mountOverlay(abs, flags, data) })
}

func mountOverlay(dir string, flags uintptr, data string) error {
	if err := unix.Mount("overlay", dir, "overlay", flags, data); err != nil {
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
		_ = Unmount(dir)
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

// inDir calls fn on a thread whose working directory is dir and whose own it
// is: the thread is not used again.
func inDir(dir string, fn func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		err := unix.Unshare(unix.CLONE_FS)
		if err == nil {
			err = unix.Chdir(dir)
		}
		if err == nil {
			err = fn()
		}
		done <- err
	}()
	return <-done
}
