// Package pairing sees to it that a registry's database and its content belong
// together.
//
// A registry is two things that must belong together: the bytes, and the
// database that says what they are. Beside a database that is new, older, or
// another registry's, bytes look like garbage, and would be collected. So both
// hold one identity, the records beside the bytes hold the number of the newest
// change that the database has committed, and nothing is served, collected or
// checked before the two were compared.
package pairing

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"

	"cove/errdefs"
	"cove/registry/metadata"
	"cove/registry/reindex"
	"cove/registry/storage"
)

// Pairing is what is known of the two before they are used.
type Pairing struct {
	root    string
	content string // what messages call it
	db      dbSide
	held    contentSide
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

// Look gathers both sides.
func Look(ctx context.Context, root string, db *metadata.DB, held *storage.Storage) (p Pairing, err error) {
	p.root, p.content = root, held.Name()
	// Before the database's: of another server's change the storage must not seem to
	// know first.
	p.held.sequence = held.Records.Sequence()
	if p.db.identity, err = db.Identity(ctx); err != nil {
		return p, err
	}
	if p.db.knows, err = db.KnowsContent(ctx); err != nil {
		return p, err
	}
	if p.db.sequence, err = db.Sequence(ctx); err != nil {
		return p, err
	}
	if p.held.identity, err = held.Records.Identity(ctx); err != nil {
		return p, err
	}
	const sample = 64
	seen, known := 0, 0
	for info, err := range held.Bytes.All(ctx) {
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

// Check is nil for two that belong together, or that can be told to: unpaired
// says that an identity is still to be given to both.
func (p Pairing) Check() (unpaired bool, err error) {
	database := filepath.Join(p.root, DatabaseFile)
	refuse := func(format string, args ...any) (bool, error) {
		err := errdefs.Errorf(errdefs.ErrConflict, format, args...)
		return false, errdefs.Suggest(err, errdefs.RecoverDatabase, p.root)
	}
	switch same := p.db.identity == p.held.identity; {
	// One that knows the identity is not lost: a kill within the very first push leaves
	// bytes that no row knows yet.
	case !p.db.knows && p.held.holds && (!same || p.db.identity == ""):
		return false, emptyDatabase(p.root, p.content)
	case same && p.db.identity != "" && p.db.sequence < p.held.sequence:
		return refuse("the database (%s, if it is not PostgreSQL) is an older copy: "+
			"it lacks changes that were made since to the content of %s", database, p.content)
	case same && p.db.identity != "":
		return false, nil
	case !p.db.knows && !p.held.holds, p.held.holds && p.held.familiar &&
		(p.db.identity == "" || p.held.identity == ""):
		return true, nil // a first start, or the first of a release that gives identities
	case p.db.knows && !p.held.holds:
		return refuse("%s is empty, and the database (%s, if it is not PostgreSQL) knows content: "+
			"is the file system with the content mounted, the bucket and its prefix the right one?",
			p.content, database)
	default:
		return refuse("the database (%s, if it is not PostgreSQL) and the content of %s are of two registries",
			database, p.content)
	}
}

// Familiar says that the database knows most of the content there is.
func (p Pairing) Familiar() bool { return p.held.familiar }

// WithoutContent is p with content that was set aside.
func (p Pairing) WithoutContent() Pairing {
	p.held = contentSide{}
	return p
}

// DatabaseFile is SQLite's file in a registry's root.
const DatabaseFile = "registry.db"

// emptyDatabase is the refusal of a database that knows nothing beside content.
func emptyDatabase(root, content string) error {
	err := errdefs.Errorf(errdefs.ErrConflict,
		"the database (%s, if it is not PostgreSQL) is missing or empty, and %s holds content: "+
			"beside it the content would be taken for garbage", filepath.Join(root, DatabaseFile), content)
	return errdefs.Suggest(err, errdefs.RecoverDatabase, root)
}

// DatabaseLost refuses a root whose content has lost SQLite's file. It looks
// before anything opens the database, for which a file would be made.
func DatabaseLost(root string) error {
	if fi, err := os.Stat(filepath.Join(root, DatabaseFile)); err == nil && fi.Size() > 0 {
		return nil
	}
	for _, alg := range []string{"sha256", "sha512"} {
		dir, err := os.Open(filepath.Join(root, "content", "blobs", alg))
		if err != nil {
			continue // no such content
		}
		names, err := dir.Readdirnames(1)
		if err = errors.Join(err, dir.Close()); err == nil && len(names) > 0 {
			return emptyDatabase(root, filepath.Join(root, "content"))
		}
	}
	return nil
}

// Pair gives the two one identity, after the records tell all that the database
// knows. The identity of the content comes last: with it the records count.
func (p Pairing) Pair(ctx context.Context, db *metadata.DB, held *storage.Storage) error {
	recs := held.Records
	id := rand.Text()
	for _, given := range []string{p.db.identity, p.held.identity} {
		if given != "" {
			id = given
			break
		}
	}
	if err := reindex.Record(ctx, db, recs); err != nil {
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
	return recs.SetIdentity(ctx, id)
}
