package server

import (
	"context"
	"errors"

	"cove/registry/auth"
	"cove/registry/migrate"
	"cove/registry/server/config"
)

// Import takes over the storage of another registry; see migrate.Run. With SQLite the
// registry must be stopped; it was started once.
func Import(
	ctx context.Context, cfg config.Config, from migrate.Place, problem func(error),
) (_ migrate.Report, err error) {
	s, err := openWhole(ctx, &cfg, "an import needs the registry to be stopped")
	if err != nil {
		return migrate.Report{}, err
	}
	defer func() { err = errors.Join(err, s.close(false)) }()
	s.db.OnCommit(s.storage.Records.Raise)
	r, err := s.registry(ctx, cfg)
	if err != nil {
		return migrate.Report{}, err
	}
	origin, give, err := from.Open(ctx, s.storage.Bytes, cfg.StorageConfig(s.db).Bucket)
	if err != nil {
		return migrate.Report{}, err
	}
	defer func() { err = errors.Join(err, origin.Close()) }()
	return migrate.Run(auth.WithCaller(ctx, auth.Operator()), migrate.Config{
		From: origin, To: r, Give: give, Tags: from.Tags, Problem: problem,
	})
}
