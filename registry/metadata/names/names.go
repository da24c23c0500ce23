// Package names is the part of the registry's database that knows which names projects
// and repositories had before they were renamed. Such a name stays with what it named
// for a time: pulls by it go on, and no other project or repository takes it.
package names

import (
	"context"
	"strings"
	"time"

	"cove/errdefs"
	"cove/registry/db"
)

// Former is a name that a project or repository had.
type Former struct {
	Name  string // as it was
	Now   string // how the same is called now
	Until time.Time
	At    time.Time
	By    string
}

// Project says that it was the name of a project.
func (f Former) Project() bool { return !strings.Contains(f.Name, "/") }

// longestChain bounds how often a name is followed: a repository moves at most once
// after its project was renamed, whatever its names were.
const longestChain = 4

// Of tells how the repository of a full name is called now, when that is a name which it,
// or its project, had. moved is false of any other name.
func Of(ctx context.Context, q db.Querier, repo string, now time.Time) (f Former, moved bool, err error) {
	f = Former{Name: repo, Now: repo}
	for range longestChain {
		step, ok, err := one(ctx, q, f.Now, now)
		if err != nil || !ok {
			return f, moved, err
		}
		f.Now, f.At, f.By = step.Now, step.At, step.By
		if !moved || step.Until.Before(f.Until) {
			f.Until = step.Until
		}
		moved = true
	}
	return f, moved, nil
}

// one follows a name by one step. What is said of the repository goes before what is said
// of its project.
func one(ctx context.Context, q db.Querier, repo string, now time.Time) (f Former, ok bool, err error) {
	project, rest, _ := strings.Cut(repo, "/")
	rows, err := db.All(ctx, q, scan, selectFormer+"WHERE f.name IN ($1, $2) AND f.until > $3", repo, project,
		db.Micros(now))
	for _, row := range rows {
		switch {
		case row.Name == repo:
			return row, true, nil
		case rest != "":
			f, ok = row, true
			f.Now += "/" + rest
		}
	}
	return f, ok, err
}

const selectFormer = `SELECT f.name, COALESCE(r.name, p.name, ''), f.until, f.moved_at, f.moved_by
	FROM former_names f LEFT JOIN repositories r ON r.id = f.repository_id
	LEFT JOIN projects p ON p.id = f.project_id `

func scan(s db.Scanner) (f Former, err error) {
	var until, at int64
	err = s.Scan(&f.Name, &f.Now, &until, &at, &f.By)
	f.Until, f.At = time.UnixMicro(until), time.UnixMicro(at)
	return f, err
}

// OfProject lists the names that a project and its repositories had and still have for
// pulls, by name.
func OfProject(ctx context.Context, q db.Querier, project int64, now time.Time) ([]Former, error) {
	return db.All(ctx, q, scan, `SELECT f.name, p.name, f.until, f.moved_at, f.moved_by
		FROM former_names f JOIN projects p ON p.id = f.project_id WHERE f.project_id = $1 AND f.until > $2
		UNION ALL SELECT f.name, r.name, f.until, f.moved_at, f.moved_by
		FROM repositories r JOIN former_names f ON f.repository_id = r.id WHERE r.project_id = $1 AND f.until > $2
		ORDER BY 1`, project, db.Micros(now))
}

// Free refuses a name that something else had and still has for pulls, with
// errdefs.ErrConflict. It is asked before a project or repository of that name is made.
func Free(ctx context.Context, q db.Querier, name string, now time.Time) error {
	return FreeFor(ctx, q, name, Owner{}, now)
}

// Owner is a project or a repository: one of the two ids is 0.
type Owner struct{ Project, Repository int64 }

// FreeFor is Free, for who may have had the name itself.
func FreeFor(ctx context.Context, q db.Querier, name string, by Owner, now time.Time) error {
	rows, err := db.All(ctx, q, scan, selectFormer+`WHERE f.name = $1 AND f.until > $2
		AND NOT (f.project_id = $3 AND f.repository_id = $4)`, name, db.Micros(now), by.Project, by.Repository)
	if err != nil || len(rows) == 0 {
		return err
	}
	return errdefs.Errorf(errdefs.ErrConflict,
		"%s is called %s now, and keeps the name %s for pulls until %s; push to %s, or have the name released",
		name, rows[0].Now, name, rows[0].Until.UTC().Format(time.DateOnly), rows[0].Now)
}

// Keep has a name, which by had until now, stay with it. A name that by has again is one
// that it had no longer.
func Keep(ctx context.Context, tx *db.Tx, by Owner, old string, f Former) error {
	if err := Release(ctx, tx, f.Now); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, "DELETE FROM former_names WHERE until <= $1", db.Micros(tx.Now)); err != nil {
		return db.Unavailable(err)
	}
	if !f.Until.After(tx.Now) {
		return nil
	}
	_, err := tx.Exec(ctx, `INSERT INTO former_names (name, project_id, repository_id, until, moved_at, moved_by)
		VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (name) DO UPDATE SET project_id = excluded.project_id,
			repository_id = excluded.repository_id, until = excluded.until, moved_at = excluded.moved_at,
			moved_by = excluded.moved_by`,
		old, by.Project, by.Repository, db.Micros(f.Until), db.Micros(tx.Now), f.By)
	return db.Unavailable(err)
}

// Release has a former name be nobody's.
func Release(ctx context.Context, tx *db.Tx, name string) error {
	_, err := tx.Exec(ctx, "DELETE FROM former_names WHERE name = $1", name)
	return db.Unavailable(err)
}

// Forget releases the names that a project, which is removed, and its repositories had.
func Forget(ctx context.Context, tx *db.Tx, project string) error {
	for _, stmt := range []string{
		`DELETE FROM former_names WHERE repository_id IN
			(SELECT r.id FROM repositories r JOIN projects p ON p.id = r.project_id WHERE p.name = $1)`,
		"DELETE FROM former_names WHERE project_id IN (SELECT id FROM projects WHERE name = $1)",
	} {
		if _, err := tx.Exec(ctx, stmt, project); err != nil {
			return db.Unavailable(err)
		}
	}
	return nil
}
