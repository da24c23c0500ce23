package store

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/content/s3store/s3test"
	"cove/distribution"
	"cove/distribution/distributiontest"
	"cove/errdefs"
	"cove/registry/metadata"
	"cove/registry/metadata/metadatatest"
	"cove/registry/parse"
)

var (
	schedules    = flag.Int("schedules", 500, "forced schedules of garbage collection against everything else")
	schedulesFor = flag.Duration("schedules-for", 40*time.Second, "stop them after this long: under the race detector SQLite is ten times slower")
)

// scheduler lets one actor go on at a time, chosen at random, from one pause
// to the next. An actor that waits for another's lock is left waiting.
type scheduler struct {
	rng    *rand.Rand
	parked chan chan struct{}
	ended  chan struct{}
	open   atomic.Bool // nobody pauses any more
}

func (s *scheduler) pause(context.Context, string) {
	if s.open.Load() {
		return
	}
	ch := make(chan struct{})
	s.parked <- ch
	<-ch
}

// run runs the actors to their ends.
func (s *scheduler) run(actors ...func()) {
	for _, act := range actors {
		go func() {
			s.pause(context.Background(), "")
			act()
			s.ended <- struct{}{}
		}()
	}
	var waiting []chan struct{}
	for range actors {
		waiting = append(waiting, <-s.parked)
	}
	for left := len(actors); left > 0; {
		if len(waiting) > 0 {
			i := s.rng.IntN(len(waiting))
			close(waiting[i])
			waiting[i] = waiting[len(waiting)-1]
			waiting = waiting[:len(waiting)-1]
		}
		timeout := time.NewTimer(2 * time.Millisecond)
		select {
		case ch := <-s.parked:
			waiting = append(waiting, ch)
		case <-s.ended:
			left--
		case <-timeout.C: // whoever went on waits for a lock
		}
		timeout.Stop()
	}
}

// world is what the actors of one schedule share.
type world struct {
	*fixture
	tb    testing.TB
	ctx   context.Context
	repos [2]string
	blobs [4][]byte
	fail  func(format string, args ...any)

	mu    sync.Mutex
	kept  map[string]distribution.Manifest // acknowledged and deleted by nobody: repo@digest
	retag atomic.Int64
}

// TestGarbageCollectionLosesNothing forces garbage collection through the gaps
// of pushes, HEADs that clients rely on, mounts, retags, deletes, indexes and
// referrers.
func TestGarbageCollectionLosesNothing(t *testing.T) {
	t.Parallel()
	collect := func(t *testing.T, f *fixture, count int) {
		const seed = 7
		var collected atomic.Int64
		lost, ran := 0, 0
		for start := time.Now(); ran < count && time.Since(start) < *schedulesFor; ran++ {
			if !f.schedule(t, seed, ran, &collected) {
				lost++
			}
		}
		t.Logf("seed %d: %d schedules of %d, %d blobs collected within them, %d lost", seed, ran, count, collected.Load(), lost)
		if ran < count/10 || collected.Load() == 0 {
			t.Error("hardly anything was collected: the schedules test nothing")
		}
		f.drain(t)
	}
	metadatatest.Each(t, func(t *testing.T, open opener) {
		count := *schedules
		if t.Name() != "TestGarbageCollectionLosesNothing/sqlite" {
			count /= 20 // the same statements; what differs is who waits for whom
		}
		collect(t, newFixture(t, open), count)
	})
	t.Run("bucket", func(t *testing.T) {
		t.Parallel()
		place := s3test.Start(t).Config()
		collect(t, newStored(t, metadatatest.Postgres(t).Open, &place), *schedules/50)
	})
}

