package containers

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	"cove/engine/rootfs"
	"cove/engine/runspec"
	"cove/engine/uses"
	"cove/errdefs"
	"cove/runner/record"
	"cove/volume"
)

// mountsOf resolves what the user and the image's VOLUMEs ask for: host paths are
// made when they are missing, as docker does; volumes are made and filled
// with what the image has there. After an error, too, the volumes that were
// made are told.
func (cs *Containers) mountsOf(
	ctx context.Context, on base, o runspec.Options,
) ([]runspec.Bind, []record.Mounted, error) {
	if err := checkTargets(o); err != nil {
		return nil, nil, err
	}
	mounts, err := cs.mountsFrom(ctx, on, o.VolumesFrom)
	if err != nil {
		return nil, nil, err
	}
	asked := slices.Clone(o.Volumes)
	for _, v := range o.Volumes { // a mount of its own is nearer than another container's
		mounts = slices.DeleteFunc(mounts, func(m record.Mounted) bool { return m.Target == path.Clean(v.Target) })
	}
	for _, target := range slices.Sorted(maps.Keys(on.image.Config.Config.Volumes)) {
		if !slices.ContainsFunc(asked, func(v runspec.Volume) bool { return v.Target == target }) &&
			!slices.ContainsFunc(mounts, func(m record.Mounted) bool { return m.Target == target }) &&
			!slices.ContainsFunc(o.Tmpfs, func(t record.Tmpfs) bool { return t.Target == target }) {
			asked = append(asked, runspec.Volume{Target: target})
		}
	}
	for _, v := range asked {
		m, err := cs.mounted(ctx, on, v)
		if err != nil {
			return nil, mounts, err
		}
		mounts = append(mounts, m)
	}
	var binds []runspec.Bind
	for _, m := range mounts {
		binds = append(binds, runspec.Bind{
			Source: m.Source, Target: m.Target, ReadOnly: m.ReadOnly, Propagation: m.Propagation,
			NonRecursive: m.NonRecursive, WritableBelow: m.WritableBelow, MapOwners: m.MapOwners,
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

// mountsFrom are the mounts of other containers, NAME[:ro|rw] each. Their
// volumes stay theirs: what has no name goes with them.
func (cs *Containers) mountsFrom(ctx context.Context, on base, names []string) ([]record.Mounted, error) {
	var mounts []record.Mounted
	for _, from := range names {
		name, mode, _ := strings.Cut(from, ":")
		if !slices.Contains([]string{"", "ro", "rw", "z", "Z"}, mode) {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "volumes from %s: mode %q: want ro or rw", from, mode)
		}
		c, err := cs.Container(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("volumes from %s: %w", from, err)
		}
		for _, m := range c.Config().Mounts {
			if m.Type == record.MountVolume {
				if err := on.lease.Add(ctx, uses.VolumePrefix+m.Name); err != nil {
					return nil, err
				}
			}
			m.Anonymous = false
			m.ReadOnly = m.ReadOnly || mode == "ro"
			m.MapOwners = (m.MapOwners || m.Type == record.MountVolume) && !on.root.IDMap.IsZero()
			mounts = slices.DeleteFunc(mounts, func(old record.Mounted) bool { return old.Target == m.Target })
			mounts = append(mounts, m)
		}
	}
	return mounts, nil
}

func (cs *Containers) mounted(ctx context.Context, on base, v runspec.Volume) (record.Mounted, error) {
	m := record.Mounted{
		Target: v.Target, ReadOnly: v.ReadOnly, Propagation: v.Propagation, NoCopy: v.NoCopy,
		NonRecursive: v.NonRecursive, WritableBelow: v.WritableBelow, Mount: v.Mount, Subpath: v.Subpath,
		MapOwners: (v.MapOwners || v.Named() || v.Source == "") && !on.root.IDMap.IsZero(),
	}
	if v.MapOwners && !m.MapOwners {
		return m, errdefs.Errorf(errdefs.ErrInvalid,
			"mount at %s: there are no owners to map: the container has no user namespace of its own", v.Target)
	}
	if v.Source != "" && !v.Named() {
		m.Type, m.Source = record.MountBind, v.Source
		return m, hostPath(v)
	}
	var fill func(context.Context, string) error
	if !v.NoCopy && len(v.Options) == 0 && v.Subpath == "" {
		fill = func(ctx context.Context, dir string) error { return rootfs.CopyUp(ctx, on.root, v.Target, dir) }
	}
	if err := on.lease.Add(ctx, uses.VolumePrefix+v.Source); err != nil {
		return m, err
	}
	store := cs.parts.Volumes()
	wanted := volume.Wanted{Name: v.Source, Labels: v.Labels, Options: v.Options}
	made, err := store.Create(ctx, wanted, fill)
	if err != nil {
		return m, err
	}
	m.Type, m.Name, m.Source = record.MountVolume, made.Name, store.Path(made.Name)
	m.Anonymous = v.Source == ""
	return m, nil
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
