package web_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/registry/metadata"
	"cove/registry/metadata/metadatatest"
	"cove/registry/server/config"
	"cove/registry/web/webtest"
)

const (
	mostTime  = 100 * time.Millisecond // of the 95th percentile of a page
	mostBytes = 100_000                // that travel for one
)

// BenchmarkPages measures each page of a registry with 100,000 tags on as many
// artifacts, 2,000 repositories, 1,000 projects and 1,000,000 lines of the audit log: the
// 95th percentile of the time to the last byte, and the bytes that travel. A page that is
// slower or larger than its bounds fails, and a table says how all stand. It is part of
// `make soak`.
func BenchmarkPages(b *testing.B) {
	b.Run("sqlite", func(b *testing.B) {
		s := webtest.Start(b, config.Config{})
		measure(b, s, s.Root+"/registry.db")
	})
	b.Run("postgres", func(b *testing.B) {
		dsn := metadatatest.Postgres(b).New(b)
		measure(b, webtest.Start(b, config.Config{Database: dsn}), dsn)
	})
	// With the plans that a connection has after it has asked often: one for all values.
	b.Run("postgres-generic-plans", func(b *testing.B) {
		dsn := metadatatest.Postgres(b).New(b)
		generic := dsn + "&plan_cache_mode=force_generic_plan"
		if !strings.Contains(dsn, "?") {
			generic = dsn + "?plan_cache_mode=force_generic_plan"
		}
		measure(b, webtest.Start(b, config.Config{Database: generic}), dsn)
	})
}

func measure(b *testing.B, s *webtest.Site, dsn string) {
	b.Helper()
	fillUp(b, dsn)
	v := s.As(b, "admin")
	img := s.Push(b, "big/app", "newest", webtest.Image{Layers: []map[string]string{{"a": "b"}}})
	s.Chart(b, "big/chart", "1.2.3")
	pages := map[string]measured{}
	for _, path := range []string{
		"/start", "/projects", "/projects?match=p99", "/projects/many", "/projects/many?match=app9", "/projects/big/members",
		"/projects/big/settings", "/projects/big/policies", "/projects/big/retention", "/projects/big/scanning", "/projects/big/signing",
		"/projects/big/webhooks", "/projects/big/robots", "/projects/big/trust", "/projects/big/usage", "/projects/many/usage", "/usage",
		"/usage/big/app", "/usage/big/app?tag=newest",
		"/repositories/big/app", "/repositories/big/app?order=name", "/repositories/big/app?match=t-0999",
		"/repositories/big/app?match=absent", "/history/big/app", "/artifacts/big/app:newest", "/artifacts/big/chart:1.2.3",
		"/files/big/app@" + img.Digest.String(), "/scans/big/app:newest", "/search?q=app", "/search?q=app:t-09", "/search?q=absent",
		"/users", "/groups", "/roles", "/robots", "/trust", "/access?user=admin&verb=push&object=big/app", "/account", "/account/tokens",
		"/audit", "/audit?actor=user77", "/audit?action=tag.delete", "/audit?object=big/app:t-00042", "/audit?actor=nobody",
		"/jobs", "/replication", "/security", "/security?after=0+3+7+sha256:8+p", "/projects/big/scanning?after=0+3+7+sha256:8+p",
		"/system",
	} {
		b.Run(path, func(b *testing.B) { pages[path] = one(b, s.URL+path, v.Cookie("cove_session")) })
	}
	table := fmt.Sprintf("\n%-45s %10s %10s %8s\n", b.Name(), "median", "p95", "kB")
	for _, path := range slices.Sorted(maps.Keys(pages)) {
		m := pages[path]
		table += fmt.Sprintf("%-45.45s %10v %10v %8.1f\n", path, m.median.Round(100*time.Microsecond),
			m.p95.Round(100*time.Microsecond), float64(m.bytes)/1000)
	}
	fmt.Println(table)
}

