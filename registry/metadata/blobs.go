package metadata

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/errdefs"
	"cove/registry/db"
	"cove/registry/metadata/sparse"
)

// Blob is a blob as a member of a repository.
type Blob struct {
	RepositoryID int64
	Digest       digest.Digest
	Size         int64
	LeasedUntil  time.Time
	Damaged      bool // see MarkDamaged
	// Stored is when its bytes were last stored: they were durable before.
	Stored time.Time
}

// Blob returns a blob of the repository with this canonical name, or
// errdefs.ErrNotFound.
func (q Queries) Blob(ctx context.Context, repo string, dgst digest.Digest) (Blob, error) {
	b := Blob{Digest: dgst}
	var leased, damaged, stored int64
	err := q.q.Row(ctx, `SELECT rb.repository_id, b.size, rb.leased_until, b.damaged, b.created_at
		FROM repositories r
		JOIN repository_blobs rb ON rb.repository_id = r.id AND rb.digest = $2
		JOIN blobs b ON b.digest = rb.digest
		WHERE r.name = $1`, repo, dgst.String()).Scan(&b.RepositoryID, &b.Size, &leased, &damaged, &stored)
	b.LeasedUntil, b.Damaged, b.Stored = time.UnixMicro(leased), damaged != 0, time.UnixMicro(stored)
	return b, db.NotFound(err, "repository %s has no blob %s", repo, dgst)
}

// Stored is what the database says of stored bytes: of a blob or a manifest.
type Stored struct {
	Digest  digest.Digest
	Size    int64
	Damaged bool
}

// Stored lists, after last, what must be in the storage; at most n.
func (q Queries) Stored(ctx context.Context, last digest.Digest, n int) ([]Stored, error) {
	return db.All(ctx, q.q, func(s db.Scanner) (st Stored, err error) {
		var dgst string
		var damaged int64
		err = s.Scan(&dgst, &st.Size, &damaged)
		st.Digest, st.Damaged = digest.Digest(dgst), damaged != 0
		return st, err
	}, "SELECT digest, size, damaged FROM blobs WHERE digest > $1 AND deleting = 0 ORDER BY digest LIMIT $2", last.String(), n)
}

// Holders names the repositories that hold a digest as a blob or as a manifest,
// at most n.
func (q Queries) Holders(ctx context.Context, dgst digest.Digest, n int) ([]string, error) {
	return db.All(ctx, q.q, db.ScanString, `SELECT r.name FROM repositories r WHERE r.id IN (
			SELECT repository_id FROM repository_blobs WHERE digest = $1
			UNION SELECT repository_id FROM manifests WHERE digest = $1)
		ORDER BY r.name LIMIT $2`, dgst.String(), n)
}

// BlobRepositories names repositories that hold a blob, at most n.
func (q Queries) BlobRepositories(ctx context.Context, dgst digest.Digest, n int) ([]string, error) {
	return db.All(ctx, q.q, db.ScanString, `SELECT r.name FROM repository_blobs rb
		JOIN repositories r ON r.id = rb.repository_id WHERE rb.digest = $1 LIMIT $2`, dgst.String(), n)
}

// AddBytes records that the bytes of a digest are durable. The caller holds
// LockDigest since before they were, so that GC cannot be removing them.
func (tx *Tx) AddBytes(ctx context.Context, dgst digest.Digest, size int64) error {
	_, err := tx.q.Exec(ctx, `INSERT INTO blobs (digest, size, created_at) VALUES ($1, $2, $3)
		ON CONFLICT (digest) DO UPDATE SET deleting = 0, damaged = 0, size = excluded.size,
			created_at = excluded.created_at`,
		dgst.String(), size, db.Micros(tx.tx.Now))
	return db.Unavailable(err)
}

// MarkDamaged records whether a read has found that the stored bytes are not
// their digest's. Who asks for damaged bytes is told that they are not there.
func (tx *Tx) MarkDamaged(ctx context.Context, dgst digest.Digest, damaged bool) error {
	_, err := tx.q.Exec(ctx, "UPDATE blobs SET damaged = $2 WHERE digest = $1", dgst.String(), db.Number(damaged))
	return db.Unavailable(err)
}

