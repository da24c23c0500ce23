package results

import (
	"context"
	"maps"
	"slices"

	"github.com/opencontainers/go-digest"

	"cove/internal/plural"
	"cove/registry/db"
	"cove/registry/metadata"
	"cove/registry/metadata/scannable"
	"cove/registry/scan/advisory"
	"cove/registry/scan/vulndb"
)

// Changes is what a rescan came to.
type Changes struct {
	Packages, Artifacts int // that were looked at
	Changed             int // artifacts that have other vulnerabilities than before
	Forgotten           int // packages that no artifact has any more
}

func (c Changes) String() string {
	return plural.Sprintf("%d artifacts with %d packages matched, %d changed", c.Artifacts, c.Packages, c.Changed)
}

// Rescan matches all packages against the databases of now, each once, and counts
// every artifact anew. It tells how far it is.
func (b *Book) Rescan(ctx context.Context, say func(string)) (c Changes, err error) {
	unlock, err := b.db.Lock(ctx, matching)
	if err != nil {
		return c, err
	}
	defer unlock()
	begun := db.Micros(b.db.Now())
	found := map[int64]tally{}
	names := map[string]string{}
	for last := int64(-1); ; {
		subjects, err := b.subjects(ctx, last)
		if err != nil || len(subjects) == 0 {
			if err != nil {
				return c, err
			}
			break
		}
		last = subjects[len(subjects)-1].ID
		of, err := b.rematch(ctx, subjects)
		if err != nil {
			return c, err
		}
		for id, list := range of {
			found[id] = newTally(list, names)
		}
		c.Packages += len(subjects)
		say(plural.Sprintf("%d packages matched", c.Packages))
	}
	used := map[int64]bool{}
	if err := b.recount(ctx, found, used, &c, say); err != nil {
		return c, err
	}
	if c.Forgotten, err = b.forget(ctx, used, begun); err != nil {
		return c, err
	}
	return c, b.forgetTold(ctx)
}

// tally is what of a package's findings artifacts are counted by.
type tally []one

type one struct {
	vulnerability string
	severity      advisory.Severity
	fixable       bool
}

// newTally keeps each name once, however many packages have it.
func newTally(list []vulndb.Finding, names map[string]string) tally {
	t := make(tally, len(list))
	for i, f := range list {
		name, known := names[f.Vulnerability]
		if !known {
			name = f.Vulnerability
			names[name] = name
		}
		t[i] = one{name, f.Severity, f.Fixed != ""}
	}
	return t
}

// subjects are the packages after an id.
func (b *Book) subjects(ctx context.Context, after int64) ([]vulndb.Subject, error) {
	return db.All(ctx, b.db.Querier(), func(row db.Scanner) (s vulndb.Subject, err error) {
		err = row.Scan(&s.ID, &s.Ecosystem, &s.Type, &s.Name, &s.Version, &s.Source, &s.SourceVersion)
		return s, err
	}, `SELECT id, ecosystem, type, name, version, source, source_version FROM scan_packages
		WHERE id > $1 AND ecosystem <> 'scanner' ORDER BY id LIMIT $2`, after, 5*batch)
}

func (b *Book) rematch(ctx context.Context, subjects []vulndb.Subject) (map[int64][]vulndb.Finding, error) {
	found, err := vulndb.Match(ctx, b.db.Querier(), subjects)
	if err != nil {
		return nil, err
	}
	ids := make([]int64, len(subjects))
	for i, s := range subjects {
		ids[i] = s.ID
	}
	return found, b.keepFindings(ctx, ids, found)
}

// counted is an artifact as it is counted.
type counted struct {
	digest digest.Digest
	ids    string
	was    advisory.Summary
}

func (b *Book) recount(
	ctx context.Context, found map[int64]tally, used map[int64]bool, c *Changes, say func(string),
) error {
	for last := ""; ; {
		page, err := b.page(ctx, last, false)
		if err != nil || len(page) == 0 {
			return err
		}
		last = page[len(page)-1].digest.String()
		changed := map[digest.Digest]advisory.Summary{}
		for _, a := range page {
			ids, err := unpackIDs(a.ids)
			if err != nil {
				return err
			}
			for _, id := range ids {
				used[id] = true
			}
			if sum := sumOf(found, ids); sum != a.was {
				changed[a.digest] = sum
			}
		}
		if err := b.rewrite(ctx, changed); err != nil {
			return err
		}
		c.Artifacts, c.Changed = c.Artifacts+len(page), c.Changed+len(changed)
		say(plural.Sprintf("%d artifacts counted", c.Artifacts))
	}
}

