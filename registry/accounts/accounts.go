// Package accounts manages the users of a registry. Whoever calls it says who is
// asking, and it asks package auth whether that one may: no edge, be it the
// command line or an API, decides by itself. Each change is in the audit log.
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
	"cove/registry/audit"
	"cove/registry/auth"
	"cove/registry/auth/passhash"
	"cove/registry/metadata"
	"cove/registry/metadata/people"
)

// AdminUser is the account that the first start makes.
const AdminUser = "admin"

// AdminPasswordFile keeps the first password where the owner of the root finds
// it again.
const AdminPasswordFile = "admin-password"

// Accounts manages the users of a registry. It works beside a running server.
// Who may not do something gets the errors of auth.Judge's Permit.
type Accounts struct {
	root   *os.Root
	db     *metadata.DB
	hasher *passhash.Hasher
	judge  auth.Judge
}

// New manages the accounts of db; the first administrator's password is kept in
// root. Both stay the caller's.
func New(root *os.Root, db *metadata.DB, hasher *passhash.Hasher, judge auth.Judge) *Accounts {
	return &Accounts{root: root, db: db, hasher: hasher, judge: judge}
}

// Add makes an account.
func (a *Accounts) Add(ctx context.Context, by auth.Caller, name, password string, admin bool) error {
	if err := a.judge.Permit(ctx, a.db, by, auth.ManageUsers, ""); err != nil {
		return err
	}
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
		return audit.Record(ctx, tx, by, audit.Change{Action: "user.add", Object: name})
	})
}

// SetPassword changes a password, one's own or, for those who manage users,
// another's; tokens issued before end within a second.
func (a *Accounts) SetPassword(ctx context.Context, by auth.Caller, name, password string) error {
	if err := a.mayChange(ctx, by, name); err != nil {
		return err
	}
	hash, err := a.hasher.Hash(ctx, password)
	if err != nil {
		return err
	}
	err = a.db.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		if _, err := withPassword(ctx, tx, name); err != nil {
			return err
		}
		if err := tx.SetPassword(ctx, name, hash); err != nil {
			return err
		}
		return audit.Record(ctx, tx, by, audit.Change{Action: "user.password", Object: name})
	})
	if err == nil && name == AdminUser {
		err = a.forgetAdminPassword()
	}
	return err
}

// Change is what of an account is to be changed; nil stays as it is.
type Change struct {
	Admin    *bool // is a system administrator
	Disabled *bool // may not sign in
	// If, unless it is nil, is asked about the account as it is, within the
	// transaction: its error is the answer, and nothing is changed.
	If func(metadata.User) error
}

// Change changes an account and returns it. Tokens and sessions from before end
// within a second. The last administrator who may sign in is errdefs.ErrConflict.
func (a *Accounts) Change(ctx context.Context, by auth.Caller, name string, c Change) (u metadata.User, err error) {
	if err := a.judge.Permit(ctx, a.db, by, auth.ManageUsers, ""); err != nil {
		return u, err
	}
	err = a.db.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		if u, err = person(ctx, tx, name); err != nil {
			return err
		}
		if c.If != nil {
			if err := c.If(u); err != nil {
				return err
			}
		}
		before := u
		if c.Admin != nil {
			u.Admin = *c.Admin
		}
		if c.Disabled != nil {
			u.Disabled = *c.Disabled
		}
		if u == before {
			return nil
		}
		if err := tx.SetUser(ctx, name, u.Admin, u.Disabled); err != nil {
			return err
		}
		return audit.Record(ctx, tx, by, audit.Change{
			Action: "user.change", Object: name, Detail: fmt.Sprintf("admin=%t disabled=%t", u.Admin, u.Disabled),
		})
	})
	return u, err
}

// Get is the account of a name.
func (a *Accounts) Get(ctx context.Context, by auth.Caller, name string) (metadata.User, error) {
	if by.UserID == 0 || by.Name != name || by.Token() {
		if err := a.judge.Permit(ctx, a.db, by, auth.ManageUsers, ""); err != nil {
			return metadata.User{}, err
		}
	}
	u, err := a.db.UserByName(ctx, name)
	if err == nil && u.Kind != people.KindUser && by.Name != name {
		err = errdefs.Errorf(errdefs.ErrNotFound, "user %q does not exist", name)
	}
	return u, err
}

// mayChange lets everybody change what is his own, but by no access token, which
// might give itself more.
func (a *Accounts) mayChange(ctx context.Context, by auth.Caller, name string) error {
	if by.UserID != 0 && by.Name == name && !by.Token() && by.Person() {
		if !by.Limited() {
			return nil
		}
		return errdefs.Errorf(errdefs.ErrDenied, "an access token does not change its account; sign in with the password")
	}
	return a.judge.Permit(ctx, a.db, by, auth.ManageUsers, "")
}

// ResetAdmin gives the administrator a new random password, makes the account
// again if it is gone, and keeps the password in the root.
func (a *Accounts) ResetAdmin(ctx context.Context, by auth.Caller) (password string, err error) {
	password = RandomPassword()
	err = a.SetPassword(ctx, by, AdminUser, password)
	if errors.Is(err, errdefs.ErrNotFound) {
		err = a.Add(ctx, by, AdminUser, password, true)
	}
	if err != nil {
		return "", err
	}
	return password, a.keepAdminPassword(password)
}

// Remove ends an account, its memberships and its tokens.
func (a *Accounts) Remove(ctx context.Context, by auth.Caller, name string) error {
	if err := a.judge.Permit(ctx, a.db, by, auth.ManageUsers, ""); err != nil {
		return err
	}
	return a.db.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		if _, err := person(ctx, tx, name); err != nil {
			return err
		}
		if err := tx.RemoveUser(ctx, name); err != nil {
			return err
		}
		return audit.Record(ctx, tx, by, audit.Change{Action: "user.remove", Object: name})
	})
}

// person is the user of a name; robots are package robots' to change.
func person(ctx context.Context, tx *metadata.Tx, name string) (metadata.User, error) {
	u, err := tx.UserForUpdate(ctx, name)
	if err == nil && u.Kind != people.KindUser {
		err = errdefs.Errorf(errdefs.ErrNotFound, "user %q does not exist", name)
	}
	return u, err
}

// List visits every account by name.
func (a *Accounts) List(ctx context.Context, by auth.Caller, visit func(metadata.User) error) error {
	if err := a.judge.Permit(ctx, a.db, by, auth.ManageUsers, ""); err != nil {
		return err
	}
	return people.EachPage(ctx, a.db.Users, func(u metadata.User) string { return u.Name }, visit)
}

// Page lists the accounts after last, at most n, by name; more says that there are
// others.
func (a *Accounts) Page(
	ctx context.Context, by auth.Caller, last string, n int,
) (page []metadata.User, more bool, err error) {
	if err := a.judge.Permit(ctx, a.db, by, auth.ManageUsers, ""); err != nil {
		return nil, false, err
	}
	page, err = a.db.Users(ctx, last, n+1)
	if len(page) > n {
		return page[:n], true, err
	}
	return page, false, err
}

// FirstPasswordKept says whether the administrator's password lies in the root
// still: nobody has changed it.
func (a *Accounts) FirstPasswordKept() bool {
	_, err := a.root.Lstat(AdminPasswordFile)
	return err == nil
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
	if err := a.Add(ctx, auth.Operator(), AdminUser, password, true); err != nil {
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
