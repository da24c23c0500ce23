package apply

import (
	"bytes"
	"context"
	"io"
	"os"
	"testing"

	"cove/layers/compress"
	tt "cove/layers/treetest"

	_ "cove/layers/compress/codec/linked"
)

// The whole way of a pulled layer, blob to files, and its two halves.
func BenchmarkApply(b *testing.B) {
	data := tt.System(b, 250<<20)
	var gz bytes.Buffer
	w, err := compress.NewWriter(&gz, compress.Options{})
	if err != nil {
		b.Fatal(err)
	}
	_, _ = w.Write(data)
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
	to := func(b *testing.B, dir string) Target { return Target{Dir: dir, Overlay: os.Geteuid() == 0} }
	run := func(name string, fn func(b *testing.B, dir string)) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				// Not removed in between: ext4 looks past every inode that
				// was freed in the last half minute, and takes ten times as
				// long to make a file.
				fn(b, b.TempDir())
			}
		})
	}
	run("tar", func(b *testing.B, dir string) {
		if _, err := Apply(context.Background(), to(b, dir), bytes.NewReader(data), options()); err != nil {
			b.Fatal(err)
		}
	})
	run("gzip", func(b *testing.B, dir string) {
		zr, err := compress.NewReader(context.Background(), bytes.NewReader(gz.Bytes()), compress.Limits{})
		if err != nil {
			b.Fatal(err)
		}
		defer zr.Close()
		if _, err := Apply(context.Background(), to(b, dir), zr, options()); err != nil {
			b.Fatal(err)
		}
	})
	run("gunzip only", func(b *testing.B, _ string) {
		zr, err := compress.NewReader(context.Background(), bytes.NewReader(gz.Bytes()), compress.Limits{})
		if err != nil {
			b.Fatal(err)
		}
		defer zr.Close()
		if _, err := io.Copy(io.Discard, zr); err != nil {
			b.Fatal(err)
		}
	})
}