// scanAll writes what scans of all images but a thousand would have: 50,000 packages, of
// which each has three of 20,000 vulnerabilities.
func scanAll(b *testing.B, db *metadata.DB) {
	b.Helper()
	err := db.Update(b.Context(), func(ctx context.Context, tx *metadata.Tx) error {
		for _, stmt := range []string{
			`INSERT INTO scan_artifacts (digest, state, packages, worst, critical, high, medium, low, scanned_at)
				SELECT digest, 'scanned', 200, (n % 6), CASE n % 6 WHEN 5 THEN n % 7 ELSE 0 END,
				CASE WHEN n % 6 > 3 THEN n % 11 ELSE 0 END, n % 13, 3, 1
				FROM (SELECT digest, ROW_NUMBER() OVER (ORDER BY digest) AS n FROM scan_images) AS x WHERE n > 1000`,
			`UPDATE scan_images SET state = 'scanned', worst = (SELECT a.worst FROM scan_artifacts a
				WHERE a.digest = scan_images.digest) WHERE digest IN (SELECT digest FROM scan_artifacts)`,
			`INSERT INTO scan_listed (repository_id, digest, project_id, critical, high, medium)
				SELECT r.id, a.digest, r.project_id, a.critical, a.high, a.medium FROM scan_artifacts a
				JOIN manifests m ON m.digest = a.digest JOIN repositories r ON r.id = m.repository_id`,
			`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50000)
				INSERT INTO scan_packages (id, ecosystem, type, name, version, source, source_version, seen_at)
				SELECT i, 'npm', 'npm', 'package-' || i, '1.0', '', '', 1 FROM n`,
			`WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 149999)
				INSERT INTO scan_findings (package_id, vulnerability, severity)
				SELECT 1 + i / 3, 'CVE-2026-' || ((i * 7) % 20000), (i * 7) % 6 FROM n WHERE TRUE ON CONFLICT DO NOTHING`,
			`INSERT INTO scan_known SELECT vulnerability, MAX(severity) FROM scan_findings GROUP BY vulnerability`,
		} {
			if _, err := tx.Tx.Exec(ctx, stmt); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}

// measured is what a page took.
type measured struct {
	median, p95 time.Duration
	bytes       int64
}

func one(b *testing.B, url, session string) measured {
	var took []time.Duration
	var size int64
	for b.Loop() {
		r, err := http.NewRequestWithContext(b.Context(), "GET", url, nil)
		if err != nil {
			b.Fatal(err)
		}
		r.Header.Set("Accept-Encoding", "gzip")
		r.Header.Set("Accept", "text/html")
		r.AddCookie(&http.Cookie{Name: "cove_session", Value: session})
		begun := time.Now()
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			b.Fatal(err)
		}
		size, err = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		if took = append(took, time.Since(begun)); err != nil || resp.StatusCode != 200 {
			b.Fatal(resp.StatusCode, err)
		}
	}
	slices.Sort(took)
	p95 := took[len(took)*95/100]
	b.ReportMetric(float64(p95.Microseconds())/1000, "p95-ms")
	b.ReportMetric(float64(size)/1000, "kB")
	if len(took) >= 20 && p95 > mostTime {
		b.Errorf("the 95th percentile is %v, more than %v", p95, mostTime)
	}
	if size > mostBytes {
		b.Errorf("%d bytes travel, more than %d", size, mostBytes)
	}
	return measured{took[len(took)/2], p95, size}
}

// auditLines is how many lines of the audit log there are.
const auditLines = 1_000_000

// fillUp writes to the database what pushes would have, and lines of the audit log.
func fillUp(b *testing.B, dsn string) {
	b.Helper()
	db, err := metadata.Open(b.Context(), metadata.Config{DSN: dsn})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	err = db.Update(b.Context(), func(ctx context.Context, tx *metadata.Tx) error {
		_, err := tx.Tx.Exec(ctx, `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1)
			INSERT INTO audit (id, at, actor, action, object, detail) SELECT i, CAST($2 AS BIGINT) + i, 'user' || (i % 500),
			CASE i % 5 WHEN 0 THEN 'tag.delete' WHEN 1 THEN 'manifest.push' ELSE 'manifest.pull' END,
			'big/app:t-000' || (10 + i % 90), '' FROM n`, auditLines, tx.Now().UnixMicro()-auditLines)
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	const batch = 5000
	write := func(n int, row func(ctx context.Context, tx *metadata.Tx, i int) error) {
		b.Helper()
		for first := 0; first < n; first += batch {
			err := db.Update(b.Context(), func(ctx context.Context, tx *metadata.Tx) error {
				for i := first; i < min(n, first+batch); i++ {
					if err := row(ctx, tx, i); err != nil {
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
	add := func(ctx context.Context, tx *metadata.Tx, repo, tag string) error {
		id, err := tx.EnsureRepository(ctx, repo, metadata.Creator{})
		if err != nil {
			return err
		}
		dgst, layer := digest.FromString(repo+tag), digest.FromString("layer "+tag)
		for _, step := range []func() error{
			func() error { return tx.AddBytes(ctx, layer, 1<<20) },
			func() error { return tx.AddBlob(ctx, id, layer, tx.Now().Add(time.Hour)) },
			func() error { return tx.AddBytes(ctx, dgst, 500) },
			func() error {
				return tx.AddManifest(ctx, id, metadata.Manifest{
					Descriptor: ocispec.Descriptor{
						MediaType: ocispec.MediaTypeImageManifest, ArtifactType: ocispec.MediaTypeImageConfig, Digest: dgst, Size: 500,
					},
					Blobs: []ocispec.Descriptor{{Digest: layer, Size: 1 << 20}},
				}, "ci")
			},
			func() error { return tx.SetTag(ctx, id, tag, dgst, "ci") },
		} {
			if err := step(); err != nil {
				return err
			}
		}
		return nil
	}
	write(100_000, func(ctx context.Context, tx *metadata.Tx, i int) error {
		return add(ctx, tx, "big/app", fmt.Sprintf("t-%05d", i))
	})
	write(1000, func(ctx context.Context, tx *metadata.Tx, i int) error {
		return add(ctx, tx, fmt.Sprintf("p%d/app", i), "v1")
	})
	write(1000, func(ctx context.Context, tx *metadata.Tx, i int) error {
		return add(ctx, tx, fmt.Sprintf("many/app%d", i), "v1")
	})
	scanAll(b, db)
	if strings.HasPrefix(dsn, "postgres:") { // what its autovacuum does within a minute
		if _, err := db.Querier().Exec(b.Context(), "VACUUM ANALYZE"); err != nil {
			b.Fatal(err)
		}
	}
}
