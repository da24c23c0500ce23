package server

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"cove/content/fsstore"
	"cove/errdefs"
	"cove/registry/metadata"
	"cove/registry/pairing"
	"cove/registry/store"
)

// pair opens the records and sees to it that database and content belong
// together. With BeginAnew it makes them do so.
func (s *state) pair(ctx context.Context, cfg Config) (err error) {
	if s.records, err = pairing.OpenRecords(cfg.Root); err != nil {
		return err
	}
	p, err := pairing.Look(ctx, cfg.Root, s.db, s.store, s.records)
	if err != nil {
		return err
	}
	adopting, refusal := p.Check()
	switch {
	case refusal != nil && !cfg.BeginAnew:
		return refusal
	case refusal != nil && !p.Familiar():
		if err := s.setAside(cfg.Root); err != nil {
			return err
		}
		adopting, p = true, p.WithoutContent()
	case refusal != nil:
		adopting = true
	}
	if adopting {
		err = p.Adopt(ctx, s.db, s.records)
	}
	s.db.OnCommit(s.records.Raise)
	return err
}

// setAside moves the content out of the way and opens an empty one.
func (s *state) setAside(root string) error {
	err := errors.Join(s.records.Close(), s.store.Close())
	s.records, s.store = nil, nil
	if err != nil {
		return err
	}
	aside := "content" + time.Now().UTC().Format(asideFormat)
	if err := s.root.Rename("content", aside); err != nil {
		return fmt.Errorf("setting the content aside: %w", err)
	}
	if err := s.root.Mkdir("content", 0o700); err != nil {
		return err
	}
	if s.store, err = fsstore.Open(filepath.Join(root, "content"), fsstore.Options{}); err != nil {
		return err
	}
	s.records, err = pairing.OpenRecords(root)
	return err
}

// Reindex makes the database of a registry again from what lies beside its
// bytes; see store.Reindex. With SQLite the registry must be stopped.
func Reindex(ctx context.Context, cfg Config, problem func(error)) (_ store.Reindexed, err error) {
	if err := cfg.Complete(); err != nil {
		return store.Reindexed{}, err
	}
	s := &state{}
	defer func() { err = errors.Join(err, s.close(false)) }()
	if _, err := os.Stat(filepath.Join(cfg.Root, "content", "records", "identity")); err != nil {
		return store.Reindexed{}, errdefs.Errorf(errdefs.ErrNotFound,
			"%s holds no records to make a database from: %w", filepath.Join(cfg.Root, "content"), err)
	}
	if s.root, err = os.OpenRoot(cfg.Root); err != nil {
		return store.Reindexed{}, fmt.Errorf("registry root: %w", err)
	}
	if cfg.Database == "" {
		if err := errors.Join(s.claim(cfg.Root), s.makeDatabaseFile()); err != nil {
			return store.Reindexed{}, err
		}
	}
	if s.db, err = metadata.Open(ctx, metadata.Config{DSN: cfg.dsn()}); err != nil {
		return store.Reindexed{}, err
	}
	if s.store, err = fsstore.Open(filepath.Join(cfg.Root, "content"), fsstore.Options{}); err != nil {
		return store.Reindexed{}, err
	}
	if s.records, err = pairing.OpenRecords(cfg.Root); err != nil {
		return store.Reindexed{}, err
	}
	id, err := s.records.Identity()
	if err != nil {
		return store.Reindexed{}, err
	}
	theirs, err := s.db.Identity(ctx)
	if err != nil {
		return store.Reindexed{}, err
	}
	if knows, err := s.db.KnowsContent(ctx); err != nil || knows && theirs != "" && theirs != id {
		return store.Reindexed{}, errors.Join(err, errdefs.Errorf(errdefs.ErrConflict,
			"the database is another registry's; move it away, and a new one is made"))
	}
	done, err := store.Reindex(ctx, s.store, s.db, s.records, problem)
	if err != nil {
		return done, err
	}
	return done, s.db.Update(ctx, func(ctx context.Context, tx *metadata.Tx) error { return tx.SetIdentity(ctx, id) })
}
