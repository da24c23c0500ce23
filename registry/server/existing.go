package server

import (
	"context"
	"errors"
	"fmt"
	"os"

	"cove/content"
	"cove/errdefs"
	"cove/registry/accounts"
	"cove/registry/api"
	"cove/registry/api/client"
	"cove/registry/api/inprocess"
	"cove/registry/audit"
	"cove/registry/auth"
	"cove/registry/auth/passhash"
	"cove/registry/backup"
	"cove/registry/garbage"
	"cove/registry/metadata"
	"cove/registry/policies"
	"cove/registry/projects"
	"cove/registry/proxy"
	"cove/registry/reserve"
	"cove/registry/robots"
	"cove/registry/schema"
	"cove/registry/seal"
	"cove/registry/server/config"
	"cove/registry/storage"
	"cove/registry/trust"
)

// AdminPasswordEnv sets the password of the first start.
const AdminPasswordEnv = "COVE_ADMIN_PASSWORD"

// Services administer a registry. Each asks auth whether its caller may.
type Services struct {
	Accounts *accounts.Accounts
	Projects *projects.Projects
	Robots   *robots.Robots
	Trust    *trust.Rules
	Audit    *audit.Log
	Proxies  *proxy.Service
	Policies *policies.Policies
	API      client.Door     // what the registry's own API does, asked by the operator of the machine
	Garbage  *garbage.Reader // for who administers the machine: it asks nobody
}

func newServices(cfg config.Config, root *os.Root, db *metadata.DB, hasher *passhash.Hasher) Services {
	judge, box := cfg.Judge(), seal.In(root)
	bots := robots.New(db, hasher, judge).Called(cfg.Accounts.RobotPrefix)
	s := Services{
		Accounts: accounts.New(root, db, hasher, judge),
		Projects: projects.New(db, judge),
		Robots:   bots,
		Trust: trust.New(trust.Config{
			DB: db, Robots: bots, Judge: judge, Outbound: cfg.Outbound.Policy(), Now: db.Now,
		}),
		Audit:   audit.New(db, judge),
		Proxies: proxy.NewService(db, judge, box),
		Policies: policies.New(policies.Config{
			DB: db, Judge: judge, Box: box, Outbound: cfg.Outbound.Policy(), Bytes: bytesOf(cfg, db), Robots: bots,
		}),
		Garbage: garbage.New(db),
	}
	s.API = inprocess.As(auth.Operator(), api.Config{
		DB: db, Judge: judge, Accounts: s.Accounts, Projects: s.Projects,
		Robots: s.Robots, Trust: s.Trust, Audit: s.Audit, Policies: s.Policies, Proxies: s.Proxies,
	})
	return s
}

// bytesOf opens what is stored, which few commands read.
func bytesOf(cfg config.Config, db *metadata.DB) func(context.Context) (content.Provider, func() error, error) {
	return func(ctx context.Context) (content.Provider, func() error, error) {
		s, err := storage.OpenExisting(ctx, cfg.StorageConfig(db))
		if err != nil {
			return nil, nil, err
		}
		return s.Bytes, s.Close, nil
	}
}

// Administer calls do with the services of the registry that the configuration
// names, whether or not it runs.
func Administer(ctx context.Context, cfg config.Config, do func(Services) error) error {
	root, db, err := openExisting(ctx, &cfg)
	if err != nil {
		return err
	}
	return errors.Join(do(newServices(cfg, root, db, passhash.NewHasher(1))), db.Close(), root.Close())
}

// openExisting opens the root and the database of a registry that was started
// before, whether or not it runs now.
func openExisting(ctx context.Context, cfg *config.Config) (*os.Root, *metadata.DB, error) {
	if err := cfg.Complete(); err != nil {
		return nil, nil, err
	}
	if err := mustExist(cfg); err != nil {
		return nil, nil, err
	}
	root, err := os.OpenRoot(cfg.Root)
	if err != nil {
		return nil, nil, fmt.Errorf("registry root: %w", err)
	}
	if err := backup.Check(root); err != nil {
		return nil, nil, errors.Join(err, root.Close())
	}
	// On a full disk too: it is emptied by who may still sign in.
	r := reserve.In(cfg.Root)
	var db *metadata.DB
	err = r.Try(func() error {
		db, err = schema.Place{Root: root, DSN: cfg.DSN()}.OpenAsItIs(ctx, cfg.Machine)
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

// mustExist refuses a folder that holds no registry: it must not become one by a
// question.
func mustExist(cfg *config.Config) error {
	needs := cfg.Root
	if cfg.Database == "" {
		needs = cfg.DSN()
		if err := cfg.DatabaseLost(); err != nil {
			return err
		}
	}
	if _, err := os.Stat(needs); errors.Is(err, os.ErrNotExist) {
		return errdefs.Suggest(errdefs.Errorf(errdefs.ErrNotFound, "there is no registry at %s", cfg.Root),
			errdefs.NameRoot, cfg.Root)
	}
	return nil
}
