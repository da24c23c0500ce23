package server

import (
	"context"
	"errors"

	"cove/errdefs"
	"cove/registry/fsck"
	"cove/registry/pairing"
	"cove/registry/storage"
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
	if s.storage, err = storage.OpenExisting(ctx, cfg.storage(db)); err != nil {
		return fsck.Checked{}, err
	}
	p, err := pairing.Look(ctx, cfg.Root, s.db, s.storage)
	if err != nil {
		return fsck.Checked{}, err
	}
	if _, err := p.Check(); err != nil {
		return fsck.Checked{}, err
	}
	return fsck.Run(ctx, s.storage.Bytes, s.db, heal, found)
}
