package buildctx

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// benchContext writes 17,575 files, 311 MB: the size of the context in
// bench/, which is a checkout with its dependencies.
func benchContext(b *testing.B) string {
	b.Helper()
	dir := b.TempDir()
	rng := rand.New(rand.NewPCG(1, 2))
	buf := make([]byte, 64<<10)
	for i := range buf {
		buf[i] = byte(rng.Uint32())
	}
	for i := range 17_575 {
		d := filepath.Join(dir, fmt.Sprintf("d%d/e%d", i/900, i/30%30))
		if i%30 == 0 {
			if err := os.MkdirAll(d, 0o755); err != nil {
				b.Fatal(err)
			}
		}
		size := 1000 + rng.IntN(33_400)
		if err := os.WriteFile(filepath.Join(d, fmt.Sprintf("file%d.go", i)), buf[i%1000:][:size], 0o644); err != nil {
			b.Fatal(err)
		}
	}
	time.Sleep(150 * time.Millisecond) // past the margin of trust
	return dir
}

func benchOnce(b *testing.B, dir string, stats *Stats, ignore *Ignore) {
	t, err := Open(dir, ignore, stats)
	if err != nil {
		b.Fatal(err)
	}
	defer t.Close()
	es, err := t.Walk(b.Context(), t.Root(), nil)
	if err != nil {
		b.Fatal(err)
	}
	if stats == nil && ignore != nil {
		return
	}
	if err := t.Hash(b.Context(), es); err != nil {
		b.Fatal(err)
	}
}

func BenchmarkContext(b *testing.B) {
	dir := benchContext(b)
	path := filepath.Join(b.TempDir(), "stat")
	none, err := ParseIgnore(".dockerignore", []byte("nothing-is-called-so"))
	if err != nil {
		b.Fatal(err)
	}
	rules, err := ParseIgnore(".dockerignore", []byte("*.md\n.git\n**/node_modules\n**/*.o\nbuild/\n!keep.md\n"))
	if err != nil {
		b.Fatal(err)
	}
	b.Run("walk", func(b *testing.B) {
		for b.Loop() {
			benchOnce(b, dir, nil, none)
		}
	})
	b.Run("walk with .dockerignore", func(b *testing.B) {
		for b.Loop() {
			benchOnce(b, dir, nil, rules)
		}
	})
	b.Run("fresh", func(b *testing.B) {
		for b.Loop() {
			benchOnce(b, dir, nil, nil)
		}
	})
	s, err := OpenStats(path)
	if err != nil {
		b.Fatal(err)
	}
	benchOnce(b, dir, s, nil)
	if err := s.Save(); err != nil {
		b.Fatal(err)
	}
	b.Run("warm", func(b *testing.B) {
		for b.Loop() {
			s, err := OpenStats(path)
			if err != nil {
				b.Fatal(err)
			}
			benchOnce(b, dir, s, nil)
		}
	})
}
