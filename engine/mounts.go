package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"

	"cove/engine/rootfs"
	"cove/engine/runspec"
	"cove/runner/record"
)

// mountsOf resolves what -v and the image's VOLUMEs ask for: host paths are
// made when they are missing, as docker does; volumes are made and filled
// with what the image has there. After an error, too, the volumes that were
// made are told.
func (e *Engine) mountsOf(ctx context.Context, on base, o runspec.Options) ([]runspec.Bind, []record.Mounted, error) {
	asked := slices.Clone(o.Volumes)
	for _, target := range slices.Sorted(maps.Keys(on.image.Config.Config.Volumes)) {
		if !slices.ContainsFunc(asked, func(v runspec.Volume) bool { return v.Target == target }) &&
			!slices.ContainsFunc(o.Tmpfs, func(t record.Tmpfs) bool { return t.Target == target }) {
			asked = append(asked, runspec.Volume{Target: target})
		}
	}
	var binds []runspec.Bind
	var mounts []record.Mounted
	for _, v := range asked {
		m, err := e.mounted(ctx, on, v)
		if err != nil {
			return nil, mounts, err
		}
		mounts = append(mounts, m)
		binds = append(binds, runspec.Bind{
			Source: m.Source, Target: m.Target, ReadOnly: m.ReadOnly,
			Propagation: m.Propagation,
		})
	}
	return binds, mounts, nil
}

func (e *Engine) mounted(ctx context.Context, on base, v runspec.Volume) (record.Mounted, error) {
	m := record.Mounted{Target: v.Target, ReadOnly: v.ReadOnly, Propagation: v.Propagation, NoCopy: v.NoCopy}
	if v.Source != "" && !v.Named() {
		if _, err := os.Stat(v.Source); errors.Is(err, fs.ErrNotExist) {
			if err := os.MkdirAll(v.Source, 0o755); err != nil {
				return m, fmt.Errorf("volume %s: %w", v.Source, err)
			}
		}
		m.Type, m.Source = record.MountBind, v.Source
		return m, nil
	}
	var fill func(context.Context, string) error
	if !v.NoCopy {
		fill = func(ctx context.Context, dir string) error { return rootfs.CopyUp(ctx, on.root, v.Target, dir) }
	}
	if err := on.lease.Add(ctx, volumePrefix+v.Source); err != nil {
		return m, err
	}
	store := e.volumes()
	made, err := store.Create(ctx, v.Source, nil, fill)
	if err != nil {
		return m, err
	}
	m.Type, m.Name, m.Source = record.MountVolume, made.Name, store.Path(made.Name)
	m.Anonymous = v.Source == ""
	return m, nil
}
