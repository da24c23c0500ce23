package task

import (
	"context"
	"errors"
	"path/filepath"
	"slices"

	"cove/errdefs"
	"cove/layers/snapshot/native"
	"cove/layers/snapshot/overlay"
	"cove/runner/record"
	"cove/volume"
)

// RemoveSnapshot drops the snapshot of a container of a local root; one that is
// gone is no error.
func RemoveSnapshot(ctx context.Context, root string, cfg record.Config) error {
	if cfg.SnapshotKey == "" {
		return nil
	}
	var store interface {
		Remove(ctx context.Context, key string) error
	}
	var err error
	if dir := filepath.Join(root, "snapshots"); cfg.Root.Type == "overlay" {
		store, err = overlay.New(dir)
	} else {
		store, err = native.New(dir)
	}
	if err == nil {
		err = store.Remove(ctx, cfg.SnapshotKey)
	}
	if errors.Is(err, errdefs.ErrNotFound) {
		return nil
	}
	return err
}

// Discard removes an AutoRemove container that has ended: its anonymous volumes
// that no other container has, its snapshot, and last its record, which
// until then tells whoever comes after a kill that there is something to do.
func Discard(ctx context.Context, dir record.Dir, cfg record.Config) error {
	if anonymous := record.Anonymous(cfg.Mounts); len(anonymous) > 0 {
		used, err := record.VolumesInUse(dir.Root(), cfg.ID)
		unknown := errors.Is(err, errdefs.ErrCorrupt) // they stay for a prune to find
		if err != nil && !unknown {
			return err
		}
		own := slices.DeleteFunc(anonymous, func(v string) bool { return unknown || used[v] })
		if err := volume.Open(dir.Root()).RemoveAnonymous(own); err != nil {
			return err
		}
	}
	if err := RemoveSnapshot(ctx, dir.Root(), cfg); err != nil {
		return err
	}
	return dir.Remove()
}
