package results

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/inventory/packages"
	"cove/registry/db"
	"cove/registry/metadata"
	"cove/registry/scan/vulndb"
)

// foreign is the ecosystem of packages that a scanner of others found: no database here
// is asked about them, and each is of one artifact, so that what a scanner says of one
// says nothing of another.
const foreign = "scanner"

// Told is a vulnerability as a scanner of others tells it.
type Told struct {
	vulndb.Finding
	Package, Version, Title string
	Score                   float64
}

// KeepTold keeps what a scanner of others found in an artifact, in the place of what was
// known of it. An artifact that has gone meanwhile is errdefs.ErrNotFound.
func (b *Book) KeepTold(ctx context.Context, dgst digest.Digest, scanner string, told []Told) (Scan, error) {
	subjects, found := map[int64]vulndb.Subject{}, map[int64][]Told{}
	counted := map[int64][]vulndb.Finding{}
	type finding struct {
		of   int64
		name string
	}
	said := map[finding]bool{}
	for _, t := range told {
		s := subjectOf(t, dgst)
		this := finding{s.ID, t.Vulnerability}
		if said[this] {
			continue
		}
		said[this] = true
		subjects[s.ID] = s
		found[s.ID] = append(found[s.ID], t)
		counted[s.ID] = append(counted[s.ID], t.Finding)
	}
	ids := slices.Sorted(maps.Keys(subjects))
	unlock, err := b.db.Lock(ctx, matching)
	if err != nil {
		return Scan{}, err
	}
	defer unlock()
	if err := b.keepPackages(ctx, subjects, ids); err != nil {
		return Scan{}, err
	}
	s := Scan{
		Digest: dgst, State: Scanned, Scanner: scanner, Packages: len(ids), Summary: count(counted, ids),
	}
	err = b.db.UpdateSoon(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		if err := there(ctx, tx, dgst); err != nil {
			return err
		}
		if err := retell(ctx, tx, dgst, ids, found); err != nil {
			return err
		}
		s.At = tx.Now()
		return s.write(ctx, tx, packIDs(ids))
	})
	return s, err
}

func subjectOf(t Told, of digest.Digest) vulndb.Subject {
	s := subject(packages.Package{Name: t.Package, Version: t.Version}, packages.Release{})
	s.Ecosystem, s.Source, s.SourceVersion = foreign, of.String(), ""
	s.ID = idOf(s)
	return s
}

// retell writes the findings of the packages of an artifact, and removes the packages that
// it has no more.
func retell(ctx context.Context, tx *metadata.Tx, dgst digest.Digest, ids []int64, found map[int64][]Told) error {
	old, err := db.All(ctx, tx.Tx, func(row db.Scanner) (id int64, err error) {
		err = row.Scan(&id)
		return id, err
	}, "SELECT id FROM scan_packages WHERE ecosystem = 'scanner' AND source = $1", dgst.String())
	if err != nil {
		return err
	}
	var names []string
	for _, id := range old {
		said, err := db.All(ctx, tx.Tx, db.ScanString, "SELECT vulnerability FROM scan_findings WHERE package_id = $1", id)
		if err != nil {
			return err
		}
		names = append(names, said...)
		statement := "DELETE FROM scan_findings WHERE package_id = $1"
		if _, still := slices.BinarySearch(ids, id); !still {
			statement = "DELETE FROM scan_packages WHERE id = $1"
		}
		if _, err := tx.Tx.Exec(ctx, statement, id); err != nil {
			return db.Unavailable(err)
		}
	}
	var rows [][]any
	for _, id := range ids {
		for _, t := range found[id] {
			names = append(names, t.Vulnerability)
			rows = append(rows, []any{
				id, t.Vulnerability, int64(t.Severity), t.Fixed, t.Status, t.Title, int64(t.Score*10 + 0.5),
			})
		}
	}
	if err := vulndb.InsertRows(ctx, tx.Tx,
		"INSERT INTO scan_findings (package_id, vulnerability, severity, fixed, status, title, score)",
		"ON CONFLICT DO NOTHING", rows); err != nil {
		return err
	}
	slices.Sort(names)
	return known(ctx, tx, slices.Compact(names))
}

// Aged are images that a scanner of others scanned before a time, of repository and
// digest, after a digest.
func (b *Book) Aged(ctx context.Context, scanner string, before time.Time, after string, n int) ([]Image, error) {
	return db.All(ctx, b.db.Querier(), func(row db.Scanner) (i Image, err error) {
		err = row.Scan(&i.Digest, &i.Repository)
		return i, err
	}, `SELECT a.digest, MIN(r.name) FROM scan_artifacts a JOIN manifests m ON m.digest = a.digest
		JOIN repositories r ON r.id = m.repository_id
		WHERE a.scanner = $1 AND a.scanner <> '' AND a.scanned_at < $2 AND a.digest > $3
		GROUP BY a.digest ORDER BY a.digest LIMIT $4`, scanner, db.Micros(before), after, n)
}

// forgetTold removes the packages of artifacts that are gone, or that the registry's own
// scanner has scanned since.
func (b *Book) forgetTold(ctx context.Context) error {
	return b.db.UpdateSoon(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		const gone = `scan_packages.ecosystem = 'scanner' AND NOT EXISTS
			(SELECT 1 FROM scan_artifacts a WHERE a.digest = scan_packages.source AND a.scanner <> '')`
		names, err := db.All(ctx, tx.Tx, db.ScanString, `SELECT DISTINCT f.vulnerability FROM scan_packages
			JOIN scan_findings f ON f.package_id = scan_packages.id WHERE `+gone)
		if err != nil {
			return err
		}
		if _, err := tx.Tx.Exec(ctx, "DELETE FROM scan_packages WHERE "+gone); err != nil {
			return db.Unavailable(err)
		}
		return known(ctx, tx, names)
	})
}
