package accounts

import (
	"context"
	"strings"
	"time"

	"cove/errdefs"
	"cove/registry/audit"
	"cove/registry/auth"
	"cove/registry/auth/rights"
	"cove/registry/metadata"
	"cove/registry/metadata/people"
)

// TokenSpec is an access token to be made.
type TokenSpec struct {
	Name         string
	Rights       []string  // as rights.Parse has them; none is all that the account has
	Repositories string    // a glob of full names; "" is all
	ExpiresAt    time.Time // zero is never
}

// CreateToken makes a personal access token for the user of this name, one's own
// or, for who manages users, another's. It returns the text, which nothing shows
// again: it signs in in place of the password, and may no more than the account.
func (a *Accounts) CreateToken(ctx context.Context, by auth.Caller, user string, s TokenSpec) (text string, err error) {
	if err := a.mayChange(ctx, by, user); err != nil {
		return "", err
	}
	t, err := s.row()
	if err != nil {
		return "", err
	}
	text, t.Hash = auth.NewAccessToken()
	err = a.db.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		u, err := tx.UserByName(ctx, user)
		if err == nil && u.Kind != people.KindUser {
			err = errdefs.Errorf(errdefs.ErrInvalid, "%q is no user; access tokens are for users", user)
		}
		if err != nil {
			return err
		}
		t.UserID = u.ID
		if err := tx.AddToken(ctx, t); err != nil {
			return err
		}
		return audit.Record(ctx, tx, by, audit.Change{Action: "token.create", Object: user, Detail: s.Name})
	})
	return text, err
}

func (s TokenSpec) row() (t people.AccessToken, err error) {
	t = people.AccessToken{Name: strings.TrimSpace(s.Name), Repositories: s.Repositories, ExpiresAt: s.ExpiresAt}
	if t.Name == "" || len(t.Name) > 64 {
		return t, errdefs.Errorf(errdefs.ErrInvalid, "access token %q: use a name of 1 to 64 characters", s.Name)
	}
	if t.Repositories == "" {
		t.Repositories = rights.Everywhere
	}
	if err := rights.CheckGlob(t.Repositories); err != nil {
		return t, err
	}
	asked := s.Rights
	if len(asked) == 0 {
		asked = []string{"all"}
	}
	set, err := rights.Parse(asked...)
	t.Rights = set.String()
	if err == nil && len(set) == 0 {
		err = errdefs.Errorf(errdefs.ErrInvalid, "access token %q: say what it may, as pull or push", s.Name)
	}
	return t, err
}

// Tokens lists the access tokens of a user by name.
func (a *Accounts) Tokens(ctx context.Context, by auth.Caller, user string) ([]people.AccessToken, error) {
	if err := a.mayChange(ctx, by, user); err != nil {
		return nil, err
	}
	u, err := a.db.UserByName(ctx, user)
	if err != nil {
		return nil, err
	}
	return a.db.TokensOf(ctx, u.ID)
}

// RemoveToken ends an access token of a user within a second.
func (a *Accounts) RemoveToken(ctx context.Context, by auth.Caller, user, name string) error {
	if err := a.mayChange(ctx, by, user); err != nil {
		return err
	}
	return a.db.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		u, err := tx.UserByName(ctx, user)
		if err != nil {
			return err
		}
		if err := tx.RemoveToken(ctx, u.ID, name); err != nil {
			return err
		}
		return audit.Record(ctx, tx, by, audit.Change{Action: "token.remove", Object: user, Detail: name})
	})
}
