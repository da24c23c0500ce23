package server

import (
	"context"
	"errors"
	"fmt"
	"os"

	"cove/errdefs"
	"cove/registry/db"
	"cove/registry/schema"
	"cove/registry/server/config"
)

// SchemaVersions lists the versions of the schema that this release knows, and
// says which the database is at. It changes nothing.
func SchemaVersions(ctx context.Context, cfg config.Config) (all []db.Version, current int64, err error) {
	err = withSchema(&cfg, false, func(p schema.Place) error {
		all, current, err = p.Versions(ctx)
		return err
	})
	return all, current, err
}

// MigrateTo brings the database to a version of the schema; see schema.Place.To.
// With SQLite the registry must be stopped.
func MigrateTo(ctx context.Context, cfg config.Config, version int64) (done schema.Moved, err error) {
	err = withSchema(&cfg, true, func(p schema.Place) error {
		done, err = p.To(ctx, version)
		return err
	})
	return done, err
}

func withSchema(cfg *config.Config, alone bool, do func(schema.Place) error) (err error) {
	if err := cfg.Complete(); err != nil {
		return err
	}
	if err := mustExist(cfg); err != nil {
		return err
	}
	s := &state{}
	defer func() { err = errors.Join(err, s.close(false)) }()
	if s.root, err = os.OpenRoot(cfg.Root); err != nil {
		return fmt.Errorf("registry root: %w", err)
	}
	if alone && cfg.Database == "" {
		if err := s.claim(cfg.Root); err != nil {
			return errdefs.Errorf(errdefs.ErrUnavailable, "a change of the schema needs the registry to be stopped: %w",
				err)
		}
	}
	return do(schema.Place{Root: s.root, DSN: cfg.DSN()})
}
