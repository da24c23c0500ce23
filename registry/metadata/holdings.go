package metadata

import (
	"context"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/registry/db"
)

// Holding is what a repository has of a digest.
type Holding struct {
	Size int64
	// Stored is that of Blob.
	Stored time.Time
	// Blob says that the digest is a blob of the repository; MediaType is that of
	// the manifest that it is there, "" if it is none.
	Blob      bool
	MediaType string
}

// Holdings tells what a repository has of these digests. One whose bytes are not
// stored, are going, or are damaged is not among them; one that another
// repository holds is, with neither.
func (q Queries) Holdings(
	ctx context.Context, repoID int64, digests []digest.Digest,
) (map[digest.Digest]Holding, error) {
	return q.holdings(ctx, repoID, digests, "")
}

// Pin is Holdings, and holds the stored bytes against the collector until the
// commit: in one order for all, so that no two wait for each other.
func (tx *Tx) Pin(ctx context.Context, repoID int64, digests []digest.Digest) (map[digest.Digest]Holding, error) {
	lock := tx.tx.ForShare
	if lock != "" {
		lock += " OF b"
	}
	return tx.holdings(ctx, repoID, digests, lock)
}

func (q Queries) holdings(
	ctx context.Context, repoID int64, digests []digest.Digest, lock string,
) (map[digest.Digest]Holding, error) {
	digests = slices.Compact(slices.Sorted(slices.Values(digests)))
	held := make(map[digest.Digest]Holding, len(digests))
	for batch := range slices.Chunk(digests, db.ListMost) {
		in, args := db.List(batch, repoID)
		_, err := db.All(ctx, q.q, func(s db.Scanner) (_ struct{}, err error) {
			var dgst string
			var h Holding
			var member, stored int64
			err = s.Scan(&dgst, &h.Size, &stored, &member, &h.MediaType)
			h.Blob, h.Stored = member != 0, time.UnixMicro(stored)
			held[digest.Digest(dgst)] = h
			return struct{}{}, err
		}, holdingsOf+in+") ORDER BY b.digest"+lock, args...)
		if err != nil {
			return nil, err
		}
	}
	return held, nil
}

const holdingsOf = `SELECT b.digest, b.size, b.created_at, CASE WHEN rb.digest IS NULL THEN 0 ELSE 1 END,
		COALESCE(m.media_type, '')
	FROM blobs b
	LEFT JOIN repository_blobs rb ON rb.repository_id = $1 AND rb.digest = b.digest
	LEFT JOIN manifests m ON m.repository_id = $1 AND m.digest = b.digest
	WHERE b.deleting = 0 AND b.damaged = 0 AND b.digest IN (`
