package registrycmd

import (
	"flag"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/internal/disktest"
)

var cuts = flag.Int("cuts", 3, "how many times the power of each disk is cut during pushes")

// TestPowerCut cuts the power of a disk again and again while images are pushed to
// the registry on it: T02. The disk forgets what was not flushed, or keeps some of
// it, in any order. What was acknowledged must be there, and right, each time.
func TestPowerCut(t *testing.T) {
	t.Parallel()
	for seed, kind := range []string{"ext4", "xfs", "btrfs"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(uint64(seed), 2))
			disk := disktest.New(t, kind)
			l := &ledger{blobs: map[string]digest.Digest{}, manifests: map[string]digest.Digest{}, chunks: map[string]int{}}
			lost := 0
			for round := range *cuts {
				root := filepath.Join(disk.Mount(), "root")
				p := serve(t, root, "--tls=off")
				lost += l.verify(p, true)
				before := l.images()
				pushers := startPushers(p, l, round)
				waitFor(t, "the first image of a round", func() bool { return l.images() > before })
				time.Sleep(time.Duration(rng.IntN(200)) * time.Millisecond)
				// No page that nobody synced, all, or some.
				disk.Cut(rng, []float64{0, 0.5, 1}[(round+seed)%3])
				p.Kill()
				pushers.Wait()
				clear(l.chunks) // unfinished uploads survive a kill; after a cut clients begin them anew
				disk.Unmount()
			}
			root := filepath.Join(disk.Mount(), "root")
			p := serve(t, root, "--tls=off")
			lost += l.verify(p, true)
			p.Stop()
			if out, errs, err := run(t, "", "fsck", "--root", root); err != nil {
				t.Errorf("fsck: %v\n%s%s", err, out, errs)
			}
			disk.Unmount()
			c := disk.Counts()
			t.Logf("%s, seed %d: %d cuts with %d pages in the cache, %d of them written by luck; %d blobs (%d of them "+
				"mounted) and %d manifests acknowledged, %d lost", kind, seed, c.Cuts, c.Lost+c.Lucky, c.Lucky,
				len(l.blobs), l.mounts, len(l.manifests), lost)
		})
	}
}

// images are how many manifests were acknowledged.
func (l *ledger) images() (n int) {
	l.note(func() { n = len(l.manifests) })
	return n
}
