package server

import (
	"context"
	"errors"

	"cove/registry/auth"
	"cove/registry/migrate"
	"cove/registry/server/config"
)

// Import takes over the storage folder of another registry; see migrate.Run. With
// SQLite the registry must be stopped; it was started once.
func Import(ctx context.Context, cfg config.Config, folder string, problem func(error)) (_ migrate.Done, err error) {
	s, err := openWhole(ctx, &cfg, "an import needs the registry to be stopped")
	if err != nil {
		return migrate.Done{}, err
	}
	defer func() { err = errors.Join(err, s.close(false)) }()
	s.db.OnCommit(s.storage.Records.Raise)
	r, err := s.registry(ctx, cfg)
	if err != nil {
		return migrate.Done{}, err
	}
	return migrate.Run(auth.WithCaller(ctx, auth.Operator()), folder, r, problem)
}
