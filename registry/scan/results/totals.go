package results

import (
	"context"

	"github.com/opencontainers/go-digest"

	"cove/registry/db"
	"cove/registry/metadata"
	"cove/registry/metadata/scannable"
	"cove/registry/scan/advisory"
)

// Totals is how a registry stands.
type Totals struct {
	Images, Scanned, Failed int
	// ByWorst counts images by the worst vulnerability that each has.
	ByWorst map[advisory.Severity]int
	// Vulnerabilities counts those of the whole registry, each once.
	Vulnerabilities advisory.Summary
}

// Waiting is how many images were not scanned yet.
func (t Totals) Waiting() int { return t.Images - t.Scanned - t.Failed }

// Total counts all that there is.
func (b *Book) Total(ctx context.Context) (Totals, error) {
	t := Totals{ByWorst: map[advisory.Severity]int{}}
	q := b.db.Querier()
	images, err := scannable.Counts(ctx, q)
	if err != nil {
		return t, err
	}
	for _, c := range images {
		t.Images += c.N
		switch State(c.State) {
		case Scanned:
			t.Scanned += c.N
			t.ByWorst[advisory.Severity(c.Worst)] += c.N
		case Failed:
			t.Failed += c.N
		}
	}
	err = db.Each(ctx, q, func(row db.Scanner) (bool, error) {
		var severity advisory.Severity
		var n int
		err := row.Scan(&severity, &n)
		t.Vulnerabilities.Count(severity, n)
		return true, err
	}, "SELECT severity, COUNT(*) FROM scan_known GROUP BY severity")
	return t, err
}

// hold holds the rows of stored bytes until the commit, as scannable asks for.
func hold(ctx context.Context, tx *metadata.Tx, digests []digest.Digest) error {
	for len(digests) > 0 {
		n := min(len(digests), db.ListMost)
		in, args := db.List(digests[:n])
		if _, err := db.All(ctx, tx.Tx, db.ScanString,
			"SELECT digest FROM blobs WHERE digest IN ("+in+") ORDER BY digest"+tx.ForShare(), args...); err != nil {
			return err
		}
		digests = digests[n:]
	}
	return nil
}

// known counts vulnerabilities anew whose findings the transaction changed. Who does that
// has the lock of matching.
func known(ctx context.Context, tx *metadata.Tx, vulnerabilities []string) error {
	for len(vulnerabilities) > 0 {
		n := min(len(vulnerabilities), db.ListMost)
		in, args := db.List(vulnerabilities[:n])
		if _, err := tx.Tx.Exec(ctx, "DELETE FROM scan_known WHERE vulnerability IN ("+in+")", args...); err != nil {
			return db.Unavailable(err)
		}
		_, err := tx.Tx.Exec(ctx, `INSERT INTO scan_known (vulnerability, severity)
			SELECT vulnerability, MAX(severity) FROM scan_findings WHERE vulnerability IN (`+in+`)
			GROUP BY vulnerability`, args...)
		if err != nil {
			return db.Unavailable(err)
		}
		vulnerabilities = vulnerabilities[n:]
	}
	return nil
}

// Mend counts anew what the totals are made of, after a release before this one has
// written beside it.
func (b *Book) Mend(ctx context.Context) error {
	unlock, err := b.db.Lock(ctx, matching)
	if err != nil {
		return err
	}
	defer unlock()
	for {
		wrong, err := scannable.Wrong(ctx, b.db.Querier(), batch)
		if err != nil || len(wrong) == 0 {
			return b.mendKnown(ctx, err)
		}
		err = b.db.UpdateSoon(ctx, func(ctx context.Context, tx *metadata.Tx) error {
			if err := hold(ctx, tx, wrong); err != nil {
				return err
			}
			for _, dgst := range wrong {
				if err := scannable.Mend(ctx, tx.Tx, dgst); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
}

func (b *Book) mendKnown(ctx context.Context, err error) error {
	if err != nil {
		return err
	}
	wrong, err := db.All(ctx, b.db.Querier(), db.ScanString, `SELECT f.vulnerability FROM
			(SELECT vulnerability, MAX(severity) AS severity FROM scan_findings GROUP BY vulnerability) AS f
			LEFT JOIN scan_known k ON k.vulnerability = f.vulnerability
			WHERE k.vulnerability IS NULL OR k.severity <> f.severity
		UNION SELECT k.vulnerability FROM scan_known k
			WHERE NOT EXISTS (SELECT 1 FROM scan_findings f WHERE f.vulnerability = k.vulnerability)`)
	if err != nil || len(wrong) == 0 {
		return err
	}
	return b.db.UpdateSoon(ctx, func(ctx context.Context, tx *metadata.Tx) error { return known(ctx, tx, wrong) })
}
