package server

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"cove/content/fsstore"
	"cove/errdefs"
	"cove/registry/fsck"
	"cove/registry/pairing"
)

// Fsck compares what a registry has stored with what it should be; see
// fsck.Run. With SQLite heal needs the registry to be stopped.
func Fsck(ctx context.Context, cfg Config, heal bool, found func(fsck.Finding)) (_ fsck.Checked, err error) {
	root, db, err := openExisting(ctx, &cfg)
	if err != nil {
		return fsck.Checked{}, err
	}
	s := &state{root: root, db: db}
	defer func() { err = errors.Join(err, s.close(false)) }()
	if heal && cfg.Database == "" {
		if err := s.claim(cfg.Root); err != nil {
			return fsck.Checked{}, errdefs.Errorf(errdefs.ErrUnavailable,
				"healing needs the registry to be stopped: %w", err)
		}
	}
	// A storage that is not mounted is not a storage that has lost everything.
	dir := filepath.Join(cfg.Root, "content")
	if _, err := os.Stat(filepath.Join(dir, "oci-layout")); err != nil {
		return fsck.Checked{}, errdefs.Errorf(errdefs.ErrNotFound, "no storage at %s: %w", dir, err)
	}
	if s.store, err = fsstore.Open(dir, fsstore.Options{}); err != nil {
		return fsck.Checked{}, err
	}
	if s.records, err = pairing.OpenRecords(cfg.Root); err != nil {
		return fsck.Checked{}, err
	}
	p, err := pairing.Look(ctx, cfg.Root, s.db, s.store, s.records)
	if err != nil {
		return fsck.Checked{}, err
	}
	if _, err := p.Check(); err != nil {
		return fsck.Checked{}, err
	}
	return fsck.Run(ctx, s.store, s.db, heal, found)
}
