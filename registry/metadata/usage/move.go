package usage

import (
	"context"

	"cove/distribution"
	"cove/registry/db"
)

// Move has a repository, whose row says so in the same transaction, be part of another
// project: the sums of both follow, and those of the repositories that hold the same
// bytes. Nothing else may change in the transaction what the repository holds. More than
// the other project may use is a *distribution.QuotaError.
//
// Both projects are locked as Mend locks one, so that a transaction which pushes to one of
// them may make this one begin again.
func (c *Changes) Move(ctx context.Context, tx *db.Tx, repository, from, to int64) error {
	for _, project := range []int64{min(from, to), max(from, to)} {
		if err := lockSums(ctx, tx, project); err != nil {
			return err
		}
	}
	for _, step := range []struct {
		stmt string
		args []any
	}{
		{comes, []any{repository, from, to, db.Micros(tx.Now)}},
		{goes, []any{repository, from}},
		{"DELETE FROM project_blobs WHERE project_id = $1 AND members <= 0 AND needs <= 0", []any{from}},
		{isShared, []any{repository, to}},
		{isNotAlone, []any{repository, to}},
		{isNotShared, []any{repository, from}},
		{isAlone, []any{repository, from}},
		{"DELETE FROM digest_holders WHERE project_id = $1 AND repositories <= 0", []any{from}},
		{belongs, []any{repository, to}},
	} {
		if _, err := tx.Exec(ctx, step.stmt, step.args...); err != nil {
			return db.Unavailable(err)
		}
	}
	if err := sumUp(ctx, tx, from); err != nil {
		return err
	}
	was, err := usedBy(ctx, tx, to)
	if err != nil {
		return err
	}
	if err := sumUp(ctx, tx, to); err != nil {
		return err
	}
	used, err := usedBy(ctx, tx, to)
	if err != nil {
		return err
	}
	near, err := within(ctx, tx, to, used, used-was)
	if near != nil {
		c.near = append(c.near, *near)
	}
	return err
}

// lockSums holds the sums of a project against every push until the commit.
func lockSums(ctx context.Context, tx *db.Tx, project int64) error {
	_, err := tx.Exec(ctx, `INSERT INTO project_usage (project_id, used, waiting) VALUES ($1, 0, 0)
		ON CONFLICT (project_id) DO UPDATE SET used = project_usage.used`, project)
	return db.Unavailable(err)
}

// sumUp makes the sums of a project, which are locked, those of its digests.
func sumUp(ctx context.Context, tx *db.Tx, project int64) error {
	_, err := tx.Exec(ctx, `UPDATE project_usage SET
			used = (SELECT CAST(COALESCE(SUM(size), 0) AS BIGINT) FROM project_blobs
				WHERE project_id = $1 AND counted = 1),
			waiting = (SELECT CAST(COALESCE(SUM(size), 0) AS BIGINT) FROM project_blobs
				WHERE project_id = $1 AND counted = 0)
		WHERE project_id = $1`, project)
	return db.Unavailable(err)
}

func usedBy(ctx context.Context, tx *db.Tx, project int64) (used int64, err error) {
	err = tx.Row(ctx, "SELECT used FROM project_usage WHERE project_id = $1", project).Scan(&used)
	return used, db.Unavailable(err)
}

// within refuses what is more than a project may use, of which by has just come, and says
// if it comes near its limit by that.
func within(ctx context.Context, tx *db.Tx, project, used, by int64) (near *Near, err error) {
	limit, name, err := limitOf(ctx, tx, project)
	switch {
	case err != nil || limit == Unlimited:
		return nil, err
	case used > limit:
		return nil, &distribution.QuotaError{Project: name, Limit: limit, Used: used - by, More: by}
	}
	if from := limit / 100 * NearPercent; used >= from && used-by < from {
		return &Near{name, used, limit}, nil
	}
	return nil, nil
}

