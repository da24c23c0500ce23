package server

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"cove/bench/asker"
	"cove/content"
	"cove/content/s3store/objects"
	"cove/content/s3store/s3test"
	"cove/registry/metadata/metadatatest"
	"cove/registry/server/config"
)

// BenchmarkBucket pushes and pulls images through a registry whose storage is a bucket, in
// turn with a bare client of that service, which puts and gets a layer, a config and a
// manifest. It says how long both take, in the middle, and their ratio.
func BenchmarkBucket(b *testing.B) {
	b.Setenv(AdminPasswordEnv, asker.Password)
	service := s3test.Start(b)
	cfg := config.Config{
		Root: metadatatest.Dir(b), Listen: "127.0.0.1:0", TLS: config.TLS{Off: true},
		Storage: config.Storage{S3: bucketOf(service)},
	}
	cfg.Log.Level = "error"
	s, err := New(b.Context(), cfg)
	if err != nil {
		b.Fatal(err)
	}
	ts := httptest.NewServer(s.handler)
	b.Cleanup(func() {
		ts.Close()
		if err := s.state.close(true); err != nil {
			b.Error(err)
		}
	})
	registry, bare := &asker.Client{Base: ts.URL}, service.Bucket(b)
	for _, mb := range []int{1, 10, 100} {
		n := 0
		push := func(b *testing.B) (ours, theirs time.Duration) {
			n++
			body := make([]byte, mb<<20)
			_, _ = rand.Read(body) // never fails
			layer := asker.NewBlob(body)
			theirs = took(b, func(ctx context.Context) error { return putAll(ctx, bare, fmt.Sprint(mb, "-", n), body) })
			return took(b, func(ctx context.Context) error {
				return registry.PushImage(ctx, fmt.Sprint("of-", mb), layer)
			}), theirs
		}
		b.Run(fmt.Sprint("push/", mb, "MB"), func(b *testing.B) { inTurn(b, push) })
		b.Run(fmt.Sprint("pull/", mb, "MB"), func(b *testing.B) {
			inTurn(b, func(b *testing.B) (ours, theirs time.Duration) {
				theirs = took(b, func(ctx context.Context) error { return getAll(ctx, bare, fmt.Sprint(mb, "-", n)) })
				return took(b, func(ctx context.Context) error { return registry.PullImage(ctx, fmt.Sprint("of-", mb)) }), theirs
			})
		})
	}
}

// inTurn reports the medians of what two take in turn, and their ratio.
func inTurn(b *testing.B, once func(b *testing.B) (ours, theirs time.Duration)) {
	b.Helper()
	var all [2][]time.Duration
	once(b) // warms both up
	for b.Loop() {
		ours, theirs := once(b)
		all[0], all[1] = append(all[0], ours), append(all[1], theirs)
	}
	middle := func(of []time.Duration) float64 {
		slices.Sort(of)
		return float64(of[len(of)/2].Microseconds()) / 1000
	}
	b.ReportMetric(middle(all[0]), "ms/registry")
	b.ReportMetric(middle(all[1]), "ms/client")
	b.ReportMetric(middle(all[0])/middle(all[1]), "ratio")
}

func took(b *testing.B, do func(context.Context) error) time.Duration {
	b.Helper()
	begun := time.Now()
	if err := do(b.Context()); err != nil {
		b.Fatal(err)
	}
	return time.Since(begun)
}

// parts are what an image has beside its layer: a config and a manifest, about as long.
var parts = map[string][]byte{"config": make([]byte, 150), "manifest": make([]byte, 500)}

func putAll(ctx context.Context, to *objects.Bucket, name string, layer []byte) error {
	if err := to.PutFrom(ctx, name+"/layer", bytes.NewReader(layer), int64(len(layer))); err != nil {
		return err
	}
	for part, body := range parts {
		if err := to.Put(ctx, name+"/"+part, body); err != nil {
			return err
		}
	}
	return nil
}

func getAll(ctx context.Context, from *objects.Bucket, name string) error {
	for _, part := range []string{"manifest", "config", "layer"} {
		r, err := from.Open(ctx, name+"/"+part)
		if err != nil {
			return err
		}
		if _, err := io.Copy(io.Discard, content.NewReader(r)); err != nil {
			return err
		}
		if err := r.Close(); err != nil {
			return err
		}
	}
	return nil
}
