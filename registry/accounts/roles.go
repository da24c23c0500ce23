package accounts

import (
	"context"
	"regexp"

	"cove/errdefs"
	"cove/registry/audit"
	"cove/registry/auth"
	"cove/registry/auth/rights"
	"cove/registry/metadata"
	"cove/registry/metadata/people"
)

var roleName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,62}[a-z0-9]$`)

// SetRole makes a role of rights, or gives the one of that name others: whoever has
// it has these within a second.
func (a *Accounts) SetRole(ctx context.Context, by auth.Caller, r people.CustomRole) error {
	switch {
	case !roleName.MatchString(r.Name):
		return errdefs.Errorf(
			errdefs.ErrInvalid,
			"role %q: a name is lower-case letters, digits and -, a letter first",
			r.Name,
		)
	case rights.OfRole(r.Name) != nil || r.Name == "none":
		return errdefs.Errorf(errdefs.ErrInvalid, "role %q is built in and stays as it is", r.Name)
	}
	set, err := rights.Parse(r.Rights)
	if err != nil {
		return err
	}
	if len(set) == 0 {
		return errdefs.Errorf(errdefs.ErrInvalid, "role %q: give it at least one right", r.Name)
	}
	for right := range set {
		if right.System() {
			delete(set, right) // no member of a project has them
		}
	}
	r.Rights = set.String()
	if err := a.judge.Permit(ctx, a.db, by, auth.ManageRoles, ""); err != nil {
		return err
	}
	return a.db.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		if err := tx.SetCustomRole(ctx, r); err != nil {
			return err
		}
		return audit.Record(ctx, tx, by, audit.Change{Action: "role.set", Object: r.Name, Detail: r.Rights})
	})
}

// RemoveRole removes a role that nobody has.
func (a *Accounts) RemoveRole(ctx context.Context, by auth.Caller, name string) error {
	if err := a.judge.Permit(ctx, a.db, by, auth.ManageRoles, ""); err != nil {
		return err
	}
	return a.db.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		if _, err := tx.CustomRole(ctx, name); err != nil {
			return err
		}
		used, err := tx.RemoveCustomRole(ctx, name)
		if err != nil {
			return err
		}
		if used {
			return errdefs.Errorf(errdefs.ErrConflict, "role %q is in use; give its members another first", name)
		}
		return audit.Record(ctx, tx, by, audit.Change{Action: "role.remove", Object: name})
	})
}

// Roles lists the roles that there are, the built-in ones first, for every account:
// to know them is to know what one has.
func (a *Accounts) Roles(ctx context.Context, by auth.Caller) ([]people.CustomRole, error) {
	if by.Name == "" {
		return nil, errdefs.Errorf(errdefs.ErrUnauthenticated, "authentication required to list the roles")
	}
	var all []people.CustomRole
	for _, name := range rights.BuiltIn() {
		all = append(all, people.CustomRole{Name: name, Rights: rights.OfRole(name).String()})
	}
	custom, err := a.db.CustomRoles(ctx)
	return append(all, custom...), err
}

// SystemMember says what a user or a group is to have in all projects.
type SystemMember struct{ User, Group, Role string }

// SetSystemRole gives a user or a group a role in all projects, as auditor; the role
// "none" takes it back. It is for administrators: nobody else holds so much.
func (a *Accounts) SetSystemRole(ctx context.Context, by auth.Caller, m SystemMember) error {
	return a.change(
		ctx,
		by,
		audit.Change{Action: "member.set", Object: "(all projects)", Detail: m.User + m.Group + " " + m.Role},
		func(ctx context.Context, tx *metadata.Tx) error {
			row := people.Membership{
				Grant:    people.Grant{Role: m.Role, Repositories: rights.Everywhere},
				Matching: rights.Like(rights.Everywhere),
			}
			if err := tx.Subject(ctx, m.User, m.Group, &row); err != nil {
				return err
			}
			if m.Role == "none" {
				_, err := tx.RemoveMembership(ctx, row)
				return err
			}
			if rights.OfRole(m.Role) == nil {
				if _, err := tx.CustomRole(ctx, m.Role); err != nil {
					return err
				}
			}
			return tx.SetMembership(ctx, row)
		},
	)
}
