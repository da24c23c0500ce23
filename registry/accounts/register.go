package accounts

import (
	"context"
	"errors"

	"cove/errdefs"
	"cove/registry/audit"
	"cove/registry/auth"
	"cove/registry/metadata"
)

// Register makes an account for who asks for one himself; with approval it is disabled
// until an administrator enables it. Whether the name is taken is not said: that would
// tell strangers who has an account here. What no name or password can be is
// errdefs.ErrInvalid. The caller decides whether strangers may ask, and how often.
func (a *Accounts) Register(ctx context.Context, name, password string, approval bool) error {
	if err := auth.CheckName(name); err != nil {
		return err
	}
	hash, err := a.hasher.Hash(ctx, password) // also for a name that is taken: it takes as long
	if err != nil {
		return err
	}
	err = a.db.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		if err := tx.AddUser(ctx, name, hash, false); err != nil {
			return err
		}
		detail := ""
		if approval {
			detail = "disabled until it is approved"
			if err := tx.SetUser(ctx, name, false, true); err != nil {
				return err
			}
		}
		return audit.Record(ctx, tx, auth.Caller{Name: name}, audit.Change{
			Action: "user.register", Object: name, Detail: detail,
		})
	})
	if errors.Is(err, errdefs.ErrExists) {
		return nil
	}
	return err
}
