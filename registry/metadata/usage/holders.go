package usage

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/opencontainers/go-digest"

	"cove/registry/db"
)

// everywhere is the number of the project that stands for all of them in digest_holders.
const everywhere = 0

// kept are the bits of ids that digest_holders sums: two such numbers never pass 64 bits.
const kept = 1<<62 - 1

// shares are what transactions do to what repositories hold.
type shares map[int64]Share

func (s shares) add(repository int64, more Share) {
	was := s[repository]
	s[repository] = Share{was.Held + more.Held, was.Alone + more.Alone, was.Counted + more.Counted}
}

// holds is a digest that a repository has now (1), or has no more (-1).
type holds struct {
	digest    digest.Digest
	by        int64
	forgotten bool // its bytes are not known any more
}

// share brings what repositories hold up to date with the changes, once the rows of all
// their digests in their projects are locked: so two that give a repository the same
// digest, one as a blob and one as a manifest, see each other.
func (c *Changes) share(ctx context.Context, tx *db.Tx) error {
	all := shares{}
	keys := slices.SortedFunc(maps.Keys(c.of), func(a, b key) int {
		return cmp.Or(cmp.Compare(a.digest, b.digest), cmp.Compare(a.repository, b.repository))
	})
	keys = slices.DeleteFunc(keys, func(k key) bool { return c.of[k].members == 0 && c.of[k].manifests == 0 })
	for len(keys) > 0 {
		n := alike(keys, func(k key) int64 { return k.repository })
		some, err := c.holds(ctx, tx, keys[:n])
		if err == nil {
			err = all.moveAll(ctx, tx, place{keys[0].repository, c.projects[keys[0].repository]}, some)
		}
		if err != nil {
			return err
		}
		keys = keys[n:]
	}
	return all.write(ctx, tx)
}

// holds says what the changes make of digests in a repository, of those whose holders
// they change.
func (c *Changes) holds(ctx context.Context, tx *db.Tx, keys []key) (changed []holds, err error) {
	roles := make(map[digest.Digest]int64, len(keys)) // as which the repository has them
	in, args := db.List(digestsOf(keys), keys[0].repository)
	err = db.Each(ctx, tx, func(s db.Scanner) (bool, error) {
		var dgst digest.Digest
		var n int64
		err := s.Scan(&dgst, &n)
		roles[dgst] = n
		return true, err
	}, `SELECT b.digest,
			(SELECT COUNT(*) FROM repository_blobs c WHERE c.repository_id = $1 AND c.digest = b.digest)
			+ (SELECT COUNT(*) FROM manifests m WHERE m.repository_id = $1 AND m.digest = b.digest)
		FROM blobs b WHERE b.digest IN (`+in+`)`, args...)
	if err != nil {
		return nil, err
	}
	for _, k := range keys {
		now, known := roles[k.digest]
		before := now - c.of[k].members - c.of[k].manifests
		if by := db.Number(now > 0) - db.Number(before > 0); by != 0 {
			changed = append(changed, holds{digest: k.digest, by: by, forgotten: !known})
		}
	}
	return changed, nil
}

// place is a repository and its project.
type place struct{ repository, project int64 }

func (s shares) moveAll(ctx context.Context, tx *db.Tx, at place, all []holds) error {
	for len(all) > 0 {
		n := 1
		if !all[0].forgotten {
			n = alike(all, func(h holds) holds { return holds{by: h.by, forgotten: h.forgotten} })
		}
		if err := s.move(ctx, tx, at, all[:n]); err != nil {
			return err
		}
		all = all[n:]
	}
	return nil
}

// countHolders adds to how many repositories have digests, anywhere and in a project.
const countHolders = `INSERT INTO digest_holders (project_id, digest, size, repositories, who) %s
	ON CONFLICT (project_id, digest) DO UPDATE SET
		repositories = digest_holders.repositories + excluded.repositories,
		who = (digest_holders.who + excluded.who) & 4611686018427387903
	RETURNING project_id, digest, size, repositories, who`

