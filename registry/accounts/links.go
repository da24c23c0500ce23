package accounts

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"cove/errdefs"
	"cove/registry/audit"
	"cove/registry/auth"
	"cove/registry/metadata"
	"cove/registry/metadata/people"
)

// How long a link for setting a password is good.
const (
	LinkLife    = 24 * time.Hour // unless another time is asked for
	maxLinkLife = 30 * 24 * time.Hour
)

// PasswordLink lets whoever has its token set a user's password, once.
type PasswordLink struct {
	Token string // nothing shows it again
	Until time.Time
}

// hashOf is what is kept of a token. It has 130 bits, so no salt and no slow hash are
// needed against who guesses.
func hashOf(token string) string {
	sum := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// errLink is the one answer to a token that is wrong, used, or too old.
func errLink() error {
	return errdefs.Errorf(errdefs.ErrNotFound,
		"this link is not good any more: it works once and for a time; ask an administrator for another")
}

// LinkPassword makes a link by which a user sets a new password, for who manages users.
// It takes the place of the one before; a life of 0 is LinkLife. The password of now stays
// good until then.
func (a *Accounts) LinkPassword(
	ctx context.Context, by auth.Caller, name string, life time.Duration,
) (link PasswordLink, err error) {
	if err := a.judge.Permit(ctx, a.db, by, auth.ManageUsers, ""); err != nil {
		return link, err
	}
	if life == 0 {
		life = LinkLife
	}
	if life < time.Minute || life > maxLinkLife {
		return link, errdefs.Errorf(errdefs.ErrInvalid, "a link is good for a minute to 30 days, and not for %v", life)
	}
	link.Token = rand.Text()
	err = a.db.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		u, err := withPassword(ctx, tx, name)
		if err != nil {
			return err
		}
		link.Until = tx.Now().Add(life)
		kept := people.PasswordLink{UserID: u.ID, Hash: hashOf(link.Token), ExpiresAt: link.Until}
		if err := tx.SetPasswordLink(ctx, kept); err != nil {
			return err
		}
		return audit.Record(ctx, tx, by, audit.Change{
			Action: "user.password-link", Object: name, Detail: fmt.Sprintf("for %v", life),
		})
	})
	return link, err
}

// UnlinkPassword ends the link of a user; one that is not there is errdefs.ErrNotFound.
func (a *Accounts) UnlinkPassword(ctx context.Context, by auth.Caller, name string) error {
	if err := a.judge.Permit(ctx, a.db, by, auth.ManageUsers, ""); err != nil {
		return err
	}
	return a.db.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		u, err := person(ctx, tx, name)
		if err != nil {
			return err
		}
		if err := tx.RemovePasswordLink(ctx, u.ID); err != nil {
			return err
		}
		return audit.Record(ctx, tx, by, audit.Change{Action: "user.password-unlink", Object: name})
	})
}

// WhoseLink is the user whose password a token sets. One that is not good, or not any
// more, is errdefs.ErrNotFound.
func (a *Accounts) WhoseLink(ctx context.Context, token string, now time.Time) (name string, err error) {
	l, err := a.db.PasswordLink(ctx, hashOf(token))
	if errors.Is(err, errdefs.ErrNotFound) || err == nil && !now.Before(l.ExpiresAt) {
		return "", errLink()
	}
	return l.User, err
}

// FollowLink sets the password of the user whose token this is, and ends the link, his
// sessions and his tokens. Errors are those of WhoseLink, and errdefs.ErrInvalid for a
// password that will not do, after which the link is as good as before.
func (a *Accounts) FollowLink(ctx context.Context, token, password string, now time.Time) (name string, err error) {
	if name, err = a.WhoseLink(ctx, token, now); err != nil {
		return "", err // before a hash is paid for
	}
	hash, err := a.hasher.Hash(ctx, password)
	if err != nil {
		return "", err
	}
	err = a.db.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		if _, err := withPassword(ctx, tx, name); err != nil { // one after the other
			return err
		}
		l, err := tx.PasswordLink(ctx, hashOf(token))
		if errors.Is(err, errdefs.ErrNotFound) || err == nil && !tx.Now().Before(l.ExpiresAt) {
			return errLink()
		}
		if err != nil {
			return err
		}
		if err := tx.SetPassword(ctx, name, hash); err != nil { // which ends the link
			return err
		}
		return audit.Record(ctx, tx, auth.Caller{Name: name}, audit.Change{
			Action: "user.password", Object: name, Detail: "by a link",
		})
	})
	if err == nil && name == AdminUser {
		err = a.forgetAdminPassword()
	}
	return name, err
}

// withPassword is the user of a name, who must have a password here.
func withPassword(ctx context.Context, tx *metadata.Tx, name string) (metadata.User, error) {
	u, err := person(ctx, tx, name)
	if err == nil && u.Source != "" {
		err = errdefs.Errorf(errdefs.ErrConflict, "user %q has no password here: %s vouches for them", name, u.Source)
	}
	return u, err
}
