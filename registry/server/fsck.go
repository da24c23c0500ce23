package server

import (
	"context"
	"errors"
	"fmt"

	"cove/distribution"
	"cove/errdefs"
	"cove/registry/fsck"
	"cove/registry/immutable"
	"cove/registry/pairing"
	"cove/registry/server/config"
	"cove/registry/storage"
	"cove/registry/store"
	"cove/registry/store/lives"
)

// openWhole opens a registry that was started before, with its storage. Unless
// running is "", it is for who works in a server's place, beside which none may run
// with SQLite; running is what to say when one does.
func openWhole(ctx context.Context, cfg *config.Config, running string) (_ *state, err error) {
	root, db, err := openExisting(ctx, cfg)
	if err != nil {
		return nil, err
	}
	s := &state{root: root, db: db}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close(false))
		}
	}()
	if running != "" && cfg.Database == "" {
		if err := s.claim(cfg.Root); err != nil {
			return nil, errdefs.Errorf(errdefs.ErrUnavailable, "%s: %w", running, err)
		}
	}
	if s.storage, err = storage.OpenExisting(ctx, cfg.StorageConfig(db)); err != nil {
		return nil, err
	}
	p, err := pairing.Look(ctx, cfg.Root, s.db, s.storage)
	if err == nil {
		_, err = p.Check()
	}
	return s, err
}

// Fsck compares what a registry has stored with what it should be; see
// fsck.Run. With SQLite heal needs the registry to be stopped.
func Fsck(ctx context.Context, cfg config.Config, heal bool, found func(fsck.Finding)) (_ fsck.Checked, err error) {
	running := ""
	if heal {
		running = "healing needs the registry to be stopped"
	}
	s, err := openWhole(ctx, &cfg, running)
	if err != nil {
		return fsck.Checked{}, err
	}
	defer func() { err = errors.Join(err, s.close(false)) }()
	return fsck.Run(ctx, s.storage.Bytes, s.db, heal, found)
}

// Collect collects garbage at once, in the place of a server. With SQLite none may
// run, which collects by itself.
func Collect(ctx context.Context, cfg config.Config) (_ store.Collected, err error) {
	running := fmt.Sprintf("the registry runs, and collects every %v what is due", cfg.GC.Every())
	s, err := openWhole(ctx, &cfg, running)
	if err != nil {
		return store.Collected{}, err
	}
	defer func() { err = errors.Join(err, s.close(false)) }()
	r, err := s.registry(ctx, cfg)
	if err != nil {
		return store.Collected{}, err
	}
	return r.CollectAlone(ctx)
}

// registry is for the operator of the machine, without a server.
func (s *state) registry(ctx context.Context, cfg config.Config) (*store.Registry, error) {
	return store.New(ctx, store.Config{
		Store: s.storage.Bytes, DB: s.db, Rights: operator{}, Records: s.storage.Records,
		KeepTag: immutable.Guard, Lives: lives.New(cfg.GC.Lives()),
	}, true)
}

// operator may do everything: who has the root has all that is in it.
type operator struct{}

func (operator) May(context.Context, distribution.Action, string) bool { return true }