// move counts a repository among those that have some digests, or no longer, all alike,
// and notes whose alone each is and was. Of one that is forgotten there is one at a time.
func (s shares) move(ctx context.Context, tx *db.Tx, at place, some []holds) error {
	by := some[0].by
	digests := make([]digest.Digest, len(some))
	for i, h := range some {
		digests[i] = h.digest
	}
	in, args := db.List(digests, at.project, by, (by*at.repository)&kept)
	stmt := fmt.Sprintf(countHolders, `SELECT 0, digest, size, CAST($2 AS BIGINT), CAST($3 AS BIGINT)
			FROM blobs WHERE digest IN (`+in+`)
		UNION ALL SELECT CAST($1 AS BIGINT), digest, size, CAST($2 AS BIGINT), CAST($3 AS BIGINT)
			FROM blobs WHERE digest IN (`+in+`) ORDER BY 2, 1`)
	if some[0].forgotten {
		stmt = fmt.Sprintf(countHolders, "VALUES (0, $4, 0, $2, $3), ($1, $4, 0, $2, $3)")
	}
	var gone []digest.Digest
	err := db.Each(ctx, tx, func(row db.Scanner) (bool, error) {
		var project, size, repositories, who int64
		var dgst digest.Digest
		if err := row.Scan(&project, &dgst, &size, &repositories, &who); err != nil {
			return false, err
		}
		one := Share{Counted: size}
		if project == everywhere {
			one = Share{Alone: size}
			s.add(at.repository, Share{Held: by * size})
		}
		if repositories-by == 1 {
			s.add((who-by*at.repository)&kept, Share{Alone: -one.Alone, Counted: -one.Counted})
		}
		if repositories == 1 {
			s.add(who, one)
		}
		if repositories <= 0 && !slices.Contains(gone, dgst) {
			gone = append(gone, dgst)
		}
		return true, nil
	}, stmt, args...)
	if err != nil || len(gone) == 0 {
		return err
	}
	in, args = db.List(gone, at.project)
	_, err = tx.Exec(ctx, "DELETE FROM digest_holders WHERE project_id IN (0, $1) AND repositories <= 0 AND digest IN ("+
		in+")", args...)
	return db.Unavailable(err)
}

// write adds to the sums of repositories, in one order for all.
func (s shares) write(ctx context.Context, tx *db.Tx) error {
	for _, repository := range slices.Sorted(maps.Keys(s)) {
		by := s[repository]
		if by == (Share{}) {
			continue
		}
		if _, err := tx.Exec(ctx, `INSERT INTO repository_usage (repository_id, project_id, held, alone, counted)
			SELECT id, project_id, $2, $3, $4 FROM repositories WHERE id = $1
			ON CONFLICT (repository_id) DO UPDATE SET held = repository_usage.held + excluded.held,
				alone = repository_usage.alone + excluded.alone, counted = repository_usage.counted + excluded.counted`,
			repository, by.Held, by.Alone, by.Counted); err != nil {
			return db.Unavailable(err)
		}
	}
	return nil
}

// OfRepository is the share of a repository.
func OfRepository(ctx context.Context, q db.Querier, repository int64) (s Share, err error) {
	err = q.Row(ctx, "SELECT held, alone, counted FROM repository_usage WHERE repository_id = $1", repository).Scan(
		&s.Held, &s.Alone, &s.Counted)
	if errors.Is(err, sql.ErrNoRows) {
		return Share{}, nil // nothing was ever pushed to it
	}
	return s, db.Unavailable(err)
}

// Largest is a repository and what it holds.
type Largest struct {
	Repository string
	Held       int64
}

// LargestRepositories lists those of a project that hold most, at most n; of two that hold
// as much, the newer one first.
func LargestRepositories(ctx context.Context, q db.Querier, project int64, n int) ([]Largest, error) {
	return db.All(ctx, q, func(s db.Scanner) (l Largest, err error) { return l, s.Scan(&l.Repository, &l.Held) },
		`SELECT r.name, u.held FROM repository_usage u JOIN repositories r ON r.id = u.repository_id
		WHERE u.project_id = $1 AND u.held > 0 ORDER BY u.held DESC, u.repository_id DESC LIMIT $2`, project, n)
}

