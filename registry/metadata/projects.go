package metadata

import (
	"context"
	"errors"
	"strings"
	"time"

	"cove/errdefs"
	"cove/registry/db"
	"cove/registry/metadata/names"
	"cove/registry/metadata/people"
	"cove/registry/metadata/removed"
	"cove/registry/metadata/usage"
)

// DefaultProject holds the repositories whose name is a single component.
const DefaultProject = "library"

// CanonicalName is the full name of a repository: "redis" is "library/redis".
func CanonicalName(repo string) string {
	if repo == "" || strings.Contains(repo, "/") {
		return repo
	}
	return DefaultProject + "/" + repo
}

// ProjectOf is the name of the project that a repository belongs to.
func ProjectOf(repo string) string {
	project, _, _ := strings.Cut(CanonicalName(repo), "/")
	return project
}

// Project is one project.
type Project struct {
	ID        int64
	Name      string
	Public    bool
	CreatedAt time.Time
}

const selectProject = "SELECT id, name, public, created_at FROM projects "

func scanProject(s db.Scanner) (p Project, err error) {
	var public, created int64
	err = s.Scan(&p.ID, &p.Name, &public, &created)
	p.Public, p.CreatedAt = public != 0, time.UnixMicro(created)
	return p, err
}

// Project returns the project of this name, or errdefs.ErrNotFound.
func (q Queries) Project(ctx context.Context, name string) (Project, error) {
	p, err := scanProject(q.q.Row(ctx, selectProject+"WHERE name = $1", name))
	return p, db.NotFound(err, "project %q does not exist", name)
}

// ProjectForUpdate is Project, and holds the project until the commit.
func (tx *Tx) ProjectForUpdate(ctx context.Context, name string) (Project, error) {
	p, err := scanProject(tx.q.Row(ctx, selectProject+"WHERE name = $1"+tx.tx.ForUpdate, name))
	return p, db.NotFound(err, "project %q does not exist", name)
}

// Projects lists the projects after last, at most n.
func (q Queries) Projects(ctx context.Context, last string, n int) ([]Project, error) {
	return db.All(ctx, q.q, scanProject, selectProject+"p WHERE p.name > $1 AND "+removed.Visible+
		" ORDER BY name LIMIT $2", last, n)
}

// CreateProject makes a project, or returns the one that exists.
func (tx *Tx) CreateProject(ctx context.Context, name, actor string) (p Project, created bool, err error) {
	if p, err = tx.Project(ctx, name); !errors.Is(err, errdefs.ErrNotFound) {
		return p, false, err
	}
	if err := names.Free(ctx, tx.q, name, tx.Now()); err != nil {
		return Project{}, false, err
	}
	if _, err := tx.q.Exec(ctx, "UPDATE project_numbers SET next = next + 1 WHERE next > 0"); err != nil {
		return Project{}, false, db.Unavailable(err)
	}
	changed, err := tx.q.Exec(ctx, `INSERT INTO projects (id, name, created_at, created_by, number)
		VALUES ($1, $2, $3, $4, (SELECT next - 1 FROM project_numbers WHERE next > 0)) ON CONFLICT (name) DO NOTHING`,
		tx.tx.NewID(), name, db.Micros(tx.tx.Now), actor)
	if err != nil {
		return Project{}, false, db.Unavailable(err)
	}
	p, err = tx.Project(ctx, name)
	return p, changed > 0, err
}

// SetPublic says whether anyone may pull from the project.
func (tx *Tx) SetPublic(ctx context.Context, project int64, public bool) error {
	_, err := tx.q.Exec(ctx, "UPDATE projects SET public = $2 WHERE id = $1", project, db.Number(public))
	return db.Unavailable(err)
}

// Repository returns the id of a repository by its canonical name, or
// errdefs.ErrNotFound.
func (q Queries) Repository(ctx context.Context, name string) (id int64, err error) {
	err = q.q.Row(ctx, "SELECT id FROM repositories WHERE name = $1", name).Scan(&id)
	return id, db.NotFound(err, "repository %s does not exist", name)
}

// Creator is who makes a repository and, if need be, its project.
type Creator struct {
	Name   string
	UserID int64
	Role   string // of the user in a new project; "": is no member
}

// EnsureRepository returns the id of a repository. The repository and its
// project are made if they do not exist; whether by may do so was asked before.
func (tx *Tx) EnsureRepository(ctx context.Context, name string, by Creator) (id int64, err error) {
	// held, so that it keeps its name until the commit
	find := "SELECT id FROM repositories WHERE name = $1" + tx.ForShare()
	if err := tx.q.Row(ctx, find, name).Scan(&id); err == nil {
		return id, nil
	}
	if err := names.Free(ctx, tx.q, name, tx.Now()); err != nil {
		return 0, err
	}
	p, created, err := tx.CreateProject(ctx, ProjectOf(name), by.Name)
	if err == nil && created {
		err = tx.Audit(ctx, by.Name, "project.create", p.Name, "by the first push")
	}
	if err == nil && created && by.Role != "" {
		err = tx.SetRole(ctx, p.ID, by.UserID, by.Role)
	}
	if err != nil {
		return 0, err
	}
	if _, err := tx.q.Exec(ctx, `INSERT INTO repositories (id, project_id, name, created_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (name) DO NOTHING`, tx.tx.NewID(), p.ID, name, db.Micros(tx.tx.Now)); err != nil {
		return 0, db.Unavailable(err)
	}
	return id, db.Unavailable(tx.q.Row(ctx, find, name).Scan(&id))
}

