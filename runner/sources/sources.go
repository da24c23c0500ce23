// Package sources has what containers mount of volumes: the filesystem that a volume's
// options name, mounted at its path while a container has it, and a directory below a
// volume, opened so that no link in it leads out.
package sources

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/internal/filelock"
	"cove/internal/inroot"
	"cove/runner/record"
	"cove/sandbox/files"
	"cove/volume"
)

// patience is how long another process may take with the mounts of volumes.
const patience = 30 * time.Second

// Taken is what a container mounts, until it is mounted.
type Taken struct {
	// Stacks are the mounts of several directories, by the sources that the spec has
	// for them now.
	Stacks map[string]files.Stack
	opened []*os.File
}

// Close closes what was opened.
func (t *Taken) Close() {
	for _, f := range t.opened {
		f.Close()
	}
}

// Take mounts what the volumes of a container are made of, and has its spec mount
// sub-paths by descriptors, and stacks by name.
func Take(ctx context.Context, dir record.Dir, cfg record.Config) (*Taken, error) {
	t := &Taken{}
	for n, m := range cfg.Mounts {
		if err := t.take(ctx, dir, cfg, n); err != nil {
			t.Close()
			return nil, errdefs.Errorf(errdefs.KindOf(err), "mount at %s: %w", m.Target, err)
		}
	}
	return t, nil
}

func (t *Taken) take(ctx context.Context, dir record.Dir, cfg record.Config, n int) error {
	m := cfg.Mounts[n]
	at := slices.IndexFunc(cfg.Spec.Mounts, func(s specs.Mount) bool { return s.Destination == m.Target })
	if m.Type == record.MountVolume {
		if err := mountVolume(ctx, dir.Root(), m.Name); err != nil {
			return err
		}
	}
	switch {
	case at < 0:
	case m.Stack != nil:
		return t.stack(dir, &cfg.Spec.Mounts[at], m, n)
	case m.Type == record.MountVolume && m.Subpath != "":
		f, err := below(m)
		if err != nil {
			return err
		}
		t.opened = append(t.opened, f)
		cfg.Spec.Mounts[at].Source = "/proc/self/fd/" + strconv.Itoa(int(f.Fd()))
	}
	return nil
}

// below opens a sub-path of a volume. What containers put there may be links: one that
// leads out of the volume is refused (CVE-2023-5528 is of that class), as is an absolute
// one, which means another place to everyone who reads it.
func below(m record.Mounted) (*os.File, error) {
	dir, err := unix.Open(m.Source, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("volume %s: %w", m.Name, err)
	}
	defer unix.Close(dir)
	fd, err := inroot.Open(dir, m.Subpath, unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_MAGICLINKS,
	})
	switch {
	case err == nil:
	case errors.Is(err, unix.ENOENT):
		return nil, errdefs.Errorf(errdefs.ErrNotFound,
			"volume %s: cannot access path %s: there is no such file or directory in it, which is to be mounted at %s",
			m.Name, m.Subpath, m.Target)
	case errors.Is(err, unix.EXDEV):
		return nil, errdefs.Errorf(errdefs.ErrInvalid,
			"volume %s: path concatenation escapes the base directory: a link in %s leads out of it, or is absolute; "+
				"name the path that it is to mean", m.Name, m.Subpath)
	default:
		return nil, fmt.Errorf("volume %s: %s: %w", m.Name, m.Subpath, err)
	}
	return os.NewFile(uintptr(fd), m.Subpath), nil
}

// locked calls do while no other process mounts or unmounts volumes of the root.
func locked(ctx context.Context, root string, do func() error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return filelock.With(ctx, filepath.Join(root, "volumes", ".lock"), do)
}

func mountVolume(ctx context.Context, root, name string) error {
	store := volume.Open(root)
	v, err := store.Get(name)
	if err != nil || len(v.Options) == 0 {
		return err
	}
	return locked(ctx, root, func() error {
		path := store.Path(name)
		if Mounted(path) {
			return nil
		}
		if err := mountAt(ctx, path, v.Options); err != nil {
			return errdefs.Errorf(errdefs.ErrInvalid, "volume %s: mounting %s %s: %w", name,
				v.Options[volume.OptionType], v.Options[volume.OptionDevice], err)
		}
		return nil
	})
}

