package server

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"cove/content/fsstore"
	"cove/errdefs"
	"cove/registry/store"
)

// Fsck compares what a registry has stored with what it should be; see
// store.Fsck. With SQLite heal needs the registry to be stopped.
func Fsck(ctx context.Context, cfg Config, heal bool, found func(store.Finding)) (_ store.Checked, err error) {
	root, db, err := openExisting(ctx, &cfg)
	if err != nil {
		return store.Checked{}, err
	}
	s := &state{root: root, db: db}
	defer func() { err = errors.Join(err, s.close(false)) }()
	if heal && cfg.Database == "" {
		if err := s.claim(cfg.Root); err != nil {
			return store.Checked{}, errdefs.Errorf(errdefs.ErrUnavailable, "healing needs the registry to be stopped: %w", err)
		}
	}
	// A storage that is not mounted is not a storage that has lost everything.
	dir := filepath.Join(cfg.Root, "content")
	if _, err := os.Stat(filepath.Join(dir, "oci-layout")); err != nil {
		return store.Checked{}, errdefs.Errorf(errdefs.ErrNotFound, "no storage at %s: %w", dir, err)
	}
	if s.store, err = fsstore.Open(dir, fsstore.Options{}); err != nil {
		return store.Checked{}, err
	}
	if s.records, err = openRecords(cfg.Root); err != nil {
		return store.Checked{}, err
	}
	p, err := look(ctx, cfg.Root, s.db, s.store, s.records)
	if err != nil {
		return store.Checked{}, err
	}
	if _, err := p.check(); err != nil {
		return store.Checked{}, err
	}
	return store.Fsck(ctx, s.store, s.db, heal, found)
}
