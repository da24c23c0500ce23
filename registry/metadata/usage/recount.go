package usage

import (
	"context"

	"github.com/opencontainers/go-digest"

	"cove/registry/db"
)

// Difference is a digest of a project that is not counted as it should be. Only a
// mistake of the program, or one of a release before that wrote beside it, makes one.
type Difference struct {
	Digest         digest.Digest
	Members, Needs int64 // that are not counted; negative: that are not there
}

// counts is what a project holds by the tables that say so, less what is kept of it,
// in one statement, so that it sees one moment.
const counts = `SELECT x.digest, SUM(x.members), SUM(x.needs) FROM (
	SELECT c.digest, 1 AS members, 0 AS needs
		FROM repositories r JOIN repository_blobs c ON c.repository_id = r.id WHERE r.project_id = $1
	UNION ALL SELECT m.digest, 0, 1
		FROM repositories r JOIN manifests m ON m.repository_id = r.id WHERE r.project_id = $1
	UNION ALL SELECT f.digest, 0, 1 FROM repositories r JOIN manifest_refs f ON f.repository_id = r.id
		WHERE r.project_id = $1 AND f.is_manifest = 0
	UNION ALL SELECT digest, -members, -needs FROM project_blobs WHERE project_id = $1
	) AS x GROUP BY x.digest HAVING SUM(x.members) <> 0 OR SUM(x.needs) <> 0 ORDER BY x.digest LIMIT $2`

// Recounted is what a recount of a project found.
type Recounted struct {
	Differences []Difference // the first of them
	// Used and Waiting are the sums of what is kept of its digests, by how much they
	// are more than those kept of the project.
	Used, Waiting int64
	// Holders are digests of which it is kept wrongly which repositories have them, and
	// Repositories how many repositories hold another number of bytes than is kept.
	Holders      []digest.Digest
	Repositories int
}

// Equal says that all was as it should be.
func (r Recounted) Equal() bool {
	return len(r.Differences)+len(r.Holders)+r.Repositories == 0 && r.Used == 0 && r.Waiting == 0
}

// mostDifferences bounds what one recount mends.
const mostDifferences = 10_000

// Recount counts anew what a project holds. It changes nothing.
func Recount(ctx context.Context, q db.Querier, project int64) (r Recounted, err error) {
	r.Differences, err = db.All(ctx, q, func(s db.Scanner) (d Difference, err error) {
		return d, s.Scan(&d.Digest, &d.Members, &d.Needs)
	}, counts, project, mostDifferences)
	if err != nil {
		return r, err
	}
	err = q.Row(ctx, `SELECT
		CAST(COALESCE(SUM(CASE WHEN counted = 1 THEN size END), 0) AS BIGINT)
			- COALESCE((SELECT used FROM project_usage WHERE project_id = $1), 0),
		CAST(COALESCE(SUM(CASE WHEN counted = 0 THEN size END), 0) AS BIGINT)
			- COALESCE((SELECT waiting FROM project_usage WHERE project_id = $1), 0)
		FROM project_blobs WHERE project_id = $1`, project).Scan(&r.Used, &r.Waiting)
	if err != nil {
		return r, db.Unavailable(err)
	}
	if r.Holders, err = wrongHolders(ctx, q, project, mostDifferences); err != nil {
		return r, err
	}
	wrong, err := wrongShares(ctx, q, project, mostDifferences)
	r.Repositories = len(wrong)
	return r, err
}

// Mend makes what is kept what a recount found it should be. It takes the row of the
// project first, as no push does, so that it runs in a transaction of its own, which
// others may make it begin again.
func Mend(ctx context.Context, tx *db.Tx, project int64) (Recounted, error) {
	if _, err := tx.Exec(ctx, `INSERT INTO project_usage (project_id, used, waiting) VALUES ($1, 0, 0)
		ON CONFLICT (project_id) DO UPDATE SET used = project_usage.used`, project); err != nil {
		return Recounted{}, db.Unavailable(err)
	}
	r, err := Recount(ctx, tx, project)
	if err != nil || r.Equal() {
		return r, err
	}
	total := sum{r.Used, r.Waiting}
	for _, d := range r.Differences {
		moved, err := apply(ctx, tx, []key{{project, d.Digest}}, change{members: d.Members, needs: d.Needs})
		if err != nil {
			return r, err
		}
		total.used += moved.used
		total.waiting += moved.waiting
	}
	if _, err = tx.Exec(ctx, `UPDATE project_usage SET used = used + $2, waiting = waiting + $3 WHERE project_id = $1`,
		project, total.used, total.waiting); err != nil {
		return r, db.Unavailable(err)
	}
	return r, mendShares(ctx, tx, project, r.Holders)
}

// mendShares makes what is kept of what repositories hold what it should be. Their rows
// are locked before they are counted.
func mendShares(ctx context.Context, tx *db.Tx, project int64, holders []digest.Digest) error {
	for _, dgst := range holders {
		if err := mendHolders(ctx, tx, project, dgst); err != nil {
			return err
		}
	}
	if _, err := tx.Exec(ctx, "UPDATE repository_usage SET held = held WHERE project_id = $1", project); err != nil {
		return db.Unavailable(err)
	}
	wrong, err := wrongShares(ctx, tx, project, mostDifferences)
	if err != nil {
		return err
	}
	return wrong.write(ctx, tx)
}
