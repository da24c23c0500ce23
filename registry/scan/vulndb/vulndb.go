// Package vulndb keeps databases of vulnerabilities in the registry's own, and
// matches packages against them. A database comes in beside the one that it takes the
// place of, and is asked from the moment on at which all of it is there.
package vulndb

import (
	"context"
	"errors"
	"io"
	"regexp"
	"strings"
	"time"

	"cove/errdefs"
	"cove/registry/db"
	"cove/registry/metadata"
	"cove/registry/scan/advisory"
	"cove/registry/scan/feed"
)

// Source is a database that was imported.
type Source struct {
	ID                          int64
	Name, Form, Origin          string
	Advisories, Vulnerabilities int
	By                          string
	At                          time.Time
}

// New says what is imported.
type New struct {
	Name   string // it takes the place of the one that has this name
	Origin string // for people: the file or the reference
	By     string
}

// DB are the databases. It is safe for concurrent use.
type DB struct{ db *metadata.DB }

// Over keeps them in a registry's database.
func Over(database *metadata.DB) *DB { return &DB{database} }

const selectSources = `SELECT id, name, form, origin, advisories, vulnerabilities, imported_by, imported_at
	FROM scan_sources `

func scanSource(row db.Scanner) (s Source, err error) {
	var at int64
	err = row.Scan(&s.ID, &s.Name, &s.Form, &s.Origin, &s.Advisories, &s.Vulnerabilities, &s.By, &at)
	s.At = time.UnixMicro(at)
	return s, err
}

// Sources lists those that are asked, by name.
func Sources(ctx context.Context, q db.Querier) ([]Source, error) {
	return db.All(ctx, q, scanSource, selectSources+"WHERE active = 1 ORDER BY name")
}

// Any says whether there is one.
func Any(ctx context.Context, q db.Querier) (bool, error) {
	some, err := db.All(ctx, q, db.ScanString, "SELECT name FROM scan_sources WHERE active = 1 LIMIT 1")
	return len(some) > 0, err
}

