package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"cove/content/fsstore"
	"cove/errdefs"
	"cove/registry/metadata"
	"cove/registry/records"
	"cove/registry/store"
)

// A registry is two things that must belong together: the bytes, and the
// database that says what they are. Beside a database that is new, older, or
// another registry's, bytes look like garbage, and would be collected. So both
// hold one identity, the records beside the bytes hold the number of the newest
// change that the database has committed, and nothing is served, collected or
// checked before the two were compared.

// pairing is what is known of the two before they are used.
type pairing struct {
	root string
	db   dbSide
	held contentSide
}

type dbSide struct {
	identity string
	knows    bool // any content
	sequence int64
}

type contentSide struct {
	identity string
	holds    bool // any content
	// familiar: the database knows most of a sample of what is held.
	familiar bool
	sequence int64
}

// look gathers both sides.
func look(ctx context.Context, root string, db *metadata.DB, bytes *fsstore.Store, recs *records.Dir) (p pairing, err error) {
	p.root = root
	if p.db.identity, err = db.Identity(ctx); err != nil {
		return p, err
	}
	if p.db.knows, err = db.KnowsContent(ctx); err != nil {
		return p, err
	}
	if p.db.sequence, err = db.Sequence(ctx); err != nil {
		return p, err
	}
	if p.held.identity, err = recs.Identity(); err != nil {
		return p, err
	}
	p.held.sequence = recs.Sequence()
	const sample = 64
	seen, known := 0, 0
	for info, err := range bytes.All(ctx) {
		if err != nil {
			return p, err
		}
		owned, err := db.Owned(ctx, info.Digest)
		if err != nil {
			return p, err
		}
		if owned {
			known++
		}
		if seen++; seen == sample {
			break
		}
	}
	p.held.holds, p.held.familiar = seen > 0, known*2 > seen
	return p, nil
}

// check is nil for two that belong together, or that can be told to: adopt says
// that an identity is still to be given to both.
func (p pairing) check() (adopt bool, err error) {
	database, bytes := filepath.Join(p.root, databaseFile), filepath.Join(p.root, "content")
	refuse := func(format string, args ...any) (bool, error) {
		err := errdefs.Errorf(errdefs.ErrConflict, format, args...)
		return false, errdefs.Suggest(err, errdefs.RecoverDatabase, p.root)
	}
	switch same := p.db.identity == p.held.identity; {
	case !p.db.knows && p.held.holds:
		return false, emptyDatabase(p.root)
	case same && p.db.identity != "" && p.db.sequence < p.held.sequence:
		return refuse("the database (%s, if it is not PostgreSQL) is an older copy: "+
			"it lacks changes that were made since to the content of %s", database, bytes)
	case same && p.db.identity != "":
		return false, nil
	case !p.db.knows && !p.held.holds, p.held.holds && p.held.familiar && (p.db.identity == "" || p.held.identity == ""):
		return true, nil // a first start, or the first of a release that gives identities
	case p.db.knows && !p.held.holds:
		return refuse("%s is empty, and the database (%s, if it is not PostgreSQL) knows content: "+
			"is the file system with the content mounted?", bytes, database)
	default:
		return refuse("the database (%s, if it is not PostgreSQL) and the content of %s are of two registries", database, bytes)
	}
}

// emptyDatabase is the refusal of a database that knows nothing beside content.
func emptyDatabase(root string) error {
	err := errdefs.Errorf(errdefs.ErrConflict, "the database (%s, if it is not PostgreSQL) is missing or empty, and %s holds content: "+
		"beside it the content would be taken for garbage", filepath.Join(root, databaseFile), filepath.Join(root, "content"))
	return errdefs.Suggest(err, errdefs.RecoverDatabase, root)
}

// databaseLost refuses a root whose content has lost SQLite's file. It looks
// before anything opens the database, for which a file would be made.
func databaseLost(root string) error {
	if fi, err := os.Stat(filepath.Join(root, databaseFile)); err == nil && fi.Size() > 0 {
		return nil
	}
	for _, alg := range []string{"sha256", "sha512"} {
		dir, err := os.Open(filepath.Join(root, "content", "blobs", alg))
		if err != nil {
			continue // no such content
		}
		names, err := dir.Readdirnames(1)
		if err = errors.Join(err, dir.Close()); err == nil && len(names) > 0 {
			return emptyDatabase(root)
		}
	}
	return nil
}

// openRecords makes the folder of the records if it is missing.
func openRecords(root string) (*records.Dir, error) {
	name := filepath.Join(root, "content", "records")
	if err := os.Mkdir(name, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("registry root: %w", err)
	}
	return records.Open(name)
}

