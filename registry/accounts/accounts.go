// Package accounts manages users, projects and memberships, and writes each
// change to the audit log.
package accounts

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

// AdminPasswordFile keeps the first password where the owner of the root finds
// it again.
const AdminPasswordFile = "admin-password"

// Accounts manages the users of a registry. It works beside a running server.
type Accounts struct {
	root   *os.Root
	db     *metadata.DB
	hasher *auth.Hasher
}

// New manages the accounts of db; the first administrator's password is kept in
// root. Closing closes both.
func New(root *os.Root, db *metadata.DB, hasher *auth.Hasher) *Accounts {
	return &Accounts{root: root, db: db, hasher: hasher}
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
	return a.db.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		if err := tx.AddUser(ctx, name, hash, admin); err != nil {
			return err
		}
		return tx.Audit(ctx, Operator, "user.add", name, "")
	})
}

// Operator is the actor of what is done on the registry's own machine.
const Operator = "(Operator)"

// SetPassword changes a password; tokens issued before end within a second.
func (a *Accounts) SetPassword(ctx context.Context, name, password string) error {
	hash, err := a.hasher.Hash(ctx, password)
	if err != nil {
		return err
	}
	err = a.db.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		if err := tx.SetPassword(ctx, name, hash); err != nil {
			return err
		}
		return tx.Audit(ctx, Operator, "user.password", name, "")
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
	return password, a.keepAdminPassword(password)
}

// Remove ends an account, its memberships and its tokens.
func (a *Accounts) Remove(ctx context.Context, name string) error {
	return a.db.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		if err := tx.RemoveUser(ctx, name); err != nil {
			return err
		}
		return tx.Audit(ctx, Operator, "user.remove", name, "")
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

// FirstAdmin makes the administrator of a registry that has no account. It
// returns the password when it made it up, for the operator to see once.
func (a *Accounts) FirstAdmin(ctx context.Context, given string) (made string, err error) {
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
	if err := a.keepAdminPassword(password); err != nil {
		return "", err
	}
	if err := a.Add(ctx, AdminUser, password, true); err != nil {
		return "", fmt.Errorf("making the account %s: %w", AdminUser, err)
	}
	return made, nil
}

func (a *Accounts) keepAdminPassword(password string) error {
	return a.db.WithRoom(func() error {
		return atomicfile.Write(a.root, AdminPasswordFile, []byte(password+"\n"), 0o600, atomicfile.Durable)
	})
}

func (a *Accounts) forgetAdminPassword() error {
	if err := a.root.Remove(AdminPasswordFile); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// RandomPassword makes up a password; it has 130 bits.
func RandomPassword() string { return strings.ToLower(rand.Text()) }
