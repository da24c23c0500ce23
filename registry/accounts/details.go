package accounts

import (
	"context"
	"strings"
	"unicode"

	"cove/errdefs"
	"cove/registry/audit"
	"cove/registry/auth"
	"cove/registry/metadata"
	"cove/registry/metadata/people"
)

// Describe keeps details of a user in the place of those there were. It is for who manages
// users.
func (a *Accounts) Describe(ctx context.Context, by auth.Caller, name string, d people.Details) error {
	const longest = 1000
	for what, text := range map[string]string{"email": d.Email, "realname": d.Realname, "comment": d.Comment} {
		if len(text) > longest || strings.ContainsFunc(text, unicode.IsControl) {
			return errdefs.Errorf(errdefs.ErrInvalid, "%s of a user: it is one line of up to %d bytes", what, longest)
		}
	}
	if err := a.judge.Permit(ctx, a.db, by, auth.ManageUsers, ""); err != nil {
		return err
	}
	return a.db.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		u, err := person(ctx, tx, name)
		if err != nil {
			return err
		}
		now, err := tx.Details(ctx, u.ID)
		if err != nil || now == d {
			return err
		}
		if err := tx.SetDetails(ctx, u.ID, d); err != nil {
			return err
		}
		return audit.Record(ctx, tx, by, audit.Change{Action: "user.describe", Object: name})
	})
}

// Details are those of a user, for who manages users and for the user.
func (a *Accounts) Details(ctx context.Context, by auth.Caller, name string) (people.Details, error) {
	u, err := a.Get(ctx, by, name)
	if err != nil {
		return people.Details{}, err
	}
	return a.db.Details(ctx, u.ID)
}
