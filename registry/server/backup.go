package server

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/opencontainers/go-digest"

	"cove/registry/backup"
	"cove/registry/fsck"
	"cove/registry/metadata"
	"cove/registry/server/config"
	"cove/registry/storage"
)

// Backup writes all that a registry is, whether or not it runs; see backup.Make.
func Backup(
	ctx context.Context, cfg config.Config, to backup.Target, damaged func(digest.Digest, error),
) (_ backup.Summary, err error) {
	s, err := openWhole(ctx, &cfg, "")
	if err != nil {
		return backup.Summary{}, err
	}
	defer func() { err = errors.Join(err, s.close(false)) }()
	return backup.Make(ctx, backup.Source{
		Root: s.root, DSN: cfg.DSN(), DB: s.db, Bytes: s.storage.Bytes, Spool: cfg.Root,
	}, to, damaged)
}

// Restore makes a registry out of a backup, where none is; see backup.Restore.
func Restore(
	ctx context.Context, cfg config.Config, from backup.Reader, found func(fsck.Finding),
) (done backup.Restored, err error) {
	if err := cfg.Complete(); err != nil {
		return done, err
	}
	if err := os.MkdirAll(cfg.Root, 0o755); err != nil {
		return done, fmt.Errorf("registry root: %w", err)
	}
	s := &state{}
	defer func() { err = errors.Join(err, s.close(false)) }()
	if s.root, err = os.OpenRoot(cfg.Root); err != nil {
		return done, fmt.Errorf("registry root: %w", err)
	}
	if cfg.Database == "" {
		if err := s.claim(cfg.Root); err != nil {
			return done, err
		}
	}
	place := func(m *metadata.DB) storage.Config { return cfg.StorageConfig(m) }
	return backup.Restore(ctx, backup.Destination{Root: s.root, DSN: cfg.DSN(), Storage: place}, from, found)
}
