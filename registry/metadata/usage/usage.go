// Package usage keeps, for each project, which bytes it holds and how many they are:
// each digest once, however many repositories of the project have it. [Changes] gathers
// what a transaction does to that, and makes it part of the transaction at its end, so
// that the sums are exact and no limit is passed by clients that push at once.
//
// Bytes count from when they are pushed until no manifest of the project needs them.
// From then on they wait for the collector, count no longer, and count again when a
// manifest needs them again.
package usage

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"maps"
	"slices"

	"github.com/opencontainers/go-digest"

	"cove/registry/db"
)

// Unlimited is the limit of a project that has none.
const Unlimited = -1

// Changes are what a transaction changed so far. The zero value is ready; each
// transaction has its own.
type Changes struct {
	of       map[key]change
	projects map[int64]int64 // by repository
	near     []Near
}

// NearPercent is how much of its limit a project uses when it is told that it comes near.
const NearPercent = 85

// Near is a project that came near its limit, in bytes.
type Near struct {
	Project     string
	Used, Limit int64
}

// Near are the projects that the changes, once they are applied, brought near their limits:
// those that were near before are not among them.
func (c *Changes) Near() []Near { return c.near }

type key struct {
	repository int64
	digest     digest.Digest
}

type change struct {
	members, needs int64
	manifests      int64 // repositories that have it as a manifest
	pushed         bool
}

func (c *Changes) add(repository int64, dgst digest.Digest, more change) {
	if c.of == nil {
		c.of = map[key]change{}
	}
	k := key{repository, dgst}
	was := c.of[k]
	c.of[k] = change{
		was.members + more.members, was.needs + more.needs, was.manifests + more.manifests, was.pushed || more.pushed,
	}
}

// Pushed notes that a repository was given a blob, which joined says it did not have.
func (c *Changes) Pushed(repository int64, dgst digest.Digest, joined bool) {
	more := change{pushed: true}
	if joined {
		more.members = 1
	}
	c.add(repository, dgst, more)
}

// Left notes that a blob is a member of a repository no longer.
func (c *Changes) Left(repository int64, dgst digest.Digest) {
	c.add(repository, dgst, change{members: -1})
}

// Manifest notes that a repository was given a manifest (1), or has it no longer (-1),
// which needs its own bytes.
func (c *Changes) Manifest(repository int64, dgst digest.Digest, n int64) {
	c.add(repository, dgst, change{needs: n, manifests: n})
}

// Needed notes that n more manifests of a repository need these bytes;
// fewer, if n is negative.
func (c *Changes) Needed(repository int64, dgst digest.Digest, n int64) {
	if n != 0 {
		c.add(repository, dgst, change{needs: n})
	}
}

// Apply makes the changes part of the transaction, which ends then: rows are locked
// in one order for all. More than a project may use is a *distribution.QuotaError.
func (c *Changes) Apply(ctx context.Context, tx *db.Tx) error {
	if len(c.of) == 0 {
		return nil
	}
	merged, err := c.byProject(ctx, tx)
	if err != nil {
		return err
	}
	keys := slices.SortedFunc(maps.Keys(merged), func(a, b key) int {
		return cmp.Or(cmp.Compare(a.repository, b.repository), cmp.Compare(a.digest, b.digest))
	})
	sums := map[int64]sum{}
	for len(keys) > 0 {
		n := alike(keys, func(k key) applied {
			ch := merged[k]
			return applied{k.repository, ch.members, ch.needs, ch.pushed}
		})
		moved, err := apply(ctx, tx, keys[:n], merged[keys[0]])
		if err != nil {
			return err
		}
		was := sums[keys[0].repository]
		sums[keys[0].repository] = sum{was.used + moved.used, was.waiting + moved.waiting}
		keys = keys[n:]
	}
	if err := c.share(ctx, tx); err != nil {
		return err
	}
	for _, project := range slices.Sorted(maps.Keys(sums)) {
		near, err := charge(ctx, tx, project, sums[project])
		if err != nil {
			return err
		}
		if near != nil {
			c.near = append(c.near, *near)
		}
	}
	return nil
}

// byProject is what changed, with the id of the project in the place of that of the
// repository.
func (c *Changes) byProject(ctx context.Context, tx *db.Tx) (map[key]change, error) {
	c.projects = map[int64]int64{}
	merged := Changes{}
	for k, ch := range c.of {
		project, known := c.projects[k.repository]
		if !known {
			err := tx.Row(ctx, "SELECT project_id FROM repositories WHERE id = $1", k.repository).Scan(&project)
			if err != nil {
				return nil, db.NotFound(err, "the repository is gone")
			}
			c.projects[k.repository] = project
		}
		merged.add(project, k.digest, ch)
	}
	return merged.of, nil
}

// sum is how many bytes more, or fewer, count and wait.
type sum struct{ used, waiting int64 }

func (s *sum) add(counted bool, size int64) {
	if counted {
		s.used += size
	} else {
		s.waiting += size
	}
}

// applied is what of a change concerns the row of a digest in a project.
type applied struct {
	project, members, needs int64
	pushed                  bool
}