// Mounted reports whether something is mounted at the path of a volume.
func Mounted(path string) bool {
	var st unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW, 0, &st)
	return err == nil && st.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0
}

// Release unmounts the volumes of a container that has ended, unless another that
// lives has them too.
func Release(ctx context.Context, root string, cfg record.Config) error {
	store := volume.Open(root)
	errs := []error{dropOverlays(record.Of(root, cfg.ID), cfg)}
	for _, name := range record.Volumes(cfg.Mounts) {
		path := store.Path(name)
		if !Mounted(path) {
			continue
		}
		errs = append(errs, locked(ctx, root, func() error {
			used, err := record.VolumesOfTheLiving(root, cfg.ID)
			if errors.Is(err, errdefs.ErrCorrupt) {
				return nil // one that cannot be read may have it
			}
			if err != nil || used[name] {
				return err
			}
			return Unmount(path)
		}))
	}
	return errors.Join(errs...)
}

// Unmount takes away what is mounted at the path of a volume. What somebody else still
// uses stays until they have done.
func Unmount(path string) error {
	err := unix.Unmount(path, unix.UMOUNT_NOFOLLOW)
	if errors.Is(err, unix.EBUSY) {
		err = unix.Unmount(path, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
	}
	if err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("unmounting %s: %w", path, err)
	}
	return nil
}

// flags are those of mount(8)'s options that are no filesystem's.
var flags = map[string]struct{ set, clear uintptr }{
	"bind": {unix.MS_BIND, 0}, "rbind": {unix.MS_BIND | unix.MS_REC, 0}, "defaults": {},
	"ro": {unix.MS_RDONLY, 0}, "rw": {0, unix.MS_RDONLY},
	"nosuid": {unix.MS_NOSUID, 0}, "suid": {0, unix.MS_NOSUID},
	"nodev": {unix.MS_NODEV, 0}, "dev": {0, unix.MS_NODEV},
	"noexec": {unix.MS_NOEXEC, 0}, "exec": {0, unix.MS_NOEXEC},
	"sync": {unix.MS_SYNCHRONOUS, 0}, "async": {0, unix.MS_SYNCHRONOUS}, "dirsync": {unix.MS_DIRSYNC, 0},
	"noatime": {unix.MS_NOATIME, 0}, "nodiratime": {unix.MS_NODIRATIME, 0},
	"relatime": {unix.MS_RELATIME, 0}, "strictatime": {unix.MS_STRICTATIME, 0},
}

func mountAt(ctx context.Context, path string, options map[string]string) error {
	var set uintptr
	var data []string
	kind := options[volume.OptionType]
	for _, o := range strings.Split(options[volume.OptionMount], ",") {
		if f, ok := flags[o]; ok {
			set = set&^f.clear | f.set
		} else if o != "" {
			resolved, err := address(ctx, kind, o)
			if err != nil {
				return err
			}
			data = append(data, resolved)
		}
	}
	if set&unix.MS_BIND != 0 {
		kind = ""
	}
	err := unix.Mount(options[volume.OptionDevice], path, kind, set, strings.Join(data, ","))
	if err == nil && set&unix.MS_BIND != 0 && set&^(unix.MS_BIND|unix.MS_REC) != 0 { // a bind takes no others at first
		err = unix.Mount("", path, "", set|unix.MS_REMOUNT, "")
	}
	if err == nil {
		err = unix.Mount("", path, "", unix.MS_PRIVATE|unix.MS_REC, "")
	}
	return err
}

// address replaces the host name of addr= by an address, which is all that the kernel
// takes for a server of files.
func address(ctx context.Context, kind, option string) (string, error) {
	name, ok := strings.CutPrefix(option, "addr=")
	if !ok || !slices.Contains([]string{"nfs", "nfs4", "cifs"}, kind) || net.ParseIP(name) != nil {
		return option, nil
	}
	found, err := net.DefaultResolver.LookupIPAddr(ctx, name)
	if err != nil {
		return "", err
	}
	return "addr=" + found[0].IP.String(), nil
}
