// Package removed has the projects that were removed while something that had been deleted
// in them could still be had back. Their repositories stay, in a project with a name that
// nobody can ask for, until the collector has taken what they hold or who removed the
// project wants it back.
package removed

import (
	"context"
	"strconv"
	"strings"

	"cove/errdefs"
	"cove/registry/db"
)

// Visible is the condition of SQL that a project p is none of these. What begins their
// names is no part of a name and sorts behind all of them.
const Visible = "p.name < '" + mark + "'"

const mark = "~"

// Mover has what a repository holds count in another project.
type Mover interface {
	MoveUsage(ctx context.Context, repository, from, to int64) error
}

// Project is one that there is, or was.
type Project struct {
	ID   int64
	Name string
	By   string // who removed it
}

// repository is one by its id and name.
type repository struct {
	id   int64
	name string
}

func scan(s db.Scanner) (r repository, err error) { return r, s.Scan(&r.id, &r.name) }

// Lock holds the repositories of a project until the commit: nothing comes into them.
func Lock(ctx context.Context, tx *db.Tx, project int64) error {
	_, err := db.All(ctx, tx, func(s db.Scanner) (id int64, err error) { return id, s.Scan(&id) },
		"SELECT id FROM repositories WHERE project_id = $1 ORDER BY id"+tx.ForUpdate, project)
	return err
}

// SetAside takes the repositories of a project that hold something still, which is nothing
// that anybody sees, out of it, so that it can be removed.
func SetAside(ctx context.Context, tx *db.Tx, m Mover, p Project) error {
	held, err := db.All(ctx, tx, scan, `SELECT r.id, r.name FROM repositories r WHERE r.project_id = $1 AND EXISTS
		(SELECT 1 FROM repository_blobs b WHERE b.repository_id = r.id) ORDER BY r.id`, p.ID)
	if err != nil || len(held) == 0 {
		return err
	}
	id := tx.NewID()
	aside := mark + p.Name + mark + strconv.FormatInt(id, 36)
	for _, step := range []struct {
		stmt string
		args []any
	}{
		{
			`INSERT INTO projects (id, name, created_at, created_by, number) VALUES ($1, $2, $3, $4, $5)`,
			[]any{id, aside, db.Micros(tx.Now), p.By, -id},
		},
		{"INSERT INTO quotas (project_id, bytes) VALUES ($1, -1)", []any{id}},
	} {
		if _, err := tx.Exec(ctx, step.stmt, step.args...); err != nil {
			return db.Unavailable(err)
		}
	}
	return move(ctx, tx, m, held, way{Project{ID: p.ID, Name: p.Name}, Project{ID: id, Name: aside}})
}

// way is from where to where repositories go.
type way struct{ from, to Project }

func move(ctx context.Context, tx *db.Tx, m Mover, repos []repository, w way) error {
	for _, r := range repos {
		if _, err := tx.Exec(ctx, "UPDATE repositories SET project_id = $2, name = $3 WHERE id = $1", r.id, w.to.ID,
			w.to.Name+strings.TrimPrefix(r.name, w.from.Name)); err != nil {
			return db.Unavailable(err)
		}
		if err := m.MoveUsage(ctx, r.id, w.from.ID, w.to.ID); err != nil {
			return err
		}
	}
	return nil
}

// Find is the project that was removed last of those with a name; errdefs.ErrNotFound if
// nothing is left of any.
func Find(ctx context.Context, q db.Querier, name string) (p Project, err error) {
	err = q.Row(ctx, `SELECT id, name, created_by FROM projects WHERE name >= $1 AND name < $2 ORDER BY id DESC LIMIT 1`,
		mark+name+mark, mark+name+mark+mark).Scan(&p.ID, &p.Name, &p.By)
	return p, db.NotFound(err, "no project %q was removed of which something can be had back", name)
}

// Bring has the repositories of a project that was removed be those of one that was made
// anew, and tells how many they are. What it was made of is then to be removed.
func Bring(ctx context.Context, tx *db.Tx, m Mover, from, to Project) (repositories int, err error) {
	repos, err := db.All(ctx, tx, scan, "SELECT id, name FROM repositories WHERE project_id = $1 ORDER BY id", from.ID)
	if err != nil {
		return 0, err
	}
	for _, r := range repos {
		name := to.Name + strings.TrimPrefix(r.name, from.Name)
		taken, err := db.All(ctx, tx, scan, "SELECT id, name FROM repositories WHERE name = $1", name)
		if err == nil && len(taken) > 0 {
			err = errdefs.Errorf(errdefs.ErrExists, "repository %s exists already", name)
		}
		if err != nil {
			return 0, err
		}
	}
	return len(repos), move(ctx, tx, m, repos, way{from, to})
}

// Over lists the names of those of which nothing can be had back any more.
func Over(ctx context.Context, q db.Querier) ([]string, error) {
	return db.All(ctx, q, db.ScanString, `SELECT p.name FROM projects p WHERE p.name >= '`+mark+`' AND NOT EXISTS
		(SELECT 1 FROM repositories r JOIN repository_blobs b ON b.repository_id = r.id WHERE r.project_id = p.id)
		ORDER BY p.name LIMIT 100`)
}
