// Package garbage tells what the collector of a registry will do, and why something
// is kept. It changes nothing.
package garbage

import (
	"context"
	"database/sql"
	"errors"
	"iter"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/errdefs"
	"cove/registry/db"
	"cove/registry/metadata"
)

// Reader reads what a database says. It is safe for concurrent use.
type Reader struct {
	db  *metadata.DB
	now func() time.Time

	mu      sync.Mutex // while contents are counted
	counted Status     // of which only the contents hold
	at      time.Time
	took    time.Duration
}

// New reads a database, which stays the caller's.
func New(database *metadata.DB) *Reader { return &Reader{db: database, now: database.Now} }

// Status is how the collector's work stands.
type Status struct {
	Stored, Bytes int64     // contents, and what they take
	Queued, Due   int64     // reviews that wait for their time, and those whose time has come
	Oldest        time.Time // when the first of them was due; zero without one
	Deleting      int64     // contents whose bytes are going: a collection was cut off
	Damaged       int64     // contents that wait for a push to heal them
	Uploads       int64     // that are not finished
}

// Status reads how things stand. It counts all contents, which takes its time where there
// are many.
func (r *Reader) Status(ctx context.Context) (s Status, err error) {
	err = errors.Join(r.contents(ctx, &s), r.work(ctx, &s))
	return s, err
}

// countEvery is how old the count of contents may be that Glance tells; one that reads for
// long is that much rarer, so that who looks has no part of the database's time worth a word.
const (
	countEvery = time.Minute
	countShare = 200
)

// Glance is Status for who looks often: what waits is as it is, contents are as they were
// counted a minute ago at most, or a little more where there are millions.
func (r *Reader) Glance(ctx context.Context) (s Status, counted time.Time, err error) {
	r.mu.Lock()
	if now := r.now(); r.at.IsZero() || now.Sub(r.at) >= max(countEvery, countShare*r.took) || now.Before(r.at) {
		var fresh Status
		if err = r.contents(ctx, &fresh); err == nil {
			r.counted, r.at, r.took = fresh, now, r.now().Sub(now)
		}
	}
	s, counted = r.counted, r.at
	r.mu.Unlock()
	err = errors.Join(err, r.work(ctx, &s))
	return s, counted, err
}

func (r *Reader) contents(ctx context.Context, s *Status) error {
	return db.Unavailable(r.db.Querier().Row(ctx, `SELECT COUNT(*), COALESCE(SUM(size), 0), COALESCE(SUM(deleting), 0),
		COALESCE(SUM(damaged), 0) FROM blobs`).Scan(&s.Stored, &s.Bytes, &s.Deleting, &s.Damaged))
}

func (r *Reader) work(ctx context.Context, s *Status) error {
	q, now := r.db.Querier(), db.Micros(r.now())
	var oldest sql.NullInt64
	err := errors.Join(
		q.Row(ctx, "SELECT COUNT(*), MIN(due_at) FROM gc_queue").Scan(&s.Queued, &oldest),
		q.Row(ctx, "SELECT COUNT(*) FROM gc_queue WHERE due_at <= $1", now).Scan(&s.Due),
		q.Row(ctx, "SELECT COUNT(*) FROM uploads").Scan(&s.Uploads))
	if oldest.Valid && s.Due > 0 {
		s.Oldest = time.UnixMicro(oldest.Int64)
	}
	return db.Unavailable(err)
}

// Content is stored bytes that a collection would remove.
type Content struct {
	Digest digest.Digest
	Size   int64
}

// pageLength is how many rows are read at once.
const pageLength = 1000

// Removable visits what a collection now would remove, by digest: contents that the
// queue has, that no manifest needs, and that nobody has a lease on.
func (r *Reader) Removable(ctx context.Context) iter.Seq2[Content, error] {
	now := db.Micros(r.now())
	return func(yield func(Content, error) bool) {
		for last := ""; ; {
			page, err := db.All(ctx, r.db.Querier(), func(row db.Scanner) (c Content, err error) {
				err = row.Scan(&c.Digest, &c.Size)
				return c, err
			}, removable, last, now, pageLength)
			if err != nil {
				yield(Content{}, err)
				return
			}
			for _, c := range page {
				if !yield(c, nil) {
					return
				}
			}
			if len(page) < pageLength {
				return
			}
			last = page[len(page)-1].Digest.String()
		}
	}
}