// schedule runs one schedule and says whether nothing was lost.
func (f *fixture) schedule(t *testing.T, seed uint64, n int, collected *atomic.Int64) bool {
	rng := rand.New(rand.NewPCG(seed, uint64(n)))
	ok := atomic.Bool{}
	ok.Store(true)
	w := &world{fixture: f, tb: t, ctx: admin(t.Context()), kept: map[string]distribution.Manifest{}}
	w.fail = func(format string, args ...any) {
		ok.Store(false)
		t.Errorf("schedule %d: "+format, append([]any{n}, args...)...)
	}
	for i := range w.repos {
		w.repos[i] = fmt.Sprintf("race/n%d-%d", n, i)
	}
	for i := range w.blobs {
		w.blobs[i] = distributiontest.Bytes(uint64(n*len(w.blobs)+i)|1<<40, 64)
	}
	s := &scheduler{rng: rng, parked: make(chan chan struct{}, 64), ended: make(chan struct{}, 16)}
	s.open.Store(true)
	f.pause = s.pause

	// What is there before: an image and its twin in the other repository, one
	// of them deleted, and every lease over.
	old := w.push(w.repos[0], "old", 0, 1)
	w.push(w.repos[1], "twin", 1, 2)
	if err := w.DeleteManifest(w.ctx, w.repos[0], old.Descriptor.Digest); err != nil {
		w.fail("deleting: %v", err)
	}
	w.forget(w.repos[0], old)
	f.clock.Advance(f.lives.Lease() + f.lives.Grace() + time.Second)

	s.open.Store(false)
	otherRepo, otherBlob := w.repos[rng.IntN(2)], 1+rng.IntN(2)
	actors := []func(){
		func() { w.collect(collected) },
		func() { w.collect(collected) },
		func() { w.push(w.repos[0], "new", 0, 1) },
		func() { w.push(otherRepo, "other", otherBlob, 3) },
	}
	actors = append(actors, w.more(rng)...)
	s.run(actors...)
	s.open.Store(true)

	w.verify()
	f.clock.Advance(f.lives.Lease() + f.lives.Grace() + time.Second)
	w.collect(collected)
	w.verify()
	w.clean()
	if n%20 == 0 {
		f.sums(t, "race")
	}
	return ok.Load()
}

// more picks the other actors of a schedule.
func (w *world) more(rng *rand.Rand) []func() {
	all := []func(){
		func() { w.clock.Advance(w.lives.Lease() / 5) },
		func() { w.pushIndex(w.repos[0]) },
		func() { w.pushReferrer(w.repos[1]) },
		func() { w.deleteTwin() },
		func() { w.push(w.repos[1], "new", 0, 2) }, // retags what others push
		func() { w.abandon(w.repos[0], 2) },
	}
	rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all[:2+rng.IntN(3)]
}

func (w *world) collect(collected *atomic.Int64) {
	got, err := w.Collect(w.ctx)
	if err != nil {
		w.fail("collecting: %v", err)
	}
	collected.Add(int64(got.Blobs))
}

// push does what a client does: HEAD, else mount, else upload, then the
// manifest, which must be taken.
func (w *world) push(repo, tag string, config, layer int) distribution.Manifest {
	for _, i := range []int{config, layer} {
		w.have(repo, w.blobs[i])
	}
	m := distributiontest.NewManifest(w.tb, ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
		Config: distributiontest.Blob(ocispec.MediaTypeImageConfig, w.blobs[config]),
		Layers: []ocispec.Descriptor{distributiontest.Blob(ocispec.MediaTypeImageLayer, w.blobs[layer])},
	})
	w.put(repo, tag, m)
	return m
}

func (w *world) put(repo, tag string, m distribution.Manifest) {
	if _, err := w.PutManifest(w.ctx, repo, m, tag); err != nil {
		w.fail("lost between acknowledgement and manifest: %s:%s: %v", repo, tag, err)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.kept[repo+"@"+m.Descriptor.Digest.String()] = m
}

func (w *world) have(repo string, b []byte) {
	dgst := digest.FromBytes(b)
	if _, err := w.StatBlob(w.ctx, repo, dgst); err == nil {
		return
	} else if !errors.Is(err, errdefs.ErrNotFound) {
		w.fail("HEAD: %v", err)
	}
	other := w.repos[0]
	if repo == other {
		other = w.repos[1]
	}
	if _, err := w.MountBlob(w.ctx, repo, other, dgst); err == nil {
		return
	} else if !errors.Is(err, errdefs.ErrNotFound) {
		w.fail("mount: %v", err)
	}
	up, err := w.StartUpload(w.ctx, repo)
	if err == nil {
		_, err = up.Write(b)
	}
	if err == nil {
		_, err = up.Commit(w.ctx, dgst)
	}
	if err != nil {
		w.fail("upload: %v", err)
	}
}

func (w *world) abandon(repo string, blob int) {
	up, err := w.StartUpload(w.ctx, repo)
	if err == nil {
		_, err = up.Write(w.blobs[blob][:10])
	}
	if err == nil {
		err = up.Close()
	}
	if err != nil {
		w.fail("upload: %v", err)
	}
}

func (w *world) pushIndex(repo string) {
	m := w.push(repo, fmt.Sprintf("child%d", w.retag.Add(1)), 0, 3)
	w.put(repo, "index", distributiontest.Index(w.tb, m.Descriptor))
}

func (w *world) pushReferrer(repo string) {
	subject := distributiontest.Blob(ocispec.MediaTypeImageManifest, []byte("a subject that need not be there"))
	w.have(repo, w.blobs[2])
	layer := distributiontest.Blob("application/spdx+json", w.blobs[2])
	w.put(repo, "referrer", distributiontest.NewManifest(w.tb, ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
		ArtifactType: "application/spdx+json", Config: layer, Layers: []ocispec.Descriptor{layer}, Subject: &subject,
	}))
}

