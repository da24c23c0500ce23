// Package projects manages the projects of a registry and who is a member of
// them. As in package accounts, whoever calls says who is asking, package auth
// is asked whether that one may, and each change is in the audit log.
package projects

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"cove/errdefs"
	"cove/reference"
	"cove/registry/audit"
	"cove/registry/auth"
	"cove/registry/auth/rights"
	"cove/registry/metadata"
	"cove/registry/metadata/people"
	"cove/registry/metadata/sparse"
)

// Projects manages projects. It works beside a running server. Who may not do
// something gets the errors of auth.Judge's Permit.
type Projects struct {
	db    *metadata.DB
	judge auth.Judge
}

// New manages the projects of db, which stays the caller's.
func New(db *metadata.DB, judge auth.Judge) *Projects { return &Projects{db: db, judge: judge} }

// change is an update of a project by a caller who has the right, decided within
// the transaction.
func (p *Projects) change(ctx context.Context, by auth.Caller, right auth.Right, name string,
	do func(ctx context.Context, tx *metadata.Tx) error,
) error {
	return p.db.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		if err := p.judge.Permit(ctx, tx, by, right, name); err != nil {
			return err
		}
		return do(ctx, tx)
	})
}

// EnsureDefault makes the project of images whose name has none.
func (p *Projects) EnsureDefault(ctx context.Context) error {
	return p.db.Update(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		_, _, err := tx.CreateProject(ctx, metadata.DefaultProject, auth.Operator().Name)
		return err
	})
}

// Create makes a project, of which a creator who is no system administrator
// becomes the administrator. One of that name is errdefs.ErrExists.
func (p *Projects) Create(ctx context.Context, by auth.Caller, name string, public bool) error {
	if !reference.ValidRepository(name) || strings.Contains(name, "/") {
		return errdefs.Errorf(errdefs.ErrInvalid,
			"project %q: a name is lower-case letters and digits, with single . _ or - between them", name)
	}
	return p.change(ctx, by, auth.CreateProject, name, func(ctx context.Context, tx *metadata.Tx) error {
		made, created, err := tx.CreateProject(ctx, name, by.Name)
		if err == nil && !created {
			err = errdefs.Errorf(errdefs.ErrExists, "project %q exists already", name)
		}
		if err == nil && !by.Admin {
			err = tx.SetRole(ctx, made.ID, by.UserID, rights.ProjectAdmin)
		}
		if err != nil {
			return err
		}
		if err := tx.SetPublic(ctx, made.ID, public); err != nil {
			return err
		}
		return audit.Record(ctx, tx, by, audit.Change{
			Action: "project.create", Object: name,
			Detail: visibility(public),
		})
	})
}

// Remove removes a project that holds no images. What was deleted in it, and is not
// collected yet, comes back by Restore.
func (p *Projects) Remove(ctx context.Context, by auth.Caller, name string) error {
	if name == metadata.DefaultProject {
		return errdefs.Errorf(errdefs.ErrInvalid, "project %q holds the images whose name has no project; it stays",
			name)
	}
	return p.change(ctx, by, auth.RemoveProject, name, func(ctx context.Context, tx *metadata.Tx) error {
		if err := tx.RemoveProject(ctx, name, by.Name); err != nil {
			return err
		}
		return audit.Record(ctx, tx, by, audit.Change{Action: "project.remove", Object: name})
	})
}

// Restore makes a project anew that was removed, with its repositories, in which what was
// deleted and is not collected yet can be had back. It is for who removed it, who becomes
// its administrator again, and for administrators of the registry: members, robots and
// rules are gone. If nothing is left of it that is errdefs.ErrNotFound.
func (p *Projects) Restore(ctx context.Context, by auth.Caller, name string) (repositories int, err error) {
	if by.Name == "" || by.Limited() {
		return 0, errdefs.Errorf(errdefs.ErrUnauthenticated, "authentication required: sign in first")
	}
	err = p.db.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		made, n, err := tx.RestoreProject(ctx, name, by.Name, func(remover string) error {
			if !by.Admin && (remover != by.Name || !by.Person()) {
				return errdefs.Errorf(errdefs.ErrDenied, "project %q was removed by somebody else; ask an administrator of the registry",
					name)
			}
			return nil
		})
		if err == nil && !by.Admin {
			err = tx.SetRole(ctx, made.ID, by.UserID, rights.ProjectAdmin)
		}
		if err != nil {
			return err
		}
		repositories = n
		return audit.Record(ctx, tx, by, audit.Change{
			Action: "project.restore", Object: name, Detail: strconv.Itoa(n) + " repositories",
		})
	})
	return repositories, err
}

// List visits every project by name.
func (p *Projects) List(ctx context.Context, by auth.Caller, visit func(metadata.Project) error) error {
	if err := p.judge.Permit(ctx, p.db, by, auth.ListProjects, ""); err != nil {
		return err
	}
	return people.EachPage(ctx, p.db.Projects, func(p metadata.Project) string { return p.Name }, visit)
}

// SetPublic says whether anyone may pull from a project.
func (p *Projects) SetPublic(ctx context.Context, by auth.Caller, project string, public bool) error {
	return p.Change(ctx, by, project, Change{Public: &public})
}

// Change is what of a project is to be changed; nil stays as it is.
type Change struct {
	Public *bool // anyone may pull from it
	// Sparse: an index may be pushed without all of its manifests. Those that are there
	// already stay.
	Sparse *bool
	// If, unless it is nil, is asked about the project as it is, within the
	// transaction: its error is the answer, and nothing is changed.
	If func(metadata.Project) error
}

// Change changes a project.
func (p *Projects) Change(ctx context.Context, by auth.Caller, project string, c Change) error {
	return p.change(ctx, by, auth.SetVisibility, project, func(ctx context.Context, tx *metadata.Tx) error {
		of, err := existing(ctx, tx, project)
		if err != nil {
			return err
		}
		if c.If != nil {
			if err := c.If(of); err != nil {
				return err
			}
		}
		if c.Sparse != nil {
			if err := setSparse(ctx, tx, by, of, *c.Sparse); err != nil {
				return err
			}
		}
		if c.Public == nil {
			return nil
		}
		if err := tx.SetPublic(ctx, of.ID, *c.Public); err != nil {
			return err
		}
		return audit.Record(ctx, tx, by, audit.Change{
			Action: "project.public", Object: project,
			Detail: visibility(*c.Public),
		})
	})
}

// SetSparse says whether an index may be pushed to a project without all of its
// manifests.
func (p *Projects) SetSparse(ctx context.Context, by auth.Caller, project string, allow bool) error {
	return p.Change(ctx, by, project, Change{Sparse: &allow})
}

func setSparse(ctx context.Context, tx *metadata.Tx, by auth.Caller, of metadata.Project, allow bool) error {
	if err := sparse.AllowIndexes(ctx, tx.Querier(), of.ID, allow); err != nil {
		return err
	}
	detail := "sparse indexes refused"
	if allow {
		detail = "sparse indexes taken"
	}
	return audit.Record(ctx, tx, by, audit.Change{Action: "project.sparse", Object: of.Name, Detail: detail})
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
	p, err := tx.ProjectForUpdate(ctx, name)
	if errors.Is(err, errdefs.ErrNotFound) {
		err = errdefs.Suggest(err, errdefs.MakeProject, name)
	}
	return p, err
}
