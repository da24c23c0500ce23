package web_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/registry/metadata"
	"cove/registry/server/config"
	"cove/registry/web/webtest"
)

// BenchmarkPages measures each page of a registry with 100,000 tags on as many
// artifacts, 2,000 repositories and 1,000 projects: the 95th percentile of the
// time to the last byte, and the bytes that travel.
func BenchmarkPages(b *testing.B) {
	s := webtest.Start(b, config.Config{})
	fillUp(b, s)
	v := s.As(b, "admin")
	img := s.Push(b, "big/app", "newest", webtest.Image{Layers: []map[string]string{{"a": "b"}}})
	for _, path := range []string{
		"/projects", "/projects?match=p99", "/projects/many", "/repositories/big/app", "/repositories/big/app?order=name",
		"/repositories/big/app?match=t-0999", "/repositories/big/app?match=absent", "/artifacts/big/app:newest",
		"/files/big/app@" + img.Digest.String(), "/search?q=app", "/search?q=app:t-09", "/search?q=absent", "/users", "/audit",
	} {
		b.Run(path, func(b *testing.B) {
			var took []time.Duration
			var size int64
			for b.Loop() {
				r, err := http.NewRequestWithContext(b.Context(), "GET", s.URL+path, nil)
				if err != nil {
					b.Fatal(err)
				}
				r.Header.Set("Accept-Encoding", "gzip")
				r.AddCookie(&http.Cookie{Name: "cove_session", Value: v.Cookie("cove_session")})
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
			b.ReportMetric(float64(took[len(took)*95/100].Microseconds())/1000, "p95-ms")
			b.ReportMetric(float64(size)/1000, "kB")
		})
	}
}

// fillUp writes to the database what pushes would have.
func fillUp(b *testing.B, s *webtest.Site) {
	b.Helper()
	db, err := metadata.Open(b.Context(), metadata.Config{DSN: s.Root + "/registry.db"})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
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
					Descriptor: ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: dgst, Size: 500},
					Blobs:      []ocispec.Descriptor{{Digest: layer, Size: 1 << 20}},
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
}
