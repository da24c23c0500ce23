package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/engine/rootfs"
	"cove/engine/runspec"
	"cove/layers/mount"
)

// mountsOf resolves what -v and the image's VOLUMEs ask for: host paths are
// made when they are missing, as docker does; volumes are made and filled
// with what the image has there. hold keeps them from being removed until the
// container that has them is recorded. After an error, too, the volumes that were
// made are told.
func (e *Engine) mountsOf(ctx context.Context, root mount.Mount, hold content.Lease, img ocispec.ImageConfig, o runspec.Options) ([]runspec.Bind, []runspec.Mounted, error) {
	asked := slices.Clone(o.Volumes)
	for _, target := range slices.Sorted(maps.Keys(img.Volumes)) {
		if !slices.ContainsFunc(asked, func(v runspec.Volume) bool { return v.Target == target }) &&
			!slices.ContainsFunc(o.Tmpfs, func(t runspec.Tmpfs) bool { return t.Target == target }) {
			asked = append(asked, runspec.Volume{Target: target})
		}
	}
	var binds []runspec.Bind
	var records []runspec.Mounted
	for _, v := range asked {
		rec, err := e.mounted(ctx, root, hold, v)
		if err != nil {
			return nil, records, err
		}
		records = append(records, rec)
		binds = append(binds, runspec.Bind{Source: rec.Source, Target: v.Target, ReadOnly: v.ReadOnly, Propagation: v.Propagation})
	}
	return binds, records, nil
}

func (e *Engine) mounted(ctx context.Context, root mount.Mount, hold content.Lease, v runspec.Volume) (runspec.Mounted, error) {
	if v.Source != "" && !v.Named() {
		if _, err := os.Stat(v.Source); errors.Is(err, fs.ErrNotExist) {
			if err := os.MkdirAll(v.Source, 0o755); err != nil {
				return runspec.Mounted{}, fmt.Errorf("volume %s: %w", v.Source, err)
			}
		}
		return runspec.Mounted{Type: "bind", Source: v.Source, Asked: v}, nil
	}
	var fill func(context.Context, string) error
	if !v.NoCopy {
		fill = func(ctx context.Context, dir string) error { return rootfs.CopyUp(ctx, root, v.Target, dir) }
	}
	if err := hold.Add(ctx, volumePrefix+v.Source); err != nil {
		return runspec.Mounted{}, err
	}
	store := e.volumes()
	made, err := store.Create(ctx, v.Source, nil, fill)
	if err != nil {
		return runspec.Mounted{}, err
	}
	return runspec.Mounted{Type: "volume", Name: made.Name, Source: store.Path(made.Name), Asked: v, Anonymous: v.Source == ""}, nil
}
