package diff_test

import (
	"bytes"
	"context"
	"io"
	"testing"
	"time"

	"cove/content/memstore"
	"cove/layers/apply"
	"cove/layers/compress"
	"cove/layers/diff"
	"cove/layers/mount"
	tt "cove/layers/treetest"
)

// The whole way of a built layer, files to blob, and its halves.
func BenchmarkDiff(b *testing.B) {
	dir := b.TempDir()
	data := tt.System(b, 250<<20)
	if _, err := apply.Apply(context.Background(), apply.Target{Dir: dir}, bytes.NewReader(data), options()); err != nil {
		b.Fatal(err)
	}
	m := mount.Mount{Type: "bind", Source: dir}
	b.Run("walk", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := diff.Write(context.Background(), io.Discard, m, diff.Options{}); err != nil {
				b.Fatal(err)
			}
		}
	})
	for _, c := range []compress.Compression{compress.None, compress.Gzip, compress.Zstd} {
		b.Run(string(c), func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				l, err := diff.Commit(context.Background(), memstore.New(time.Now), m, diff.Options{Compress: compress.Options{Compression: c}})
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(l.Blob.Size)/float64(len(data)), "ratio")
			}
		})
	}
}