// alike is how many, from the first on and at most those of one statement, what says the
// same of.
func alike[E any, T comparable](all []E, what func(E) T) int {
	first := what(all[0])
	for n, e := range all {
		if n == db.ListMost || what(e) != first {
			return n
		}
	}
	return len(all)
}

func digestsOf(keys []key) []digest.Digest {
	all := make([]digest.Digest, len(keys))
	for i, k := range keys {
		all[i] = k.digest
	}
	return all
}

// held is the row of a digest in a project.
type held struct {
	digest                        digest.Digest
	size, members, needs, counted int64
}

// apply changes the rows of digests in a project, all in the same way.
func apply(ctx context.Context, tx *db.Tx, keys []key, ch change) (moved sum, err error) {
	project, gone := keys[0].repository, digestsOf(keys)
	in, args := db.List(gone, project, ch.members, ch.needs, db.Number(ch.needs > 0 || ch.pushed),
		db.Micros(tx.Now))
	rows, err := db.All(ctx, tx, func(s db.Scanner) (h held, err error) {
		return h, s.Scan(&h.digest, &h.size, &h.members, &h.needs, &h.counted)
	}, `INSERT INTO project_blobs (project_id, digest, size, members, needs, counted, counted_at)
		SELECT $1, digest, size, $2, $3, $4, $5 FROM blobs WHERE digest IN (`+in+`) ORDER BY digest
		ON CONFLICT (project_id, digest) DO UPDATE SET members = project_blobs.members + excluded.members,
			needs = project_blobs.needs + excluded.needs
		RETURNING digest, size, members, needs, counted`, args...)
	if err != nil {
		return sum{}, err
	}
	var unheld []digest.Digest
	for _, h := range rows {
		gone = slices.DeleteFunc(gone, func(dgst digest.Digest) bool { return dgst == h.digest })
		if h.members > ch.members || h.needs > ch.needs { // it was there
			moved.add(h.counted != 0, -h.size)
		}
		if h.members <= 0 && h.needs <= 0 {
			unheld = append(unheld, h.digest)
			continue
		}
		counts := h.needs > 0 || ch.pushed || h.counted != 0 && ch.needs == 0
		moved.add(counts, h.size)
		if counts == (h.counted != 0) {
			continue
		}
		if _, err := tx.Exec(ctx, "UPDATE project_blobs SET counted = $3, counted_at = $4 WHERE project_id = $1 AND digest = $2",
			project, h.digest.String(), db.Number(counts), db.Micros(tx.Now)); err != nil {
			return sum{}, db.Unavailable(err)
		}
	}
	for _, dgst := range gone {
		by, err := drop(ctx, tx, key{project, dgst})
		if err != nil {
			return sum{}, err
		}
		moved = sum{moved.used + by.used, moved.waiting + by.waiting}
	}
	return moved, unhold(ctx, tx, project, unheld)
}

// unhold removes the rows of digests that a project does not hold any more.
func unhold(ctx context.Context, tx *db.Tx, project int64, digests []digest.Digest) error {
	if len(digests) == 0 {
		return nil
	}
	in, args := db.List(digests, project)
	_, err := tx.Exec(ctx, "DELETE FROM project_blobs WHERE project_id = $1 AND digest IN ("+in+")", args...)
	return db.Unavailable(err)
}

// drop removes the row of a digest whose bytes are gone.
func drop(ctx context.Context, tx *db.Tx, k key) (moved sum, err error) {
	var size, counted int64
	err = tx.Row(ctx, "DELETE FROM project_blobs WHERE project_id = $1 AND digest = $2 RETURNING size, counted",
		k.repository, k.digest.String()).Scan(&size, &counted)
	if errors.Is(err, sql.ErrNoRows) {
		return sum{}, nil
	}
	moved.add(counted != 0, -size)
	return moved, db.Unavailable(err)
}

// charge adds to the sums of a project, and says if it comes near its limit by that. From
// here to the commit no other transaction does.
func charge(ctx context.Context, tx *db.Tx, project int64, by sum) (near *Near, err error) {
	if by == (sum{}) {
		return nil, nil
	}
	var used int64
	err = tx.Row(ctx, `INSERT INTO project_usage (project_id, used, waiting) VALUES ($1, $2, $3)
		ON CONFLICT (project_id) DO UPDATE SET used = project_usage.used + excluded.used,
			waiting = project_usage.waiting + excluded.waiting
		RETURNING used`, project, by.used, by.waiting).Scan(&used)
	if err != nil || by.used <= 0 {
		return nil, db.Unavailable(err)
	}
	return within(ctx, tx, project, used, by.used)
}

func limitOf(ctx context.Context, q db.Querier, project int64) (limit int64, name string, err error) {
	err = q.Row(ctx, `SELECT p.name, COALESCE(o.bytes, d.bytes, -1) FROM projects p
		LEFT JOIN quotas o ON o.project_id = p.id LEFT JOIN quotas d ON d.project_id = 0
		WHERE p.id = $1`, project).Scan(&name, &limit)
	return limit, name, db.Unavailable(err)
}
