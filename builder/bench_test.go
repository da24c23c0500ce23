package builder

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"cove/builder/event"
	"cove/content/fsstore"
	"cove/layers/snapshot/overlay"
)

const benchDockerfile = `FROM base AS one
WORKDIR /src
COPY . .
RUN write /count 1
FROM base AS two
COPY half /a
RUN write /counta 2
FROM base
COPY --from=one /count /
COPY --from=two /counta /
COPY . /all
COPY half /half
RUN copy /count /total
`

// BenchmarkBuild builds the context of bench/: 17,575 files, 311 MB, of which
// one COPY takes all and one the half, three RUNs in three stages.
func BenchmarkBuild(b *testing.B) {
	if os.Getuid() != 0 {
		b.Skip("needs root: snapshots are overlays")
	}
	for _, mode := range []string{"warm", "cold"} {
		b.Run(mode, func(b *testing.B) {
			w := benchWorld(b)
			if mode == "warm" {
				w.benchBuild(b)
			}
			for b.Loop() {
				if mode == "cold" {
					b.StopTimer()
					w = benchWorld(b)
					b.StartTimer()
				}
				w.benchBuild(b)
			}
		})
	}
}

func (w *world) benchBuild(b *testing.B) {
	steps := map[int]string{}
	res, err := w.builder.Build(b.Context(), Request{Context: w.dir, Progress: func(e Event) {
		if e.Kind == event.Done {
			steps[e.Index] = fmt.Sprintf("%s %v", e.Vertex.Name, e.Duration)
		}
	}})
	if err != nil {
		b.Fatal(err)
	}
	if len(steps) > 0 {
		b.Log(steps)
	}
	if err := res.Lease.Release(); err != nil {
		b.Fatal(err)
	}
}

func benchWorld(b *testing.B) *world {
	b.Helper()
	root := b.TempDir()
	store, err := fsstore.Open(filepath.Join(root, "images"), fsstore.Options{})
	if err != nil {
		b.Fatal(err)
	}
	snaps, err := overlay.New(filepath.Join(root, "snapshots"))
	if err != nil {
		b.Fatal(err)
	}
	w := &world{t: b, dir: filepath.Join(root, "context"), store: store, snaps: snaps, images: map[string]Base{}, exec: &fakeExec{t: b}}
	w.builder, err = New(Config{Content: store, Snapshots: snaps, Resolver: w, Executor: w.exec, Root: filepath.Join(root, "build")})
	if err != nil {
		b.Fatal(err)
	}
	w.image("base", `{}`, map[string]string{"bin/sh": "shell"})
	rng := rand.New(rand.NewPCG(1, 2))
	buf := make([]byte, 1<<20)
	for i := range buf {
		buf[i] = byte('a' + rng.IntN(20)*rng.IntN(2))
	}
	for i := range 17_575 {
		d := filepath.Join(w.dir, []string{"half", "rest"}[i%2], fmt.Sprintf("d%d/e%d", i/900, i/30%30))
		if err := os.MkdirAll(d, 0o755); err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(d, fmt.Sprintf("f%d", i)), buf[i%1000:][:1000+rng.IntN(33_400)], 0o644); err != nil {
			b.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(w.dir, "Dockerfile"), []byte(benchDockerfile), 0o644); err != nil {
		b.Fatal(err)
	}
	time.Sleep(150 * time.Millisecond)
	return w
}