var nameOfSource = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`)

// CheckName refuses what is no name of a database.
func CheckName(name string) error {
	if !nameOfSource.MatchString(name) {
		return errdefs.Errorf(errdefs.ErrInvalid,
			`name %q of a database: use lower case letters, digits, ".", "_" and "-", at most 63`, name)
	}
	return nil
}

// Import reads a database and has it asked in the place of the one of its name. Done
// runs in the last transaction, with the number of the new one. What is no database
// of a form that is known is errdefs.ErrInvalid, and changes nothing.
func (d *DB) Import(
	ctx context.Context, n New, file io.ReaderAt, size int64,
	done func(ctx context.Context, tx *metadata.Tx, s Source) error,
) (Source, error) {
	if err := CheckName(n.Name); err != nil {
		return Source{}, err
	}
	s := Source{Name: n.Name, Origin: n.Origin, By: n.By}
	if err := d.Sweep(ctx); err != nil {
		return s, err
	}
	err := d.db.Update(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		s.ID, s.At = tx.Tx.NewID(), tx.Now()
		_, err := tx.Tx.Exec(ctx, `INSERT INTO scan_sources (id, name, origin, imported_by, imported_at)
			VALUES ($1, $2, $3, $4, $5)`, s.ID, s.Name, s.Origin, s.By, db.Micros(s.At))
		return db.Unavailable(err)
	})
	if err != nil {
		return s, err
	}
	w := &writer{db: d.db, source: s.ID}
	s.Form, err = feed.Read(ctx, file, size, w)
	if err == nil {
		err = w.flush(ctx)
	}
	if err == nil && w.advisories == 0 {
		err = errdefs.Errorf(errdefs.ErrInvalid,
			"the database says nothing of packages that are read here; see the documentation for those that are")
	}
	s.Advisories, s.Vulnerabilities = w.advisories, w.vulnerabilities
	if err == nil {
		err = d.activate(ctx, s, done)
	}
	if err != nil {
		return s, errors.Join(err, d.drop(context.WithoutCancel(ctx), s.ID))
	}
	return s, d.Sweep(ctx)
}

func (d *DB) activate(
	ctx context.Context, s Source, done func(ctx context.Context, tx *metadata.Tx, s Source) error,
) error {
	return d.db.Update(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		if _, err := tx.Tx.Exec(ctx, "UPDATE scan_sources SET active = 0 WHERE name = $1 AND active = 1", s.Name); err != nil {
			return db.Unavailable(err)
		}
		_, err := tx.Tx.Exec(
			ctx,
			`UPDATE scan_sources SET active = 1, form = $2, advisories = $3, vulnerabilities = $4
			WHERE id = $1`,
			s.ID,
			s.Form,
			s.Advisories,
			s.Vulnerabilities,
		)
		if err != nil {
			return db.Unavailable(err)
		}
		return done(ctx, tx, s)
	})
}

// Remove has a database asked no more. Done runs in the same transaction.
func (d *DB) Remove(ctx context.Context, name string, done func(ctx context.Context, tx *metadata.Tx) error) error {
	err := d.db.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		changed, err := tx.Tx.Exec(ctx, "UPDATE scan_sources SET active = 0 WHERE name = $1 AND active = 1", name)
		if err != nil {
			return db.Unavailable(err)
		}
		if changed == 0 {
			return errdefs.Errorf(errdefs.ErrNotFound, "there is no database %q", name)
		}
		return done(ctx, tx)
	})
	if err != nil {
		return err
	}
	return d.Sweep(ctx)
}

// abandoned is after how long a database that is not active is one whose import was
// cut off.
const abandoned = 6 * time.Hour

// Sweep removes what databases left that are asked no more.
func (d *DB) Sweep(ctx context.Context) error {
	old, err := db.All(ctx, d.db.Querier(), scanSource,
		selectSources+"WHERE active = 0 AND (form <> '' OR imported_at < $1)", db.Micros(d.db.Now().Add(-abandoned)))
	for _, s := range old {
		if err == nil {
			err = d.drop(ctx, s.ID)
		}
	}
	return err
}

// drop removes all of a database, in steps that hold nobody up.
func (d *DB) drop(ctx context.Context, id int64) error {
	const step = 2000
	for _, stmt := range []string{
		`DELETE FROM scan_advisories WHERE id IN (SELECT id FROM scan_advisories WHERE source_id = $1 LIMIT $2)`,
		`DELETE FROM scan_vulnerabilities WHERE source_id = $1 AND id IN
			(SELECT id FROM scan_vulnerabilities WHERE source_id = $1 LIMIT $2)`,
	} {
		for gone := int64(step); gone == step; {
			err := d.db.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) (err error) {
				gone, err = tx.Tx.Exec(ctx, stmt, id, step)
				return db.Unavailable(err)
			})
			if err != nil {
				return err
			}
		}
	}
	return d.db.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		_, err := tx.Tx.Exec(ctx, "DELETE FROM scan_sources WHERE id = $1", id)
		return db.Unavailable(err)
	})
}

// Vulnerability is what the databases say of one; the zero value when they say
// nothing.
func Vulnerability(ctx context.Context, q db.Querier, id string) (advisory.Vulnerability, error) {
	all, err := db.All(ctx, q, func(row db.Scanner) (v advisory.Vulnerability, err error) {
		var score, published int64
		var links string
		err = row.Scan(&v.ID, &v.Severity, &score, &v.Title, &v.Description, &links, &published)
		v.Score, v.Links = float64(score)/10, strings.Fields(links)
		if published != 0 {
			v.Published = time.UnixMicro(published)
		}
		return v, err
	}, `SELECT v.id, v.severity, v.score, v.title, v.description, v.links, v.published_at FROM scan_vulnerabilities v
		JOIN scan_sources s ON s.id = v.source_id AND s.active = 1
		WHERE v.id = $1 ORDER BY v.severity DESC, s.name`, id)
	if err != nil || len(all) == 0 {
		return advisory.Vulnerability{}, err
	}
	best := all[0]
	for _, v := range all[1:] {
		if best.Title == "" {
			best.Title = v.Title
		}
		if best.Description == "" {
			best.Description = v.Description
		}
		best.Links = append(best.Links, v.Links...)
	}
	return best, nil
}