// AddBlob makes a stored blob a member of a repository under a lease, and has
// GC look at it when the lease ends.
func (tx *Tx) AddBlob(ctx context.Context, repoID int64, dgst digest.Digest, until time.Time) error {
	joined, err := tx.q.Exec(ctx, `INSERT INTO repository_blobs (repository_id, digest, leased_until)
		VALUES ($1, $2, $3) ON CONFLICT (repository_id, digest) DO NOTHING`, repoID, dgst.String(), db.Micros(until))
	if err != nil {
		return db.Unavailable(err)
	}
	tx.usage.Pushed(repoID, dgst, joined > 0)
	arrived, err := sparse.Arrived(ctx, tx.q, repoID, dgst, false)
	if err != nil {
		return err
	}
	tx.usage.Needed(repoID, dgst, arrived)
	if joined > 0 { // with this lease
		return tx.Review(ctx, repoID, dgst, until)
	}
	return tx.RenewBlob(ctx, repoID, dgst, until)
}

// RenewBlob renews the lease of a member, for who was told that it is there.
func (tx *Tx) RenewBlob(ctx context.Context, repoID int64, dgst digest.Digest, until time.Time) error {
	if _, err := tx.q.Exec(ctx, `UPDATE repository_blobs SET leased_until = $3
		WHERE repository_id = $1 AND digest = $2 AND leased_until < $3`, repoID, dgst.String(),
		db.Micros(until)); err != nil {
		return db.Unavailable(err)
	}
	return tx.Review(ctx, repoID, dgst, until)
}

// PinBlob locks a stored blob, so that GC waits, and returns its size and
// whether the repository holds it. errdefs.ErrNotFound: its bytes are not
// stored, are going, or are damaged.
func (tx *Tx) PinBlob(ctx context.Context, repoID int64, dgst digest.Digest) (size int64, member bool, err error) {
	var deleting, damaged int64
	err = tx.q.Row(ctx, "SELECT size, deleting, damaged FROM blobs WHERE digest = $1"+tx.tx.ForShare,
		dgst.String()).Scan(&size, &deleting, &damaged)
	if err == nil && deleting+damaged != 0 {
		err = sql.ErrNoRows
	}
	if err != nil {
		return 0, false, db.NotFound(err, "blob %s is not stored", dgst)
	}
	member, err = tx.exists(ctx, "SELECT 1 FROM repository_blobs WHERE repository_id = $1 AND digest = $2", repoID,
		dgst.String())
	return size, member, err
}

// RemoveBlob ends a blob's membership of a repository. A blob that a manifest
// there needs is errdefs.ErrConflict: delete the manifest first.
func (tx *Tx) RemoveBlob(ctx context.Context, repoID int64, dgst digest.Digest) error {
	if err := tx.lockBytes(ctx, dgst); err != nil {
		return err
	}
	member, err := tx.exists(ctx, "SELECT 1 FROM repository_blobs WHERE repository_id = $1 AND digest = $2", repoID,
		dgst.String())
	if err != nil {
		return err
	}
	if !member {
		return errdefs.Errorf(errdefs.ErrNotFound, "this repository has no blob %s", dgst)
	}
	needed, err := tx.blobNeeded(ctx, repoID, dgst)
	if err != nil {
		return err
	}
	if needed {
		return errdefs.Errorf(errdefs.ErrConflict, "blob %s is part of a manifest; delete the manifest first", dgst)
	}
	return tx.dropMembership(ctx, repoID, dgst)
}

func (tx *Tx) blobNeeded(ctx context.Context, repoID int64, dgst digest.Digest) (bool, error) {
	return tx.exists(ctx, "SELECT 1 FROM manifest_refs WHERE repository_id = $1 AND digest = $2 AND is_manifest = 0 LIMIT 1",
		repoID, dgst.String())
}

// dropMembership takes a blob from a repository and has GC look at its bytes.
func (tx *Tx) dropMembership(ctx context.Context, repoID int64, dgst digest.Digest) error {
	left, err := tx.q.Exec(ctx, "DELETE FROM repository_blobs WHERE repository_id = $1 AND digest = $2", repoID,
		dgst.String())
	if err != nil {
		return db.Unavailable(err)
	}
	if left > 0 {
		tx.usage.Left(repoID, dgst)
	}
	if err := tx.forget(ctx, repoID, dgst); err != nil {
		return err
	}
	return tx.Review(ctx, bytesOf, dgst, tx.tx.Now)
}

// exists says whether a SELECT 1 finds something.
func (q Queries) exists(ctx context.Context, stmt string, args ...any) (bool, error) {
	var one int
	err := q.q.Row(ctx, stmt, args...).Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, db.Unavailable(err)
}