// deleteTwin deletes what was there before; a push of the same may come first
// or after, so nothing can be promised about it.
func (w *world) deleteTwin() {
	desc, err := w.StatTag(w.ctx, w.repos[1], "twin")
	if err == nil {
		err = w.DeleteManifest(w.ctx, w.repos[1], desc.Digest)
	}
	if err != nil && !errors.Is(err, errdefs.ErrNotFound) {
		w.fail("deleting: %v", err)
	}
	w.forget(w.repos[1], distribution.Manifest{Descriptor: desc})
}

func (w *world) forget(repo string, m distribution.Manifest) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.kept, repo+"@"+m.Descriptor.Digest.String())
}

// verify reads everything that was acknowledged, byte for byte.
func (w *world) verify() {
	for _, repo := range w.repos {
		for key, m := range w.kept {
			if dgst, ok := cutRepo(key, repo); ok {
				w.verifyManifest(repo, dgst, m)
			}
		}
	}
}

func cutRepo(key, repo string) (string, bool) {
	if len(key) > len(repo) && key[:len(repo)+1] == repo+"@" {
		return key[len(repo)+1:], true
	}
	return "", false
}

func (w *world) verifyManifest(repo, dgst string, m distribution.Manifest) {
	got, err := w.GetManifest(w.ctx, repo, digest.Digest(dgst))
	if err != nil || !bytes.Equal(got.Body, m.Body) {
		w.fail("lost manifest %s of %s: %v", dgst, repo, err)
		return
	}
	if _, err := w.store.Stat(w.ctx, m.Descriptor.Digest); err != nil {
		w.fail("lost the bytes of manifest %s of %s: %v", dgst, repo, err)
	}
	meta, err := parse.Manifest(m)
	if err != nil {
		w.fail("%v", err)
	}
	for _, desc := range meta.Blobs {
		blob := desc.Digest
		rd, err := w.OpenBlob(w.ctx, repo, blob)
		if err != nil {
			w.fail("lost blob %s of %s@%s: %v", blob, repo, dgst, err)
			continue
		}
		b, err := io.ReadAll(content.NewReader(rd))
		if err := errors.Join(err, rd.Close()); err != nil || digest.FromBytes(b) != blob {
			w.fail("corrupt blob %s of %s: %v", blob, repo, err)
		}
	}
}

// clean deletes everything, indexes first.
func (w *world) clean() {
	for _, indexes := range []bool{true, false} {
		for _, repo := range w.repos {
			for key, m := range w.kept {
				dgst, ok := cutRepo(key, repo)
				if !ok || (m.Descriptor.MediaType == ocispec.MediaTypeImageIndex) != indexes {
					continue
				}
				if err := w.DeleteManifest(w.ctx, repo, digest.Digest(dgst)); err != nil {
					w.fail("deleting %s: %v", key, err)
				}
			}
		}
	}
}

// drain collects everything that is left and looks whether anything leaked.
func (f *fixture) drain(t *testing.T) {
	t.Helper()
	f.pause = func(context.Context, string) {}
	for range 3 { // memberships, then bytes, then what those left
		f.clock.Advance(f.lives.Uploads() + f.lives.Lease() + f.lives.Grace())
		if _, err := f.Collect(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	left := map[digest.Digest]bool{}
	for info, err := range f.store.All(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		left[info.Digest] = true
	}
	// A twin that a schedule pushed again after its delete is still there.
	repos, err := f.db.Repositories(t.Context(), metadata.Viewer{All: true}, "", 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	for _, repo := range repos {
		f.keptBy(t, repo, left)
	}
	if len(left) > 0 {
		t.Errorf("%d blobs are stored that nothing refers to", len(left))
	}
}

// keptBy takes from left what the tags of a repository keep.
func (f *fixture) keptBy(t *testing.T, repo string, left map[digest.Digest]bool) {
	t.Helper()
	tags, _, err := f.Tags(t.Context(), repo, distribution.Page{})
	if err != nil {
		t.Fatal(err)
	}
	for _, tag := range tags {
		m, err := f.GetTag(t.Context(), repo, tag)
		if err != nil {
			t.Fatal(err)
		}
		meta, err := parse.Manifest(m)
		if err != nil {
			t.Fatal(err)
		}
		delete(left, m.Descriptor.Digest)
		for _, d := range meta.Blobs {
			delete(left, d.Digest)
		}
	}
}
