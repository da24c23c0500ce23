package accounts

import (
	"context"
	"errors"

	"cove/errdefs"
	"cove/registry/audit"
	"cove/registry/auth"
	"cove/registry/identity"
	"cove/registry/identity/ldap"
	"cove/registry/metadata"
)

// SignedIn is the account of somebody for whom a source vouches: it is made at the
// first sign-in, and its groups, and whether it is an administrator's, are those
// that the source says now. An account that has the name and is not theirs is
// errdefs.ErrDenied: a provider must not give away what belongs to somebody else.
func (a *Accounts) SignedIn(ctx context.Context, p identity.Person) (u metadata.User, err error) {
	if err := auth.CheckName(p.Name); err != nil {
		return u, errdefs.Errorf(errdefs.ErrDenied, "%s gives a name that no account can have: %w", p.Source, err)
	}
	err = a.db.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		if u, err = ensure(ctx, tx, p); err != nil {
			return err
		}
		if p.Admin != nil && *p.Admin != u.Admin {
			if err := tx.SetUser(ctx, u.Name, *p.Admin, u.Disabled); err != nil {
				return err
			}
			if u, err = tx.UserByName(ctx, u.Name); err != nil {
				return err
			}
		}
		return tx.GroupsOf(ctx, u.ID, p.Source, p.Groups)
	})
	return u, err
}

// ensure finds the account of a person, or makes it.
func ensure(ctx context.Context, tx *metadata.Tx, p identity.Person) (metadata.User, error) {
	u, err := tx.BySubject(ctx, p.Source, p.Subject)
	if !errors.Is(err, errdefs.ErrNotFound) {
		return u, err
	}
	err = tx.AddExternal(ctx, p.Name, p.Source, p.Subject, p.Admin != nil && *p.Admin)
	if errors.Is(err, errdefs.ErrExists) {
		return u, errdefs.Errorf(errdefs.ErrDenied,
			"%s knows somebody as %q, and that name is another's account here; an administrator has to remove that one, "+
				"or to change the name there", p.Source, p.Name)
	}
	if err != nil {
		return u, err
	}
	if u, err = tx.UserByName(ctx, p.Name); err != nil {
		return u, err
	}
	by := auth.Caller{UserID: u.ID, Name: u.Name, Admin: u.Admin}
	made := audit.Change{Action: "user.add", Object: u.Name, Detail: "signed in by " + p.Source}
	return u, audit.Record(ctx, tx, by, made)
}

// Directory checks passwords by an LDAP directory, and gives whom that knows an
// account here. It is an auth.Directory.
type Directory struct {
	People   *ldap.Directory
	Accounts *Accounts
}

// Check implements auth.Directory.
func (d Directory) Check(ctx context.Context, name, password string) (metadata.User, error) {
	person, err := d.People.Check(ctx, name, password)
	if err != nil {
		return metadata.User{}, err
	}
	return d.Accounts.SignedIn(ctx, person)
}
