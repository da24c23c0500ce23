package projects

import (
	"context"
	"slices"
	"strings"

	"cove/errdefs"
	"cove/registry/audit"
	"cove/registry/auth"
	"cove/registry/auth/rights"
	"cove/registry/metadata"
	"cove/registry/metadata/people"
)

// NoRole ends a membership.
const NoRole = "none"

// Member says what a user or a group is to be in a project.
type Member struct {
	User, Group  string // one of them
	Role         string // built in or made by an administrator; NoRole ends the membership
	Repositories string // where: a glob of names within the project; "" is all of it
}

func (m Member) name() string {
	if m.Group != "" {
		return "group " + m.Group
	}
	return m.User
}

// SetRole makes a user a member of a project; the role "none" ends the
// membership.
func (p *Projects) SetRole(ctx context.Context, by auth.Caller, project, user, role string) error {
	return p.SetMember(ctx, by, project, Member{User: user, Role: role})
}

// SetMember makes a user or a group a member of a project, in place of what it was
// in the same repositories. Nobody gives a role with a right that he has not got.
// With NoRole and no Repositories the whole membership ends.
func (p *Projects) SetMember(ctx context.Context, by auth.Caller, project string, m Member) error {
	if m.Repositories != "" {
		if err := rights.CheckGlob(m.Repositories); err != nil {
			return err
		}
	}
	return p.change(ctx, by, auth.SetMembers, project, func(ctx context.Context, tx *metadata.Tx) error {
		give, err := p.roleRights(ctx, tx, m.Role)
		if err != nil {
			return err
		}
		of, err := existing(ctx, tx, project)
		if err != nil {
			return err
		}
		row := people.Membership{Grant: people.Grant{ProjectID: of.ID, Role: m.Role, Repositories: m.Repositories}}
		if err := tx.Subject(ctx, m.User, m.Group, &row); err != nil {
			return err
		}
		if err := p.setMembership(ctx, tx, by, row, auth.Gift{Rights: give, Project: project}); err != nil {
			return err
		}
		return audit.Record(ctx, tx, by, audit.Change{
			Action: "member.set", Object: project,
			Detail: strings.TrimSpace(m.name() + " " + m.Role + " " + m.Repositories),
		})
	})
}

// setMembership writes the membership, if the caller may give the rights of its role.
func (p *Projects) setMembership(ctx context.Context, tx *metadata.Tx, by auth.Caller, m people.Membership,
	gift auth.Gift,
) error {
	if m.Role == NoRole {
		_, err := tx.RemoveMembership(ctx, m)
		return err
	}
	if m.Repositories == "" {
		m.Repositories = rights.Everywhere
	}
	m.Matching, gift.Repositories = rights.Like(m.Repositories), m.Repositories
	if err := p.judge.PermitGrant(ctx, tx, by, gift); err != nil {
		return err
	}
	return tx.SetMembership(ctx, m)
}

// roleRights are the rights of a role that members of a project can have.
func (p *Projects) roleRights(ctx context.Context, tx *metadata.Tx, role string) (rights.Set, error) {
	if role == NoRole {
		return nil, nil
	}
	if set := rights.OfRole(role); set != nil && rights.InProject(role) {
		return set, nil
	}
	custom, err := tx.CustomRole(ctx, role)
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid,
			"role %q: use limited-guest, guest, developer, maintainer, project-admin, puller, one that an administrator "+
				"has made, or none", role)
	}
	return rights.Stored(custom.Rights), nil
}

// Roles lists the names of the roles that members can have, the built-in ones first.
func (p *Projects) Roles(ctx context.Context) ([]string, error) {
	custom, err := p.db.CustomRoles(ctx)
	names := slices.DeleteFunc(rights.BuiltIn(), func(r string) bool { return !rights.InProject(r) })
	for _, r := range custom {
		names = append(names, r.Name)
	}
	return names, err
}
