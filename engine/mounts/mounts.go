// Package mounts resolves what a container is to mount: volumes, paths of the host, images,
// and what other containers have.
package mounts

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"cove/content"
	"cove/distribution/progress"
	"cove/engine/parts"
	"cove/engine/rootfs"
	"cove/engine/runspec"
	"cove/engine/uses"
	"cove/errdefs"
	"cove/images/gc"
	"cove/images/image"
	"cove/layers/mount"
	"cove/runner/record"
	"cove/volume"
)

// Container is what mounts are resolved for.
type Container struct {
	Parts *parts.Parts
	// Root is its root filesystem, Volumes the VOLUMEs of its image.
	Root    mount.Mount
	Volumes map[string]struct{}
	// Lease keeps what is mounted from being removed until the container is recorded.
	Lease content.Lease
	// Image finds an image by name, which the lease keeps; Other another container.
	Image func(ctx context.Context, name string) (image.Image, error)
	Other func(ctx context.Context, name string) (record.Config, error)
	// Progress is told of layers that are unpacked.
	Progress progress.Func
}

// Resolve finds and makes what the options, and the image's VOLUMEs, ask for: host paths
// are made when they are missing, as docker does; volumes are made and filled with what
// the image has there. After an error, too, the volumes that were made are told.
func (c Container) Resolve(ctx context.Context, o runspec.Options) ([]runspec.Bind, []record.Mounted, error) {
	o.Volumes = slices.DeleteFunc(slices.Clone(o.Volumes), func(v runspec.Volume) bool {
		return v.Source == "" && slices.ContainsFunc(o.Tmpfs, func(t record.Tmpfs) bool {
			return path.Clean(t.Target) == path.Clean(v.Target) // which is in the place of what nobody named
		})
	})
	if err := errors.Join(checkTargets(o), checkPropagations(o.Volumes)); err != nil {
		return nil, nil, err
	}
	mounts, err := c.from(ctx, o.VolumesFrom)
	if err != nil {
		return nil, nil, err
	}
	var asked []runspec.Volume
	for _, v := range o.Volumes {
		at := func(m record.Mounted) bool { return m.Target == path.Clean(v.Target) }
		if v.Source == "" && !v.Mount && slices.ContainsFunc(mounts, at) {
			continue // a volume was asked for there, and another container's is one
		}
		mounts = slices.DeleteFunc(mounts, at) // a mount of its own is nearer
		asked = append(asked, v)
	}
	for _, target := range slices.Sorted(maps.Keys(c.Volumes)) {
		if !slices.ContainsFunc(asked, func(v runspec.Volume) bool { return v.Target == target }) &&
			!slices.ContainsFunc(mounts, func(m record.Mounted) bool { return m.Target == target }) &&
			!slices.ContainsFunc(o.Tmpfs, func(t record.Tmpfs) bool { return t.Target == target }) {
			asked = append(asked, runspec.Volume{Target: target})
		}
	}
	for _, v := range asked {
		m, err := c.mounted(ctx, v)
		if m.Type != "" {
			mounts = append(mounts, m)
		}
		if err != nil {
			return nil, mounts, err
		}
	}
	var binds []runspec.Bind
	for _, m := range mounts {
		binds = append(binds, runspec.Bind{
			Source: m.Source, Target: m.Target, ReadOnly: m.ReadOnly, Propagation: m.Propagation,
			NonRecursive: m.NonRecursive, WritableBelow: m.WritableBelow, MapOwners: m.MapOwners,
			Owners: m.Owners, Stack: m.Stack,
		})
	}
	return binds, mounts, nil
}

// checkTargets refuses two mounts at one place: which of them is seen would be
// chance.
func checkTargets(o runspec.Options) error {
	var targets []string
	for _, v := range o.Volumes {
		targets = append(targets, path.Clean(v.Target))
	}
	for _, t := range o.Tmpfs {
		targets = append(targets, path.Clean(t.Target))
	}
	slices.Sort(targets)
	for i := 1; i < len(targets); i++ {
		if targets[i] == targets[i-1] {
			return errdefs.Errorf(errdefs.ErrInvalid, "Duplicate mount point: %s", targets[i])
		}
	}
	return nil
}

// from are the mounts of other containers, NAME[:ro|rw] each. Volumes
// without a name go with the last container that has them.
func (c Container) from(ctx context.Context, names []string) ([]record.Mounted, error) {
	var mounts []record.Mounted
	for _, from := range names {
		name, mode, _ := strings.Cut(from, ":")
		if !slices.Contains([]string{"", "ro", "rw", "z", "Z"}, mode) {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "volumes from %s: invalid mode: %s", from, mode)
		}
		other, err := c.Other(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("volumes from %s: %w", from, err)
		}
		for _, m := range other.Mounts {
			if err := c.keep(ctx, m); err != nil {
				return nil, err
			}
			if m.Stack != nil { // its owners are mapped for the namespace of this one
				own := *m.Stack
				own.IDMap, m.Stack = c.Root.IDMap, &own
			}
			m.From = true
			m.ReadOnly = m.ReadOnly || mode == "ro"
			m.Mode = cmp.Or(mode, m.Mode)
			m.MapOwners = (m.MapOwners || m.Type == record.MountVolume) && !c.Root.IDMap.IsZero() && !c.Root.Shifted
			mounts = slices.DeleteFunc(mounts, func(old record.Mounted) bool { return old.Target == m.Target })
			mounts = append(mounts, m)
		}
	}
	return mounts, nil
}

