// Package collect has what the collector of garbage asks and changes, for many digests
// with one statement each: with one statement for each digest it is the database that
// keeps others waiting. Rows that guard digests are locked in the order of these, as by
// everybody who locks several.
package collect

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/registry/db"
	"cove/registry/metadata/usage"
)

// Most is how many entries one call takes.
const Most = db.ListMost

// BytesOf is the repository id under which the queue names stored bytes rather than a
// membership.
const BytesOf = 0

// Due is one entry of the collector's queue.
type Due struct {
	RepositoryID int64 // BytesOf: the bytes themselves
	Digest       digest.Digest
}

// Bytes says that the entry is about stored bytes, not about a membership.
func (d Due) Bytes() bool { return d.RepositoryID == BytesOf }

// Next lists at most n entries that are due, the oldest, in the order of repositories and
// digests: so neighbours in the tables are worked on together, and a page of these is
// written once and not once for each of its rows.
func Next(ctx context.Context, q db.Querier, now time.Time, n int) ([]Due, error) {
	due, err := db.All(ctx, q, func(s db.Scanner) (d Due, err error) {
		return d, s.Scan(&d.RepositoryID, &d.Digest)
	}, "SELECT repository_id, digest FROM gc_queue WHERE due_at <= $1 ORDER BY due_at LIMIT $2", db.Micros(now), n)
	slices.SortFunc(due, func(a, b Due) int {
		return cmp.Or(cmp.Compare(a.RepositoryID, b.RepositoryID), cmp.Compare(a.Digest, b.Digest))
	})
	return due, err
}

// Leased is an entry that comes due when a lease ends.
type Leased struct {
	Due
	Until time.Time
}

// Memberships ends those of blobs that no manifest of their repositories needs and whose
// leases are over; it says how many, and which are leased still. The others leave the
// queue: whoever removes what needs them queues them again.
func Memberships(
	ctx context.Context, tx *db.Tx, changes *usage.Changes, due []Due,
) (ended int, leased []Leased, err error) {
	if _, err := lock(ctx, tx, digestsOf(due)); err != nil {
		return 0, nil, err
	}
	for len(due) > 0 {
		n := len(due)
		if i := slices.IndexFunc(due, func(d Due) bool { return d.RepositoryID != due[0].RepositoryID }); i > 0 {
			n = i
		}
		over, still, err := ofRepository(ctx, tx, changes, due[:n])
		if err != nil {
			return 0, nil, err
		}
		ended, leased, due = ended+over, append(leased, still...), due[n:]
	}
	return ended, leased, nil
}

// ofRepository is Memberships of one repository, once the digests are locked.
func ofRepository(
	ctx context.Context, tx *db.Tx, changes *usage.Changes, due []Due,
) (ended int, leased []Leased, err error) {
	repository, digests := due[0].RepositoryID, digestsOf(due)
	var over, still []digest.Digest
	in, args := db.List(digests, repository)
	// No EXISTS, for which PostgreSQL reads whole tables into memory.
	err = db.Each(ctx, tx, func(s db.Scanner) (bool, error) {
		var dgst digest.Digest
		var until, needed int64
		err := s.Scan(&dgst, &until, &needed)
		switch {
		case needed != 0:
		case until > db.Micros(tx.Now):
			still = append(still, dgst)
			leased = append(leased, Leased{Due{repository, dgst}, time.UnixMicro(until)})
		default:
			over = append(over, dgst)
		}
		return true, err
	}, `SELECT b.digest, b.leased_until, COALESCE((SELECT 1 FROM manifest_refs f
			WHERE f.repository_id = b.repository_id AND f.digest = b.digest AND f.is_manifest = 0 LIMIT 1), 0)
		FROM repository_blobs b WHERE b.repository_id = $1 AND b.digest IN (`+in+`)`, args...)
	if err != nil {
		return 0, nil, err
	}
	if err := end(ctx, tx, repository, over); err != nil {
		return 0, nil, err
	}
	for _, dgst := range over {
		changes.Left(repository, dgst)
	}
	leave := slices.DeleteFunc(digests, func(dgst digest.Digest) bool { return slices.Contains(still, dgst) })
	return len(over), leased, forget(ctx, tx, repository, leave)
}

