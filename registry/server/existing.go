package server

import (
	"context"
	"errors"
	"fmt"
	"os"

	"cove/errdefs"
	"cove/registry/accounts"
	"cove/registry/auth"
	"cove/registry/metadata"
	"cove/registry/pairing"
	"cove/registry/reserve"
)

// AdminPasswordEnv sets the password of the first start.
const AdminPasswordEnv = "COVE_ADMIN_PASSWORD"

// OpenAccounts opens the accounts of the registry that the configuration
// names. Close them.
func OpenAccounts(ctx context.Context, cfg Config) (*accounts.Accounts, error) {
	root, db, err := openExisting(ctx, &cfg)
	if err != nil {
		return nil, err
	}
	return accounts.New(root, db, auth.NewHasher(1)), nil
}

// openExisting opens the root and the database of a registry that was started
// before, whether or not it runs now.
func openExisting(ctx context.Context, cfg *Config) (*os.Root, *metadata.DB, error) {
	if err := cfg.Complete(); err != nil {
		return nil, nil, err
	}
	// A folder that holds no registry must not become one by a question.
	needs := cfg.Root
	if cfg.Database == "" {
		needs = cfg.dsn()
		if err := pairing.DatabaseLost(cfg.Root); err != nil {
			return nil, nil, err
		}
	}
	if _, err := os.Stat(needs); errors.Is(err, os.ErrNotExist) {
		return nil, nil, errdefs.Suggest(errdefs.Errorf(errdefs.ErrNotFound,
			"there is no registry at %s", cfg.Root), errdefs.NameRoot, cfg.Root)
	}
	root, err := os.OpenRoot(cfg.Root)
	if err != nil {
		return nil, nil, fmt.Errorf("registry root: %w", err)
	}
	// On a full disk too: it is emptied by who may still sign in.
	r := reserve.In(cfg.Root)
	var db *metadata.DB
	err = r.Try(func() error {
		db, err = metadata.Open(ctx, metadata.Config{DSN: cfg.dsn()})
		return err
	})
	if err != nil {
		return nil, nil, errors.Join(err, root.Close())
	}
	if cfg.Database == "" {
		db.SetReserve(r)
	}
	return root, db, nil
}
