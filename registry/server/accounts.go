package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strings"

	"cove/errdefs"
	"cove/internal/atomicfile"
	"cove/registry/auth"
	"cove/registry/metadata"
)

// AdminUser is the account that the first start makes.
const AdminUser = "admin"

// adminPasswordFile keeps the first password where the owner of the root finds
// it again.
const adminPasswordFile = "admin-password"

// AdminPasswordEnv sets the password of the first start.
const AdminPasswordEnv = "COVE_ADMIN_PASSWORD"

// Accounts manages the users of a registry. It works beside a running server.
type Accounts struct {
	root   *os.Root
	db     *metadata.DB
	hasher *auth.Hasher
}

// OpenAccounts opens the accounts of the registry that the configuration
// names. Close them.
func OpenAccounts(ctx context.Context, cfg Config) (*Accounts, error) {
	root, db, err := openExisting(ctx, &cfg)
	if err != nil {
		return nil, err
	}
	return &Accounts{root: root, db: db, hasher: auth.NewHasher(1)}, nil
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
		if err := databaseLost(cfg.Root); err != nil {
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
	db, err := metadata.Open(ctx, metadata.Config{DSN: cfg.dsn()})
	if err != nil {
		return nil, nil, errors.Join(err, root.Close())
	}
	return root, db, nil
}

// Close releases the database.
func (a *Accounts) Close() error { return errors.Join(a.db.Close(), a.root.Close()) }

// Add makes an account.
func (a *Accounts) Add(ctx context.Context, name, password string, admin bool) error {
	if err := auth.CheckName(name); err != nil {
		return err
	}
	hash, err := a.hasher.Hash(ctx, password)
	if err != nil {
		return err
	}
	return a.db.Update(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		if err := tx.AddUser(ctx, name, hash, admin); err != nil {
			return err
		}
		return tx.Audit(ctx, operator, "user.add", name, "")
	})
}

// operator is the actor of what is done on the registry's own machine.
const operator = "(operator)"

// SetPassword changes a password; tokens issued before end within a second.
func (a *Accounts) SetPassword(ctx context.Context, name, password string) error {
	hash, err := a.hasher.Hash(ctx, password)
	if err != nil {
		return err
	}
	err = a.db.Update(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		if err := tx.SetPassword(ctx, name, hash); err != nil {
			return err
		}
		return tx.Audit(ctx, operator, "user.password", name, "")
	})
	if err == nil && name == AdminUser {
		err = a.forgetAdminPassword()
	}
	return err
}

// ResetAdmin gives the administrator a new random password, makes the account
// again if it is gone, and keeps the password in the root.
func (a *Accounts) ResetAdmin(ctx context.Context) (password string, err error) {
	password = RandomPassword()
	err = a.SetPassword(ctx, AdminUser, password)
	if errors.Is(err, errdefs.ErrNotFound) {
		err = a.Add(ctx, AdminUser, password, true)
	}
	if err != nil {
		return "", err
	}
	return password, atomicfile.Write(a.root, adminPasswordFile, []byte(password+"\n"), 0o600, atomicfile.Durable)
}

// Remove ends an account, its memberships and its tokens.
func (a *Accounts) Remove(ctx context.Context, name string) error {
	return a.db.Update(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		if err := tx.RemoveUser(ctx, name); err != nil {
			return err
		}
		return tx.Audit(ctx, operator, "user.remove", name, "")
	})
}

// List visits every account by name.
func (a *Accounts) List(ctx context.Context, visit func(metadata.User) error) error {
	return eachPage(ctx, a.db.Users, func(u metadata.User) string { return u.Name }, visit)
}

// eachPage visits everything that list returns in pages, each after the last
// name of the one before.
func eachPage[T any](ctx context.Context, list func(ctx context.Context, last string, n int) ([]T, error), name func(T) string, visit func(T) error) error {
	const page = 500
	for last := ""; ; {
		items, err := list(ctx, last, page)
		if err != nil {
			return err
		}
		for _, item := range items {
			if err := visit(item); err != nil {
				return err
			}
			last = name(item)
		}
		if len(items) < page {
			return nil
		}
	}
}

// firstAdmin makes the administrator of a registry that has no account. It
// returns the password when it made it up, for the operator to see once.
func (a *Accounts) firstAdmin(ctx context.Context, given string) (made string, err error) {
	users, err := a.db.Users(ctx, "", 1)
	if err != nil || len(users) > 0 {
		return "", err
	}
	password := given
	if password == "" {
		password = RandomPassword()
		made = password
	}
	// The file comes first: a kill in between leaves a password that the next
	// start replaces, never an account whose password nobody knows.
	if err := atomicfile.Write(a.root, adminPasswordFile, []byte(password+"\n"), 0o600, atomicfile.Durable); err != nil {
		return "", err
	}
	if err := a.Add(ctx, AdminUser, password, true); err != nil {
		return "", fmt.Errorf("making the account %s (%s): %w", AdminUser, AdminPasswordEnv, err)
	}
	return made, nil
}

func (a *Accounts) forgetAdminPassword() error {
	if err := a.root.Remove(adminPasswordFile); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// RandomPassword makes up a password; it has 130 bits.
func RandomPassword() string { return strings.ToLower(rand.Text()) }
