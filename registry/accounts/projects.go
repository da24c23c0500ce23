package accounts

import (
	"context"
	"errors"
	"strings"

	"cove/errdefs"
	"cove/reference"
	"cove/registry/auth"
	"cove/registry/metadata"
)

// CreateProject makes a project; one of that name is errdefs.ErrExists.
func (a *Accounts) CreateProject(ctx context.Context, name string, public bool) error {
	if !reference.ValidRepository(name) || strings.Contains(name, "/") {
		return errdefs.Errorf(errdefs.ErrInvalid, "project %q: a name is lower-case letters and digits, with single . _ or - between them", name)
	}
	return a.db.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		p, created, err := tx.CreateProject(ctx, name, Operator)
		if err == nil && !created {
			err = errdefs.Errorf(errdefs.ErrExists, "project %q exists already", name)
		}
		if err != nil {
			return err
		}
		if err := tx.SetPublic(ctx, p.ID, public); err != nil {
			return err
		}
		return tx.Audit(ctx, Operator, "project.create", name, visibility(public))
	})
}

// RemoveProject removes a project that holds no images.
func (a *Accounts) RemoveProject(ctx context.Context, name string) error {
	if name == metadata.DefaultProject {
		return errdefs.Errorf(errdefs.ErrInvalid, "project %q holds the images whose name has no project; it stays", name)
	}
	return a.db.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		if err := tx.RemoveProject(ctx, name); err != nil {
			return err
		}
		return tx.Audit(ctx, Operator, "project.remove", name, "")
	})
}

// Projects visits every project by name.
func (a *Accounts) Projects(ctx context.Context, visit func(metadata.Project) error) error {
	return eachPage(ctx, a.db.Projects, func(p metadata.Project) string { return p.Name }, visit)
}

// SetRole makes a user a member of a project; the role "none" ends the
// membership.
func (a *Accounts) SetRole(ctx context.Context, project, user, role string) error {
	r, ok := auth.ParseRole(role)
	if !ok {
		return errdefs.Errorf(errdefs.ErrInvalid, "role %q: use limited-guest, guest, developer, maintainer, project-admin or none", role)
	}
	return a.db.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		u, err := tx.UserByName(ctx, user)
		if err != nil {
			return err
		}
		p, err := existing(ctx, tx, project)
		if err != nil {
			return err
		}
		if err := tx.SetRole(ctx, p.ID, u.ID, int(r)); err != nil {
			return err
		}
		return tx.Audit(ctx, Operator, "member.set", project, user+" "+role)
	})
}

// SetPublic says whether anyone may pull from a project.
func (a *Accounts) SetPublic(ctx context.Context, project string, public bool) error {
	return a.db.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		p, err := existing(ctx, tx, project)
		if err != nil {
			return err
		}
		if err := tx.SetPublic(ctx, p.ID, public); err != nil {
			return err
		}
		return tx.Audit(ctx, Operator, "project.public", project, visibility(public))
	})
}

func visibility(public bool) string {
	if public {
		return "public"
	}
	return "private"
}

// existing is a project by name. A name with a typing error must not make one:
// what was meant to be public would stay private, or the other way round.
func existing(ctx context.Context, tx *metadata.Tx, name string) (metadata.Project, error) {
	p, err := tx.Project(ctx, name)
	if errors.Is(err, errdefs.ErrNotFound) {
		err = errdefs.Suggest(err, errdefs.MakeProject, name)
	}
	return p, err
}
