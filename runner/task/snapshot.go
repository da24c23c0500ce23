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

// RemoveVolumes drops the volumes of a removed container that nobody named and
// no other container has.
func RemoveVolumes(root string, cfg record.Config) error {
	if len(cfg.Volumes) == 0 {
		return nil
	}
	used, err := record.VolumesInUse(root)
	if err != nil {
		return err
	}
	return volume.Open(root).RemoveAnonymous(slices.DeleteFunc(slices.Clone(cfg.Volumes), func(v string) bool { return used[v] }))
}
