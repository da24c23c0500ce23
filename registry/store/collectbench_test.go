package store

import (
	"context"
	"flag"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"cove/distribution/distributiontest"
	"cove/registry/metadata"
	"cove/registry/metadata/metadatatest"
)

var garbage = flag.Int("garbage", 100_000, "how many blobs are collected while images are pulled")

// BenchmarkCollectWhileServing collects 100,000 blobs that nothing needs any more while
// an image is pulled again and again. It reports how long the slowest hundredth of the
// pulls takes before and meanwhile. One round is enough:
//
//	go test ./registry/store -run - -bench CollectWhileServing -benchtime 1x -timeout 1h
func BenchmarkCollectWhileServing(b *testing.B) {
	for engine, open := range map[string]func(testing.TB, func() time.Time) *metadata.DB{
		"sqlite": metadatatest.OpenSQLite, "postgres": metadatatest.Postgres(b).Open,
	} {
		b.Run(engine, func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				f := newStored(b, open, nil)
				ctx := admin(b.Context())
				img := distributiontest.NewImage(b, 1, 100_000, 2000)
				pushAll(b, ctx, f.Registry, img)
				f.litter(ctx, b, *garbage)
				before := f.pulls(ctx, b, img, time.After(10*time.Second))
				f.clock.Advance(48 * time.Hour)
				b.StartTimer()
				done := make(chan time.Time)
				var got Collected
				var failed error
				var collector sync.WaitGroup
				collector.Go(func() {
					got, failed = f.Collect(ctx)
					close(done)
				})
				during := f.pulls(ctx, b, img, done)
				collector.Wait()
				if failed != nil || got.Blobs != *garbage {
					b.Fatal(got, failed)
				}
				b.ReportMetric(float64(*garbage)/b.Elapsed().Seconds(), "blobs/s")
				b.ReportMetric(ms(before), "ms-p99-before")
				b.ReportMetric(ms(during), "ms-p99-during")
				b.ReportMetric(float64(len(during)), "pulls")
			}
		})
	}
}

// litter uploads blobs that no manifest will need.
func (f *fixture) litter(ctx context.Context, b *testing.B, n int) {
	b.Helper()
	const at = 16
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(at)
	for i := range n {
		g.Go(func() error { return f.upload(ctx, "team/litter", fmt.Appendf(nil, "litter %d", i)) })
	}
	if err := g.Wait(); err != nil {
		b.Fatal(err)
	}
}

// pulls pulls an image, by one client, until it is told to stop.
func (f *fixture) pulls(
	ctx context.Context, b *testing.B, img distributiontest.Image, stop <-chan time.Time,
) (took []time.Duration) {
	b.Helper()
	for {
		select {
		case <-stop:
			slices.Sort(took)
			return took
		case <-time.After(time.Millisecond):
		}
		begun := time.Now()
		if _, err := f.GetTag(ctx, "team/app", "v1"); err != nil {
			b.Fatal(err)
		}
		for dgst := range img.Blobs {
			blob, err := f.OpenBlob(ctx, "team/app", dgst)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, io.NewSectionReader(blob, 0, blob.Size())); err != nil {
				b.Fatal(err)
			}
			if err := blob.Close(); err != nil {
				b.Fatal(err)
			}
		}
		took = append(took, time.Since(begun))
	}
}

// ms is the time that a hundredth takes longer than, in milliseconds.
func ms(sorted []time.Duration) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return float64(sorted[len(sorted)*99/100]) / float64(time.Millisecond)
}