// keep adds what another container mounts to what is kept for this one.
func (c Container) keep(ctx context.Context, m record.Mounted) error {
	switch m.Type {
	case record.MountVolume:
		return c.Lease.Add(ctx, uses.VolumePrefix+m.Name)
	case record.MountImage:
		return c.Lease.Add(ctx, uses.ImagePrefix+m.ImageID, gc.SnapshotPrefix+m.Snapshot)
	}
	return nil
}

// mounted resolves one mount. A volume that was made for it is told after an error, too.
func (c Container) mounted(ctx context.Context, v runspec.Volume) (m record.Mounted, err error) {
	m = record.Mounted{
		Target: v.Target, ReadOnly: v.ReadOnly, Propagation: v.Propagation, Mode: v.Mode, NoCopy: v.NoCopy,
		NonRecursive: v.NonRecursive, WritableBelow: v.WritableBelow, Mount: v.Mount, Subpath: v.Subpath,
		MapOwners: (v.MapOwners || v.Named() || v.Source == "") && !c.Root.IDMap.IsZero() && !c.Root.Shifted,
	}
	switch {
	case v.MapOwners && c.Root.Shifted:
		return m, errdefs.Suggest(errdefs.Errorf(errdefs.ErrUnsupported,
			"mount at %s: without root no owners can be mapped", v.Target), errdefs.KeepUsers, "")
	case v.MapOwners && !m.MapOwners:
		return m, errdefs.Errorf(errdefs.ErrInvalid,
			"mount at %s: there are no owners to map: the container has no user namespace of its own", v.Target)
	case v.Image:
		err = c.mountImage(ctx, &m, v)
	case v.Source != "" && !v.Named():
		m.Type, m.Source = record.MountBind, v.Source
		err = hostPath(v)
	default:
		err = c.mountVolume(ctx, &m, v)
	}
	if err == nil && !v.Owners.IsZero() {
		m.MapOwners = false
		m.Owners, err = owners(v, m.Source, c.Root.IDMap)
	}
	if err == nil && v.Overlay {
		err = writtenElsewhere(&m, v, c.Root.IDMap)
	}
	return m, err
}

func (c Container) mountVolume(ctx context.Context, m *record.Mounted, v runspec.Volume) error {
	var fill func(context.Context, string) error
	switch copies := !v.NoCopy && len(v.Options) == 0 && v.Subpath == ""; {
	case c.Root.Shifted && len(v.Options) == 0:
		fill = func(ctx context.Context, dir string) (err error) {
			if copies {
				err = rootfs.CopyUp(ctx, c.Root, v.Target, dir)
			}
			return errors.Join(err, owned(dir, c.Root.IDMap))
		}
	case copies:
		fill = func(ctx context.Context, dir string) error { return rootfs.CopyUp(ctx, c.Root, v.Target, dir) }
	}
	if err := c.Lease.Add(ctx, uses.VolumePrefix+v.Source); err != nil {
		return err
	}
	store := c.Parts.Volumes()
	wanted := volume.Wanted{Name: v.Source, Labels: v.Labels, Options: v.Options}
	made, err := store.Create(ctx, wanted, fill)
	if err != nil {
		return err
	}
	m.Type, m.Name, m.Source = record.MountVolume, made.Name, store.Path(made.Name)
	m.Anonymous = v.Source == ""
	return nil
}

// owned gives a new volume that belongs to nobody of a user namespace to its root.
func owned(dir string, ids mount.IDMap) error {
	var st unix.Stat_t
	if err := unix.Lstat(dir, &st); err != nil {
		return err
	}
	if ids.Has(st.Uid, st.Gid) {
		return nil
	}
	uid, gid, _ := ids.Outside(0, 0)
	return os.Lchown(dir, int(uid), int(gid))
}

// hostPath makes a directory of the host that is not there, as docker does for
// what was not asked for in keys and values.
func hostPath(v runspec.Volume) error {
	_, err := os.Stat(v.Source)
	switch {
	case err == nil:
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("volume %s: %w", v.Source, err)
	case v.Mount:
		return errdefs.Errorf(errdefs.ErrInvalid,
			"invalid mount config for type \"bind\": bind source path does not exist: %s", v.Source)
	}
	if err := os.MkdirAll(v.Source, 0o755); err != nil {
		return fmt.Errorf("volume %s: %w", v.Source, err)
	}
	return nil
}
