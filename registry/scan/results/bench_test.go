package results_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/inventory/packages"
	"cove/registry/metadata"
	"cove/registry/metadata/metadatatest"
	"cove/registry/scan/results"
	"cove/registry/scan/vulndb"
)

// BenchmarkRescan matches 100,000 artifacts, of 200 packages each out of 50,000,
// against a new database of 200,000 advisories. One round is enough:
//
//	go test ./registry/scan/results -run - -bench Rescan -benchtime 1x -timeout 1h
func BenchmarkRescan(b *testing.B) {
	for engine, open := range map[string]func(testing.TB, func() time.Time) *metadata.DB{
		"sqlite": metadatatest.OpenSQLite, "postgres": metadatatest.Postgres(b).Open,
	} {
		b.Run(engine, func(b *testing.B) {
			database := open(b, time.Now)
			const artifacts = 100_000
			fill(b, database, artifacts)
			book := results.Over(database)
			for b.Loop() {
				b.StopTimer()
				bring(b, database)
				b.StartTimer()
				changes, err := book.Rescan(b.Context(), func(string) {})
				if err != nil || changes.Artifacts != artifacts {
					b.Fatal(changes, err)
				}
				b.ReportMetric(float64(changes.Changed), "changed")
			}
		})
	}
}

// named is a package by its number, of 50,000.
func named(n int) packages.Found {
	return npm(fmt.Sprintf("package-%d", n%12_500), fmt.Sprintf("1.%d.0", n/12_500))
}

// fill keeps the packages as those of one image, and gives each artifact some of
// them by rows: to scan so many takes longer than the benchmark.
func fill(b *testing.B, database *metadata.DB, n int) {
	b.Helper()
	whole := push(b, database, 0)
	image := packages.Image{}
	for i := range 50_000 {
		image.Packages = append(image.Packages, named(i))
	}
	if _, err := results.Over(database).Keep(b.Context(), whole, image); err != nil {
		b.Fatal(err)
	}
	var text string
	err := database.Querier().Row(b.Context(), "SELECT ids FROM scan_artifact_packages").Scan(&text)
	raw, bad := base64.StdEncoding.DecodeString(text)
	if err = errors.Join(err, bad); err != nil {
		b.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	const step, has = 500, 200
	for from := 1; from < n; from += step {
		err := database.UpdateSoon(b.Context(), func(ctx context.Context, tx *metadata.Tx) error {
			for i := from; i < min(from+step, n); i++ {
				dgst, ids := digest.FromString(fmt.Sprint(i)), []byte{}
				for range has {
					at := 8 * random.IntN(len(raw)/8)
					ids = append(ids, raw[at:at+8]...)
				}
				if err := tx.AddBytes(ctx, dgst, 7); err != nil {
					return err
				}
				if _, err := tx.Tx.Exec(ctx, `INSERT INTO scan_artifacts (digest, state, packages, scanned_at)
					VALUES ($1, 'scanned', $2, 1)`, dgst.String(), has); err != nil {
					return err
				}
				if _, err := tx.Tx.Exec(ctx, "INSERT INTO scan_artifact_packages (digest, ids) VALUES ($1, $2)",
					dgst.String(), base64.StdEncoding.EncodeToString(ids)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

// push records the bytes of an image.
func push(b *testing.B, database *metadata.DB, n int) digest.Digest {
	b.Helper()
	dgst := digest.FromString(fmt.Sprint(n))
	err := database.Update(b.Context(), func(ctx context.Context, tx *metadata.Tx) error {
		return tx.AddBytes(ctx, dgst, 7)
	})
	if err != nil {
		b.Fatal(err)
	}
	return dgst
}

// bring imports a database that speaks of a twelfth of the packages, and of many
// that nobody has.
func bring(b *testing.B, database *metadata.DB) {
	b.Helper()
	var text strings.Builder
	for i := range 200_000 {
		name := fmt.Sprintf("elsewhere-%d", i)
		if i < 3000 {
			name = fmt.Sprintf("package-%d", i%1000)
		}
		text.WriteString(osv(fmt.Sprintf("CVE-2024-%d", i), "npm", name, "1.2.0", "HIGH"))
	}
	begun := time.Now()
	_, err := vulndb.Over(database).
		Import(b.Context(), vulndb.New{Name: "osv"}, strings.NewReader(text.String()),
			int64(
				text.Len(),
			), func(context.Context, *metadata.Tx, vulndb.Source) error { return nil })
	if err != nil {
		b.Fatal(err)
	}
	b.Logf("200,000 advisories imported in %v", time.Since(begun).Round(time.Second))
}