// adopt gives the two one identity, after the records tell all that the database
// knows. The identity of the content comes last: with it the records count.
func adopt(ctx context.Context, p pairing, db *metadata.DB, recs *records.Dir) error {
	id := rand.Text()
	for _, given := range []string{p.db.identity, p.held.identity} {
		if given != "" {
			id = given
			break
		}
	}
	if err := store.Record(ctx, db, recs); err != nil {
		return err
	}
	if err := recs.Sync(); err != nil {
		return err
	}
	err := db.Update(ctx, func(ctx context.Context, tx *metadata.Tx) error { return tx.SetIdentity(ctx, id) })
	if err != nil {
		return err
	}
	if err := recs.SetSequence(p.db.sequence); err != nil {
		return err
	}
	return recs.SetIdentity(id)
}

// pair opens the records and sees to it that database and content belong
// together. With BeginAnew it makes them do so.
func (s *state) pair(ctx context.Context, cfg Config) (err error) {
	if s.records, err = openRecords(cfg.Root); err != nil {
		return err
	}
	p, err := look(ctx, cfg.Root, s.db, s.store, s.records)
	if err != nil {
		return err
	}
	adopting, refusal := p.check()
	switch {
	case refusal != nil && !cfg.BeginAnew:
		return refusal
	case refusal != nil && !p.held.familiar:
		if err := s.setAside(cfg.Root); err != nil {
			return err
		}
		adopting, p.held.identity = true, ""
	case refusal != nil:
		adopting = true
	}
	if adopting {
		err = adopt(ctx, p, s.db, s.records)
	}
	s.db.OnCommit(s.records.Raise)
	return err
}

// setAside moves the content out of the way and opens an empty one.
func (s *state) setAside(root string) error {
	err := errors.Join(s.records.Close(), s.store.Close())
	s.records, s.store = nil, nil
	if err != nil {
		return err
	}
	aside := "content" + time.Now().UTC().Format(asideFormat)
	if err := s.root.Rename("content", aside); err != nil {
		return fmt.Errorf("setting the content aside: %w", err)
	}
	if err := s.root.Mkdir("content", 0o700); err != nil {
		return err
	}
	if s.store, err = fsstore.Open(filepath.Join(root, "content"), fsstore.Options{}); err != nil {
		return err
	}
	s.records, err = openRecords(root)
	return err
}

// Reindex makes the database of a registry again from what lies beside its
// bytes; see store.Reindex. With SQLite the registry must be stopped.
func Reindex(ctx context.Context, cfg Config, problem func(error)) (_ store.Reindexed, err error) {
	if err := cfg.Complete(); err != nil {
		return store.Reindexed{}, err
	}
	s := &state{}
	defer func() { err = errors.Join(err, s.close(false)) }()
	if _, err := os.Stat(filepath.Join(cfg.Root, "content", "records", "identity")); err != nil {
		return store.Reindexed{}, errdefs.Errorf(errdefs.ErrNotFound,
			"%s holds no records to make a database from: %w", filepath.Join(cfg.Root, "content"), err)
	}
	if s.root, err = os.OpenRoot(cfg.Root); err != nil {
		return store.Reindexed{}, fmt.Errorf("registry root: %w", err)
	}
	if cfg.Database == "" {
		if err := errors.Join(s.claim(cfg.Root), s.makeDatabaseFile()); err != nil {
			return store.Reindexed{}, err
		}
	}
	if s.db, err = metadata.Open(ctx, metadata.Config{DSN: cfg.dsn()}); err != nil {
		return store.Reindexed{}, err
	}
	if s.store, err = fsstore.Open(filepath.Join(cfg.Root, "content"), fsstore.Options{}); err != nil {
		return store.Reindexed{}, err
	}
	if s.records, err = openRecords(cfg.Root); err != nil {
		return store.Reindexed{}, err
	}
	id, err := s.records.Identity()
	if err != nil {
		return store.Reindexed{}, err
	}
	theirs, err := s.db.Identity(ctx)
	if err != nil {
		return store.Reindexed{}, err
	}
	if knows, err := s.db.KnowsContent(ctx); err != nil || knows && theirs != "" && theirs != id {
		return store.Reindexed{}, errors.Join(err, errdefs.Errorf(errdefs.ErrConflict,
			"the database is another registry's; move it away, and a new one is made"))
	}
	done, err := store.Reindex(ctx, s.store, s.db, s.records, problem)
	if err != nil {
		return done, err
	}
	return done, s.db.Update(ctx, func(ctx context.Context, tx *metadata.Tx) error { return tx.SetIdentity(ctx, id) })
}