const removable = `SELECT b.digest, b.size FROM blobs b WHERE b.digest > $1
	AND EXISTS (SELECT 1 FROM gc_queue q WHERE q.digest = b.digest AND q.due_at <= $2)
	AND NOT EXISTS (SELECT 1 FROM manifests m WHERE m.digest = b.digest)
	AND NOT EXISTS (SELECT 1 FROM manifest_refs f WHERE f.digest = b.digest)
	AND NOT EXISTS (SELECT 1 FROM repository_blobs rb WHERE rb.digest = b.digest AND (rb.leased_until > $2
		OR NOT EXISTS (SELECT 1 FROM gc_queue q WHERE q.digest = b.digest AND q.repository_id = rb.repository_id
			AND q.due_at <= $2)))
	ORDER BY b.digest LIMIT $3`

// Explanation is why stored bytes are here.
type Explanation struct {
	Content
	StoredAt time.Time
	Damaged  bool
	Holders  []Holder
	// Review is when the collector looks at the bytes themselves; zero when nothing
	// asks for that.
	Review time.Time
}

// Holder is a repository in which the bytes are something.
type Holder struct {
	Repository string
	Manifest   bool      // they are a manifest of it
	Tags       []string  // that name the manifest
	NeededBy   []string  // digests of manifests that need them
	LeasedTo   time.Time // of a blob: how long it stays without being needed
}

// shown bounds what is listed of each kind.
const shown = 100

// Explain tells why bytes are here; errdefs.ErrNotFound when they are not.
func (r *Reader) Explain(ctx context.Context, dgst digest.Digest) (e Explanation, err error) {
	if err := dgst.Validate(); err != nil {
		return e, errdefs.Errorf(errdefs.ErrInvalid, "digest %q: %w", dgst, err)
	}
	e.Digest = dgst
	q := r.db.Querier()
	var stored, damaged int64
	err = q.Row(ctx, "SELECT size, created_at, damaged FROM blobs WHERE digest = $1", dgst.String()).
		Scan(&e.Size, &stored, &damaged)
	if err != nil {
		return e, db.NotFound(err, "nothing with the digest %s is stored", dgst)
	}
	e.StoredAt, e.Damaged = time.UnixMicro(stored), damaged != 0
	var due int64
	err = q.Row(ctx, "SELECT due_at FROM gc_queue WHERE repository_id = 0 AND digest = $1", dgst.String()).Scan(&due)
	switch {
	case err == nil:
		e.Review = time.UnixMicro(due)
	case !errors.Is(err, sql.ErrNoRows):
		return e, db.Unavailable(err)
	}
	e.Holders, err = db.All(ctx, q, func(row db.Scanner) (h Holder, err error) {
		var leased, manifest int64
		err = row.Scan(&h.Repository, &leased, &manifest)
		if leased > 0 {
			h.LeasedTo = time.UnixMicro(leased)
		}
		h.Manifest = manifest != 0
		return h, err
	}, holders, dgst.String(), shown)
	for i := range e.Holders {
		if err == nil {
			err = r.fill(ctx, dgst, &e.Holders[i])
		}
	}
	return e, err
}

const holders = `SELECT r.name, COALESCE(rb.leased_until, 0), CASE WHEN m.digest IS NULL THEN 0 ELSE 1 END
	FROM repositories r
	LEFT JOIN repository_blobs rb ON rb.repository_id = r.id AND rb.digest = $1
	LEFT JOIN manifests m ON m.repository_id = r.id AND m.digest = $1
	WHERE r.id IN (SELECT repository_id FROM repository_blobs WHERE digest = $1
		UNION SELECT repository_id FROM manifests WHERE digest = $1)
	ORDER BY r.name LIMIT $2`

// fill reads what keeps the bytes in one repository.
func (r *Reader) fill(ctx context.Context, dgst digest.Digest, h *Holder) (err error) {
	q := r.db.Querier()
	if h.Manifest {
		h.Tags, err = r.db.TagsOn(ctx, h.Repository, dgst.String())
		if err != nil {
			return err
		}
	}
	h.NeededBy, err = db.All(ctx, q, db.ScanString, `SELECT f.manifest FROM manifest_refs f
		JOIN repositories r ON r.id = f.repository_id WHERE r.name = $1 AND f.digest = $2
		ORDER BY f.manifest LIMIT $3`, h.Repository, dgst.String(), shown)
	return err
}