// page are artifacts after one, by digest: those that the registry's own scanner looked at,
// whose findings a new database changes, or all.
func (b *Book) page(ctx context.Context, after string, all bool) ([]counted, error) {
	whose := " AND a.scanner = ''"
	if all {
		whose = ""
	}
	return db.All(ctx, b.db.Querier(), func(row db.Scanner) (a counted, err error) {
		err = row.Scan(&a.digest, &a.ids, &a.was.Critical, &a.was.High, &a.was.Medium, &a.was.Low, &a.was.Negligible,
			&a.was.Unknown, &a.was.Fixable)
		return a, err
	}, `SELECT a.digest, p.ids, a.critical, a.high, a.medium, a.low, a.negligible, a.unknown, a.fixable
		FROM scan_artifact_packages p JOIN scan_artifacts a ON a.digest = p.digest
		WHERE p.digest > $1`+whose+" ORDER BY p.digest LIMIT $2", after, batch)
}

func sumOf(found map[int64]tally, ids []int64) (sum advisory.Summary) {
	all := map[string]one{}
	for _, id := range ids {
		for _, f := range found[id] {
			seen, there := all[f.vulnerability]
			if there {
				f.severity, f.fixable = max(f.severity, seen.severity), f.fixable || seen.fixable
			}
			all[f.vulnerability] = f
		}
	}
	for _, f := range all {
		sum.Add(f.severity, f.fixable)
	}
	return sum
}

func (b *Book) rewrite(ctx context.Context, changed map[digest.Digest]advisory.Summary) error {
	if len(changed) == 0 {
		return nil
	}
	return b.db.UpdateSoon(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		all := slices.Sorted(maps.Keys(changed))
		if err := hold(ctx, tx, all); err != nil {
			return err
		}
		for _, dgst := range all {
			s := changed[dgst]
			_, err := tx.Tx.Exec(ctx, `UPDATE scan_artifacts SET worst = $2, critical = $3, high = $4, medium = $5,
				low = $6, negligible = $7, unknown = $8, fixable = $9 WHERE digest = $1`,
				dgst.String(), int64(s.Worst()), s.Critical, s.High, s.Medium, s.Low, s.Negligible, s.Unknown,
				s.Fixable)
			if err == nil {
				err = scannable.Scanned(ctx, tx.Tx, dgst, string(Scanned), int64(s.Worst()))
			}
			if err != nil {
				return db.Unavailable(err)
			}
		}
		return nil
	})
}

// forget removes the packages that no artifact has, but those that came meanwhile.
func (b *Book) forget(ctx context.Context, used map[int64]bool, before int64) (gone int, err error) {
	var unused []int64
	err = db.Each(ctx, b.db.Querier(), func(row db.Scanner) (bool, error) {
		var id int64
		err := row.Scan(&id)
		if !used[id] {
			unused = append(unused, id)
		}
		return true, err
	}, "SELECT id FROM scan_packages WHERE seen_at < $1 AND ecosystem <> 'scanner'", before)
	for piece := range slices.Chunk(unused, batch) {
		if err != nil {
			return gone, err
		}
		err = b.db.UpdateSoon(ctx, func(ctx context.Context, tx *metadata.Tx) error {
			var names []string
			for _, id := range piece {
				said, err := db.All(ctx, tx.Tx, db.ScanString,
					"SELECT vulnerability FROM scan_findings WHERE package_id = $1", id)
				if err != nil {
					return err
				}
				names = append(names, said...)
				_, err = tx.Tx.Exec(ctx, "DELETE FROM scan_packages WHERE id = $1 AND seen_at < $2", id, before)
				if err != nil {
					return db.Unavailable(err)
				}
			}
			slices.Sort(names)
			return known(ctx, tx, slices.Compact(names))
		})
		gone += len(piece)
	}
	return gone, err
}