// inRepository is what a repository has of each digest, as counts of recount.go says it.
const inRepository = `SELECT x.digest, SUM(x.members) AS members, SUM(x.needs) AS needs FROM (
	SELECT digest, 1 AS members, 0 AS needs FROM repository_blobs WHERE repository_id = $1
	UNION ALL SELECT digest, 0, 1 FROM manifests WHERE repository_id = $1
	UNION ALL SELECT digest, 0, 1 FROM manifest_refs WHERE repository_id = $1 AND is_manifest = 0
	) AS x GROUP BY x.digest`

// comes has another project ($3) hold what a repository ($1) has, which goes takes from the
// project where it was ($2).
const (
	comes = `INSERT INTO project_blobs (project_id, digest, size, members, needs, counted, counted_at)
		SELECT CAST($3 AS BIGINT), m.digest, b.size, m.members, m.needs,
			CASE WHEN m.needs > 0 THEN 1 ELSE p.counted END, CAST($4 AS BIGINT)
		FROM (` + inRepository + `) AS m JOIN blobs b ON b.digest = m.digest
			JOIN project_blobs p ON p.project_id = $2 AND p.digest = m.digest
		WHERE TRUE
		ON CONFLICT (project_id, digest) DO UPDATE SET members = project_blobs.members + excluded.members,
			needs = project_blobs.needs + excluded.needs,
			counted = CASE WHEN project_blobs.counted > excluded.counted THEN project_blobs.counted
				ELSE excluded.counted END`
	goes = `UPDATE project_blobs SET members = project_blobs.members - m.members, needs = project_blobs.needs - m.needs,
			counted = CASE WHEN m.needs > 0 AND project_blobs.needs = m.needs THEN 0 ELSE project_blobs.counted END
		FROM (` + inRepository + `) AS m WHERE project_blobs.project_id = $2 AND project_blobs.digest = m.digest`
)

// hasDigests are the digests that a repository has, each once.
const hasDigests = `SELECT digest FROM repository_blobs WHERE repository_id = $1
	UNION SELECT digest FROM manifests WHERE repository_id = $1`

// A repository ($1) is one more of those in its new project ($2) that have its digests, and
// who had one of them alone shares it now; in its old project it is one fewer, and who shared
// one with it has it alone.
const (
	isShared = `INSERT INTO digest_holders (project_id, digest, size, repositories, who)
		SELECT CAST($2 AS BIGINT), h.digest, b.size, 1, CAST($1 AS BIGINT) & 4611686018427387903
		FROM (` + hasDigests + `) AS h JOIN blobs b ON b.digest = h.digest WHERE TRUE
		ON CONFLICT (project_id, digest) DO UPDATE SET repositories = digest_holders.repositories + 1,
			who = (digest_holders.who + excluded.who) & 4611686018427387903`
	isNotAlone = `UPDATE repository_usage SET counted = repository_usage.counted - x.size FROM (
			SELECT (d.who - $1) & 4611686018427387903 AS id, CAST(SUM(d.size) AS BIGINT) AS size
			FROM (` + hasDigests + `) AS h JOIN digest_holders d ON d.project_id = $2 AND d.digest = h.digest
			WHERE d.repositories = 2 GROUP BY 1
		) AS x WHERE repository_usage.repository_id = x.id`
	isNotShared = `UPDATE digest_holders SET repositories = digest_holders.repositories - 1,
			who = (digest_holders.who - $1) & 4611686018427387903
		FROM (` + hasDigests + `) AS h WHERE digest_holders.project_id = $2 AND digest_holders.digest = h.digest`
	isAlone = `UPDATE repository_usage SET counted = repository_usage.counted + x.size FROM (
			SELECT d.who AS id, CAST(SUM(d.size) AS BIGINT) AS size
			FROM (` + hasDigests + `) AS h JOIN digest_holders d ON d.project_id = $2 AND d.digest = h.digest
			WHERE d.repositories = 1 GROUP BY 1
		) AS x WHERE repository_usage.repository_id = x.id`
	belongs = `UPDATE repository_usage SET project_id = $2, counted = COALESCE((
			SELECT CAST(SUM(d.size) AS BIGINT) FROM (` + hasDigests + `) AS h
			JOIN digest_holders d ON d.project_id = $2 AND d.digest = h.digest WHERE d.repositories = 1
		), 0) WHERE repository_id = $1`
)
