package accounts

import (
	"context"

	"cove/errdefs"
	"cove/registry/audit"
	"cove/registry/auth"
	"cove/registry/metadata"
	"cove/registry/metadata/people"
)

// change is an update by a caller who manages users.
func (a *Accounts) change(ctx context.Context, by auth.Caller, c audit.Change,
	do func(ctx context.Context, tx *metadata.Tx) error,
) error {
	if err := a.judge.Permit(ctx, a.db, by, auth.ManageUsers, ""); err != nil {
		return err
	}
	return a.db.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		if err := do(ctx, tx); err != nil {
			return err
		}
		return audit.Record(ctx, tx, by, c)
	})
}

// AddGroup makes a group. Groups of a provider that have its name are this one.
func (a *Accounts) AddGroup(ctx context.Context, by auth.Caller, name string) error {
	if len(name) == 0 || len(name) > 255 {
		return errdefs.Errorf(errdefs.ErrInvalid, "group %q: use a name of up to 255 characters", name)
	}
	return a.change(ctx, by, audit.Change{Action: "group.add", Object: name},
		func(ctx context.Context, tx *metadata.Tx) error { return tx.AddGroup(ctx, name) })
}

// RemoveGroup removes a group, and what its users had by it.
func (a *Accounts) RemoveGroup(ctx context.Context, by auth.Caller, name string) error {
	return a.change(ctx, by, audit.Change{Action: "group.remove", Object: name},
		func(ctx context.Context, tx *metadata.Tx) error {
			g, err := tx.Group(ctx, name)
			if err != nil {
				return err
			}
			return tx.RemoveGroup(ctx, g.ID)
		})
}

// SetInGroup puts a user into a group, or takes him out of it.
func (a *Accounts) SetInGroup(ctx context.Context, by auth.Caller, group, user string, in bool) error {
	action := "group.leave"
	if in {
		action = "group.join"
	}
	return a.change(ctx, by, audit.Change{Action: action, Object: group, Detail: user},
		func(ctx context.Context, tx *metadata.Tx) error {
			g, err := tx.Group(ctx, group)
			if err != nil {
				return err
			}
			u, err := tx.UserByName(ctx, user)
			switch {
			case err != nil:
				return err
			case u.Kind != people.KindUser:
				return errdefs.Errorf(errdefs.ErrInvalid, "%q is no user; groups are of users", user)
			case in:
				return tx.PutInGroup(ctx, g.ID, u.ID, "")
			}
			return tx.TakeFromGroup(ctx, g.ID, u.ID)
		})
}

// Groups lists the groups after last, at most n, by name; more says that there are
// others.
func (a *Accounts) Groups(ctx context.Context, by auth.Caller, last string, n int) ([]people.Group, bool, error) {
	if err := a.judge.Permit(ctx, a.db, by, auth.ManageUsers, ""); err != nil {
		return nil, false, err
	}
	page, err := a.db.Groups(ctx, last, n+1)
	return cut(page, n, err)
}

// Group is the group of a name.
func (a *Accounts) Group(ctx context.Context, by auth.Caller, name string) (people.Group, error) {
	if err := a.judge.Permit(ctx, a.db, by, auth.ManageUsers, ""); err != nil {
		return people.Group{}, err
	}
	return a.db.Group(ctx, name)
}

// GroupUsers lists the users of a group after last, at most n, by name; more says
// that there are others.
func (a *Accounts) GroupUsers(ctx context.Context, by auth.Caller, group, last string, n int) ([]string, bool, error) {
	g, err := a.Group(ctx, by, group)
	if err != nil {
		return nil, false, err
	}
	page, err := a.db.GroupUsers(ctx, g.ID, last, n+1)
	return cut(page, n, err)
}

// cut makes a page of n from a list that was asked for one entry more.
func cut[T any](list []T, n int, err error) ([]T, bool, error) {
	if len(list) > n {
		return list[:n], true, err
	}
	return list, false, err
}
