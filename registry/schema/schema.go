// Package schema brings a registry's database from one version of its tables to
// another, and keeps copies from before, so that there is a way back.
package schema

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"cove/errdefs"
	"cove/registry/db"
	"cove/registry/db/dump"
	"cove/registry/metadata"
)

const (
	// copiesDir has the copies, in the root.
	copiesDir  = "before-migration"
	copiesKept = 3
	stamp      = "20060102T150405Z"
)

// Place is the database of a registry and the root beside it.
type Place struct {
	Root *os.Root
	DSN  string
}

// Open opens the database at the newest schema, for a server that starts. One that
// comes to it now is copied first. A nil machine is this machine's clock.
func (p Place) Open(ctx context.Context, machine func() time.Time) (_ *metadata.DB, err error) {
	defer func() { err = p.explained(err) }()
	current, newest, err := p.look(ctx)
	if err != nil {
		return nil, err
	}
	if current > 0 && current < newest {
		if _, err := p.copy(ctx, current); err != nil {
			return nil, fmt.Errorf("before the database is brought from version %d to %d: %w", current, newest, err)
		}
	}
	return metadata.Open(ctx, metadata.Config{DSN: p.DSN, Machine: machine})
}

// OpenAsItIs opens a database that is at the newest schema, or beyond it. Who only
// looks, or changes a user, brings none there: the server that runs beside it, or
// that somebody has just gone back to, may be of an older release.
func (p Place) OpenAsItIs(ctx context.Context, machine func() time.Time) (_ *metadata.DB, err error) {
	defer func() { err = p.explained(err) }()
	switch current, newest, err := p.look(ctx); {
	case err != nil:
		return nil, err
	case current == 0:
		err := errdefs.Errorf(errdefs.ErrConflict, "the database %s holds no registry; a first start makes one",
			p.name())
		return nil, errdefs.Suggest(err, errdefs.RecoverDatabase, p.Root.Name())
	case current < newest:
		return nil, p.older(current, newest)
	}
	return metadata.Open(ctx, metadata.Config{DSN: p.DSN, Machine: machine})
}

func (p Place) older(current, newest int64) error {
	err := errdefs.Errorf(errdefs.ErrConflict, "the database is at version %d of its schema, and this release works "+
		"on %d: use the release that the database is of", current, newest)
	return errdefs.Suggest(err, errdefs.MigrateUp, p.Root.Name())
}

// name has no password in it.
func (p Place) name() string {
	if db.IsPostgres(p.DSN) {
		return "at PostgreSQL"
	}
	return p.DSN
}

func (p Place) look(ctx context.Context) (current, newest int64, err error) {
	s, err := metadata.OpenSchema(p.DSN)
	if err != nil {
		return 0, 0, err
	}
	current, err = s.Current(ctx)
	return current, s.Newest(), errors.Join(err, s.Close())
}

// explained names a file that SQLite cannot read as a database, and the ways back.
func (p Place) explained(err error) error {
	if !db.Damaged(err) {
		return err
	}
	err = errdefs.Errorf(errdefs.ErrConflict, "the database %s is damaged and has to be moved away (%w)", p.DSN, err)
	return errdefs.Suggest(err, errdefs.RecoverDatabase, p.Root.Name())
}

// copy writes a copy into the root and removes the oldest ones.
func (p Place) copy(ctx context.Context, version int64) (file string, err error) {
	if err := p.Root.Mkdir(copiesDir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	name := fmt.Sprintf("version-%05d.%s.db", version, time.Now().UTC().Format(stamp))
	file = filepath.Join(p.Root.Name(), copiesDir, name)
	switch err := dump.Write(ctx, metadata.Config{DSN: p.DSN}.Connection(), file); {
	case errors.Is(err, errdefs.ErrConflict): // made in this second
		return file, nil
	case err != nil:
		return "", err
	}
	return file, p.removeOld()
}

func (p Place) removeOld() error {
	entries, err := fs.ReadDir(p.Root.FS(), copiesDir)
	if err != nil {
		return err
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(made(b.Name()), made(a.Name())) })
	for i, e := range entries {
		if i < copiesKept {
			continue
		}
		if err := p.Root.Remove(path.Join(copiesDir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// made is the part of a copy's name that says when.
func made(name string) string { return name[strings.Index(name, ".")+1:] }

// Versions lists those that this release knows, and says which the database is at,
// which may be of a newer release. It changes nothing.
func (p Place) Versions(ctx context.Context) (all []db.Version, current int64, err error) {
	defer func() { err = p.explained(err) }()
	s, err := metadata.OpenSchema(p.DSN)
	if err != nil {
		return nil, 0, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if all, err = s.Versions(ctx); err != nil {
		return nil, 0, err
	}
	current, err = s.Current(ctx)
	return all, current, err
}

// The versions that To takes beside those that Versions lists.
const (
	Newest int64 = 0
	Before int64 = -1 // the one before that which the database is at
)

// Moved is what a change of the schema did.
type Moved struct {
	From, To int64
	Copy     string // of the database as it was; "" when nothing was to be done
}

// To brings the database to a version, after a copy of it was made.
func (p Place) To(ctx context.Context, version int64) (done Moved, err error) {
	defer func() { err = p.explained(err) }()
	s, err := metadata.OpenSchema(p.DSN)
	if err != nil {
		return done, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if done.From, err = s.Current(ctx); err != nil {
		return done, err
	}
	if done.To, err = resolve(ctx, s, version, done.From); err == nil {
		err = s.Check(ctx, done.To)
	}
	if done.From > s.Newest() && done.To == s.Newest() {
		done.To = done.From // a newer release was here, and only added
	}
	if err != nil || done.To == done.From {
		return done, err
	}
	if done.Copy, err = p.copy(ctx, done.From); err != nil {
		return done, err
	}
	return done, s.To(ctx, done.To)
}

func resolve(ctx context.Context, s *db.Schema, version, current int64) (int64, error) {
	switch version {
	case Newest:
		return s.Newest(), nil
	case Before:
	default:
		return version, nil
	}
	all, err := s.Versions(ctx)
	before := int64(0)
	for _, v := range all {
		if v.Number < current {
			before = v.Number
		}
	}
	if err == nil && before == 0 {
		err = errdefs.Errorf(errdefs.ErrInvalid, "the database is at version %d, the oldest", current)
	}
	return before, err
}
