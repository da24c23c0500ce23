package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"

	"cove/engine/runspec"
	"cove/layers/archive"
	"cove/layers/mount"
	"cove/layers/snapshot/overlay"
	"cove/runner/volume"
)

// volumes resolves what -v and the image's VOLUMEs ask for: host paths are
// made when they are missing, as docker does; volumes are made and filled
// with what the image has there.
func (e *Engine) volumes(ctx context.Context, root mount.Mount, img ocispec.ImageConfig, o runspec.Options) ([]runspec.Bind, []mountRecord, error) {
	asked := slices.Clone(o.Volumes)
	for _, target := range slices.Sorted(maps.Keys(img.Volumes)) {
		if !slices.ContainsFunc(asked, func(v runspec.Volume) bool { return v.Target == target }) &&
			!slices.ContainsFunc(o.Tmpfs, func(t runspec.Tmpfs) bool { return t.Target == target }) {
			asked = append(asked, runspec.Volume{Target: target})
		}
	}
	var binds []runspec.Bind
	var records []mountRecord
	for _, v := range asked {
		rec, err := e.volume(ctx, root, v)
		if err != nil {
			return nil, nil, err
		}
		records = append(records, rec)
		binds = append(binds, runspec.Bind{Source: rec.Source, Target: v.Target, ReadOnly: v.ReadOnly, Propagation: v.Propagation})
	}
	return binds, records, nil
}

func (e *Engine) volume(ctx context.Context, root mount.Mount, v runspec.Volume) (mountRecord, error) {
	if v.Source != "" && !v.Named() {
		if _, err := os.Stat(v.Source); errors.Is(err, fs.ErrNotExist) {
			if err := os.MkdirAll(v.Source, 0o755); err != nil {
				return mountRecord{}, fmt.Errorf("-v %s: %w", v.Source, err)
			}
		}
		return mountRecord{Type: "bind", Source: v.Source, Asked: v}, nil
	}
	var fill func(context.Context, string) error
	if !v.NoCopy {
		fill = func(ctx context.Context, dir string) error { return copyUp(ctx, root, v.Target, dir) }
	}
	store := volume.Open(e.cfg.Root)
	made, err := store.Create(ctx, v.Source, nil, fill)
	if err != nil {
		return mountRecord{}, err
	}
	return mountRecord{Type: "volume", Name: made.Name, Source: store.Path(made.Name), Asked: v, Anonymous: made.Anonymous}, nil
}

// copyUp fills the directory of a new volume with what the image has at
// target: the files, and the owner and mode of the directory itself.
func copyUp(ctx context.Context, root mount.Mount, target, dir string) error {
	return overlay.With(ctx, root, func(rootfs string) error {
		base, err := unix.Open(rootfs, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("opening the image's root: %w", err)
		}
		defer unix.Close(base)
		fd, err := unix.Openat2(base, target, &unix.OpenHow{
			Flags:   unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC,
			Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
		})
		if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
			return nil // the image has no such directory
		}
		if err != nil {
			return fmt.Errorf("opening %s of the image: %w", target, err)
		}
		src := os.NewFile(uintptr(fd), target)
		defer src.Close()
		if err := sameOwner(src, dir); err != nil {
			return err
		}
		return copyTree(ctx, src, dir)
	})
}

func sameOwner(src *os.File, dir string) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(src.Fd()), &st); err != nil {
		return err
	}
	return errors.Join(os.Lchown(dir, int(st.Uid), int(st.Gid)), unix.Chmod(dir, st.Mode&0o7777))
}

// copyTree streams a tree through tar, which keeps owners, links, devices and
// attributes.
func copyTree(ctx context.Context, src *os.File, dir string) error {
	r, w := io.Pipe()
	go func() {
		w.CloseWithError(archive.Pack(ctx, w, fmt.Sprintf("/proc/self/fd/%d", src.Fd()), archive.PackOptions{}))
	}()
	err := archive.Extract(ctx, dir, r, archive.Options{})
	r.CloseWithError(err) // ends the packer too
	return err
}

func volumeNames(mounts []mountRecord) []string {
	var names []string
	for _, m := range mounts {
		if m.Name != "" {
			names = append(names, m.Name)
		}
	}
	return names
}

// removeVolumes deletes the anonymous volumes of a container that is gone.
func (e *Engine) removeVolumes(mounts []mountRecord) error {
	return volume.Open(e.cfg.Root).RemoveAnonymous(volumeNames(mounts))
}