// end takes blobs from a repository and has their bytes looked at.
func end(ctx context.Context, tx *db.Tx, repository int64, over []digest.Digest) error {
	if len(over) == 0 {
		return nil
	}
	in, args := db.List(over, repository)
	_, err := tx.Exec(ctx, "DELETE FROM repository_blobs WHERE repository_id = $1 AND digest IN ("+in+")", args...)
	if err != nil {
		return db.Unavailable(err)
	}
	in, args = db.List(over, db.Micros(tx.Now))
	_, err = tx.Exec(ctx, `INSERT INTO gc_queue (repository_id, digest, due_at)
		SELECT 0, digest, $1 FROM blobs WHERE digest IN (`+in+`) ORDER BY digest
		ON CONFLICT (repository_id, digest) DO UPDATE SET due_at = excluded.due_at
		WHERE gc_queue.due_at < excluded.due_at`, args...)
	return db.Unavailable(err)
}

// Mark is the decision about stored bytes, and tells how many they are: those that nothing
// refers to it marks, and from then on nothing can. The caller holds the locks of the
// digests, removes the bytes, and calls Drop before it lets go.
func Mark(ctx context.Context, tx *db.Tx, digests []digest.Digest) (marked []digest.Digest, bytes int64, err error) {
	sizes, err := lock(ctx, tx, digests)
	if err != nil {
		return nil, 0, err
	}
	in, args := db.List(digests)
	// No DISTINCT, which would read all repositories of a layer that many have.
	held, err := db.All(ctx, tx, scanDigest, `SELECT digest FROM blobs b WHERE digest IN (`+in+`) AND COALESCE(
		(SELECT 1 FROM repository_blobs c WHERE c.digest = b.digest LIMIT 1),
		(SELECT 1 FROM manifests m WHERE m.digest = b.digest LIMIT 1),
		(SELECT 1 FROM manifest_refs f WHERE f.digest = b.digest LIMIT 1)) IS NOT NULL`, args...)
	if err != nil {
		return nil, 0, err
	}
	var others []digest.Digest // queued again by whoever removes what was found, if they are there
	for _, dgst := range digests {
		size, stored := sizes[dgst]
		if !stored || slices.Contains(held, dgst) {
			others = append(others, dgst)
			continue
		}
		marked, bytes = append(marked, dgst), bytes+size
	}
	if err := forget(ctx, tx, BytesOf, others); err != nil || len(marked) == 0 {
		return nil, 0, err
	}
	in, args = db.List(marked)
	_, err = tx.Exec(ctx, "UPDATE blobs SET deleting = 1 WHERE digest IN ("+in+")", args...)
	return marked, bytes, db.Unavailable(err)
}

// Drop forgets digests whose bytes are gone.
func Drop(ctx context.Context, tx *db.Tx, digests []digest.Digest) error {
	if _, err := lock(ctx, tx, digests); err != nil {
		return err
	}
	in, args := db.List(digests)
	for _, stmt := range []string{
		"DELETE FROM blobs WHERE deleting = 1 AND digest IN (" + in + ")",
		"DELETE FROM deleted_manifests WHERE digest IN (" + in + ")",
		"DELETE FROM artifact_labels WHERE digest IN (" + in + ")",
	} {
		if _, err := tx.Exec(ctx, stmt, args...); err != nil {
			return db.Unavailable(err)
		}
	}
	return forget(ctx, tx, BytesOf, digests)
}

// lock takes the rows that guard digests, and tells of how many bytes each is.
func lock(ctx context.Context, tx *db.Tx, digests []digest.Digest) (sizes map[digest.Digest]int64, err error) {
	sizes = make(map[digest.Digest]int64, len(digests))
	in, args := db.List(slices.Compact(slices.Sorted(slices.Values(digests))))
	err = db.Each(ctx, tx, func(s db.Scanner) (bool, error) {
		var dgst digest.Digest
		var size int64
		err := s.Scan(&dgst, &size)
		sizes[dgst] = size
		return true, err
	}, "SELECT digest, size FROM blobs WHERE digest IN ("+in+") ORDER BY digest"+tx.ForUpdate, args...)
	return sizes, err
}

// forget takes entries out of the queue.
func forget(ctx context.Context, tx *db.Tx, repository int64, digests []digest.Digest) error {
	if len(digests) == 0 {
		return nil
	}
	in, args := db.List(digests, repository)
	_, err := tx.Exec(ctx, "DELETE FROM gc_queue WHERE repository_id = $1 AND digest IN ("+in+")", args...)
	return db.Unavailable(err)
}

func digestsOf(due []Due) []digest.Digest {
	all := make([]digest.Digest, len(due))
	for i, d := range due {
		all[i] = d.Digest
	}
	return all
}

func scanDigest(s db.Scanner) (dgst digest.Digest, err error) { return dgst, s.Scan(&dgst) }