// wrongHolders are the digests of a project that more or fewer repositories have, there or
// anywhere, than is kept, or others than that; at most so many.
func wrongHolders(ctx context.Context, q db.Querier, project int64, most int) (all []digest.Digest, err error) {
	for _, stmt := range []string{wrongHere, wrongAnywhere} {
		some, err := db.All(ctx, q, scanDigest, stmt, project, most)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	slices.Sort(all)
	all = slices.Compact(all)
	return all[:min(len(all), most)], nil
}

// idSum is the sum of ids as digest_holders has it.
const idSum = `((((CAST(SUM(x.repository_id >> 32) AS BIGINT) & 1073741823) << 32)
	+ CAST(SUM(x.repository_id & 4294967295) AS BIGINT)) & 4611686018427387903)`

// inProject are the repositories of a project with their digests, each once.
const inProject = `(SELECT c.repository_id, c.digest
			FROM repositories r JOIN repository_blobs c ON c.repository_id = r.id WHERE r.project_id = $1
		UNION SELECT m.repository_id, m.digest
			FROM repositories r JOIN manifests m ON m.repository_id = r.id WHERE r.project_id = $1)`

const (
	wrongHere = `SELECT y.digest FROM (
		SELECT x.digest, COUNT(*) AS n, ` + idSum + ` AS who FROM ` + inProject + ` AS x GROUP BY x.digest
		UNION ALL SELECT digest, -repositories, -who FROM digest_holders WHERE project_id = $1
	) AS y GROUP BY y.digest HAVING SUM(y.n) <> 0 OR SUM(y.who) <> 0 ORDER BY y.digest LIMIT $2`
	wrongAnywhere = `SELECT y.digest FROM (
		SELECT x.digest, COUNT(*) AS n, ` + idSum + ` AS who FROM (
			SELECT c.repository_id, c.digest FROM digest_holders d CROSS JOIN repository_blobs c
				WHERE d.project_id = $1 AND c.digest = d.digest
			UNION SELECT m.repository_id, m.digest FROM digest_holders d CROSS JOIN manifests m
				WHERE d.project_id = $1 AND m.digest = d.digest
		) AS x GROUP BY x.digest
		UNION ALL SELECT g.digest, -g.repositories, -g.who FROM digest_holders d CROSS JOIN digest_holders g
			WHERE d.project_id = $1 AND g.project_id = 0 AND g.digest = d.digest
	) AS y GROUP BY y.digest HAVING SUM(y.n) <> 0 OR SUM(y.who) <> 0 ORDER BY y.digest LIMIT $2`
)

// recounted is what the repositories of a project hold by the tables that say so.
const recounted = `SELECT x.repository_id, SUM(b.size) AS held,
		SUM(CASE WHEN EXISTS (SELECT 1 FROM digest_holders g WHERE g.project_id = 0 AND g.digest = x.digest
			AND g.repositories > 1) THEN 0 ELSE b.size END) AS alone,
		SUM(CASE WHEN EXISTS (SELECT 1 FROM digest_holders g WHERE g.project_id = $1 AND g.digest = x.digest
			AND g.repositories > 1) THEN 0 ELSE b.size END) AS counted
	FROM ` + inProject + ` AS x JOIN blobs b ON b.digest = x.digest GROUP BY x.repository_id`

// wrongShares are by how much what repositories of a project hold differs from what is
// kept of them, once what is kept of digests is right; at most so many.
func wrongShares(ctx context.Context, q db.Querier, project int64, most int) (shares, error) {
	all := shares{}
	err := db.Each(ctx, q, func(row db.Scanner) (bool, error) {
		var repository int64
		var by Share
		err := row.Scan(&repository, &by.Held, &by.Alone, &by.Counted)
		all[repository] = by
		return true, err
	}, `SELECT y.repository_id, CAST(SUM(y.held) AS BIGINT), CAST(SUM(y.alone) AS BIGINT),
			CAST(SUM(y.counted) AS BIGINT)
		FROM (`+recounted+` UNION ALL SELECT repository_id, -held, -alone, -counted FROM repository_usage
			WHERE project_id = $1) AS y
		GROUP BY y.repository_id HAVING SUM(y.held) <> 0 OR SUM(y.alone) <> 0 OR SUM(y.counted) <> 0
		ORDER BY y.repository_id LIMIT $2`, project, most)
	return all, err
}

// mendHolders makes what is kept of a digest in a project and everywhere what it should
// be. The rows are locked before they are counted.
func mendHolders(ctx context.Context, tx *db.Tx, project int64, dgst digest.Digest) error {
	if _, err := tx.Exec(ctx, `INSERT INTO digest_holders (project_id, digest, size, repositories, who)
		SELECT p.id, b.digest, b.size, 0, 0 FROM blobs b
			CROSS JOIN (SELECT 0 AS id UNION ALL SELECT CAST($1 AS BIGINT)) AS p
		WHERE b.digest = $2 ORDER BY p.id
		ON CONFLICT (project_id, digest) DO UPDATE SET size = digest_holders.size`, project,
		dgst.String()); err != nil {
		return db.Unavailable(err)
	}
	const having = `(SELECT c.repository_id FROM repository_blobs c WHERE c.digest = $2
		UNION SELECT m.repository_id FROM manifests m WHERE m.digest = $2)`
	for _, stmt := range []string{
		`UPDATE digest_holders SET (repositories, who) = (SELECT COUNT(*), COALESCE(` + idSum + `, 0)
			FROM ` + having + ` AS x JOIN repositories r ON r.id = x.repository_id
			WHERE r.project_id = $1) WHERE project_id = $1 AND digest = $2`,
		`UPDATE digest_holders SET (repositories, who) = (SELECT COUNT(*), COALESCE(` + idSum + `, 0)
			FROM ` + having + ` AS x WHERE CAST($1 AS BIGINT) = $1) WHERE project_id = 0 AND digest = $2`,
		`DELETE FROM digest_holders WHERE project_id IN (0, $1) AND digest = $2 AND repositories <= 0`,
	} {
		if _, err := tx.Exec(ctx, stmt, project, dgst.String()); err != nil {
			return db.Unavailable(err)
		}
	}
	return nil
}
