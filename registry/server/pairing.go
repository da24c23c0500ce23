package server

import (
	"context"
	"errors"
	"fmt"
	"os"

	"cove/errdefs"
	"cove/registry/metadata"
	"cove/registry/pairing"
	"cove/registry/reindex"
	"cove/registry/schema"
	"cove/registry/server/config"
	"cove/registry/storage"
)

// pair sees to it that database and content belong together. With BeginAnew it
// makes them do so. Servers that start at once do it one after the other.
func (s *state) pair(ctx context.Context, cfg config.Config) error {
	unlock, err := s.db.Lock(ctx, "registry start")
	if err != nil {
		return err
	}
	defer unlock()
	p, err := pairing.Look(ctx, cfg.Root, s.db, s.storage)
	if err != nil {
		return err
	}
	unpaired, refusal := p.Check()
	switch {
	case refusal != nil && !cfg.BeginAnew:
		return refusal
	case refusal != nil && !p.Familiar():
		if err := s.storage.SetAside(ctx); err != nil {
			return err
		}
		unpaired, p = true, p.WithoutContent()
	case refusal != nil:
		unpaired = true
	}
	if unpaired {
		err = p.Pair(ctx, s.db, s.storage)
	}
	s.db.OnCommit(s.storage.Records.Raise)
	return err
}

// Reindex makes the database of a registry again from what lies beside its
// bytes; see reindex.Run. With SQLite the registry must be stopped.
func Reindex(ctx context.Context, cfg config.Config, problem func(error)) (_ reindex.Done, err error) {
	if err := cfg.Complete(); err != nil {
		return reindex.Done{}, err
	}
	s := &state{}
	defer func() { err = errors.Join(err, s.close(false)) }()
	if s.root, err = os.OpenRoot(cfg.Root); err != nil {
		return reindex.Done{}, fmt.Errorf("registry root: %w", err)
	}
	if cfg.Database == "" {
		if err := errors.Join(s.claim(cfg.Root), s.makeDatabaseFile()); err != nil {
			return reindex.Done{}, err
		}
	}
	// As a start does, after a copy: one that was killed may have left any version of the tables.
	if s.db, err = (schema.Place{Root: s.root, DSN: cfg.DSN()}).Open(ctx, cfg.Machine); err != nil {
		return reindex.Done{}, err
	}
	if s.storage, err = storage.OpenExisting(ctx, cfg.StorageConfig(s.db)); err != nil {
		return reindex.Done{}, err
	}
	id, err := s.storage.Records.Identity(ctx)
	if err != nil {
		return reindex.Done{}, err
	}
	if id == "" {
		return reindex.Done{}, errdefs.Errorf(errdefs.ErrNotFound, "%s holds no records to make a database from",
			s.storage.Name())
	}
	theirs, err := s.db.Identity(ctx)
	if err != nil {
		return reindex.Done{}, err
	}
	if knows, err := s.db.KnowsContent(ctx); err != nil || knows && theirs != "" && theirs != id {
		return reindex.Done{}, errors.Join(err, errdefs.Errorf(errdefs.ErrConflict,
			"the database is another registry's; move it away, and a new one is made"))
	}
	done, err := reindex.Run(ctx, s.storage.Bytes, s.db, s.storage.Records, problem)
	if err != nil {
		return done, err
	}
	return done, s.db.Update(ctx, func(ctx context.Context, tx *metadata.Tx) error { return tx.SetIdentity(ctx, id) })
}