// Repositories lists the names after last of repositories that hold a
// manifest and that viewer may see, at most n. The project is asked for by a subquery that
// is no join, so that names are walked in their order until n are found: PostgreSQL would
// rather join and sort all when it expects few.
func (q Queries) Repositories(ctx context.Context, viewer Viewer, last string, n int) ([]string, error) {
	return db.All(ctx, q.q, db.ScanString, `SELECT r.name FROM repositories r
		WHERE r.name > $1
		  AND ($2 = 1 OR (SELECT p.public = 1 OR EXISTS (SELECT 1 FROM account_access a
		       WHERE a.user_id = $3 AND `+people.MatchesRepository+`) FROM projects p WHERE p.id = r.project_id))
		  AND r.name LIKE $5 ESCAPE '\'
		  AND EXISTS (SELECT 1 FROM manifests x WHERE x.repository_id = r.id)
		ORDER BY r.name LIMIT $4`, last, db.Number(viewer.All), viewer.UserID, n, viewer.Pattern())
}

// Viewer is for whom a list is made.
type Viewer struct {
	All    bool  // a system administrator sees everything
	UserID int64 // 0 is nobody: public projects only
	// Within, unless it is "", is a pattern of LIKE that the full names of
	// repositories must match besides.
	Within string
}

// Pattern is Within, or what matches every name.
func (v Viewer) Pattern() string {
	if v.Within == "" {
		return "%"
	}
	return v.Within
}

// RemoveProject removes a project that holds no image or other artifact; one that does is
// errdefs.ErrConflict. What was deleted in it and is not collected stays for
// [Tx.RestoreProject].
func (tx *Tx) RemoveProject(ctx context.Context, name, actor string) error {
	p, err := tx.ProjectForUpdate(ctx, name)
	if err != nil {
		return err
	}
	if err := removed.Lock(ctx, tx.tx, p.ID); err != nil {
		return err
	}
	used, err := tx.exists(ctx, `SELECT 1 FROM repositories r WHERE r.project_id = $1
		AND EXISTS (SELECT 1 FROM manifests m WHERE m.repository_id = r.id) LIMIT 1`, p.ID)
	if err != nil {
		return err
	}
	if used {
		return errdefs.Errorf(errdefs.ErrConflict, "project %q holds images; delete them first", name)
	}
	if err := removed.SetAside(ctx, tx.tx, tx, removed.Project{ID: p.ID, Name: name, By: actor}); err != nil {
		return err
	}
	return tx.dropProject(ctx, name)
}

// RestoreProject makes a project anew with what can be had back of the one of the name that
// was removed last, if mine says of who removed it that he may; it tells how many repositories
// came back.
func (tx *Tx) RestoreProject(
	ctx context.Context, name, actor string, mine func(by string) error,
) (p Project, repositories int, err error) {
	was, err := removed.Find(ctx, tx.q, name)
	if err == nil {
		err = mine(was.By)
	}
	if err != nil {
		return p, 0, err
	}
	p, made, err := tx.CreateProject(ctx, name, actor)
	if err == nil && !made {
		err = errdefs.Errorf(errdefs.ErrExists, "project %q exists already", name)
	}
	if err != nil {
		return p, 0, err
	}
	repositories, err = removed.Bring(ctx, tx.tx, tx, was, removed.Project{ID: p.ID, Name: name})
	if err != nil {
		return p, 0, err
	}
	return p, repositories, tx.dropProject(ctx, was.Name)
}

// DropRemoved forgets the projects that were removed and of which nothing is left.
func (m *DB) DropRemoved(ctx context.Context) error {
	over, err := removed.Over(ctx, m.q)
	if err != nil || len(over) == 0 {
		return err
	}
	return m.Update(ctx, func(ctx context.Context, tx *Tx) error {
		over, err := removed.Over(ctx, tx.q)
		for _, name := range over {
			err = errors.Join(err, tx.dropProject(ctx, name))
		}
		return err
	})
}

// dropProject removes a project that holds nothing any more.
func (tx *Tx) dropProject(ctx context.Context, name string) error {
	if err := errors.Join(usage.Forget(ctx, tx.tx, name), names.Forget(ctx, tx.tx, name)); err != nil {
		return err
	}
	const repos = "(SELECT r.id FROM repositories r JOIN projects p ON p.id = r.project_id WHERE p.name = $1)"
	for _, stmt := range []string{
		"DELETE FROM uploads WHERE repository_id IN " + repos,
		"DELETE FROM tag_history WHERE repository_id IN " + repos,
		"DELETE FROM deleted_manifests WHERE repository_id IN " + repos,
		"DELETE FROM repositories WHERE id IN " + repos,
		"DELETE FROM memberships WHERE user_id IN (SELECT u.id FROM users u JOIN projects p ON p.id = u.project_id WHERE p.name = $1)",
		"DELETE FROM users WHERE project_id IN (SELECT id FROM projects WHERE name = $1) AND kind <> 'user'",
		"DELETE FROM memberships WHERE project_id IN (SELECT id FROM projects WHERE name = $1)",
		"DELETE FROM members WHERE project_id IN (SELECT id FROM projects WHERE name = $1)",
		"DELETE FROM schedules WHERE project = $1",
		"DELETE FROM retention_rules WHERE project_id IN (SELECT id FROM projects WHERE name = $1)",
		"DELETE FROM immutable_rules WHERE project_id IN (SELECT id FROM projects WHERE name = $1)",
		"DELETE FROM labels WHERE project_id IN (SELECT id FROM projects WHERE name = $1)",
		"DELETE FROM projects WHERE name = $1",
	} {
		if _, err := tx.q.Exec(ctx, stmt, name); err != nil {
			return db.Unavailable(err)
		}
	}
	return nil
}
