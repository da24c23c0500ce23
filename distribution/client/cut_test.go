package client_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cove/content"
	"cove/content/memstore"
	"cove/distribution/client"
	"cove/distribution/distributiontest"
	"cove/distribution/progress"
	"cove/errdefs"
)

// quick makes waits short and counts them.
func quick(waits *atomic.Int64) func(context.Context, time.Duration) error {
	return func(ctx context.Context, _ time.Duration) error {
		waits.Add(1)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Millisecond):
			return nil
		}
	}
}

// tally counts events by kind.
type tally struct {
	mu    sync.Mutex
	kinds map[progress.Kind]int
}

func (c *tally) tell(e progress.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kinds == nil {
		c.kinds = make(map[progress.Kind]int)
	}
	c.kinds[e.Kind]++
}

func TestPullResumes(t *testing.T) {
	t.Parallel()
	img := distributiontest.NewImage(t, 1, 6<<20)
	reg := distributiontest.NewMemory(distributiontest.StoreOf(t))
	steady := distributiontest.Serve(t, t.Context(), reg)
	push(t, steady, "team/app", img)

	served := &counting{Handler: distributiontest.Handler(t, t.Context(), reg)}
	host, l := serveChoppy(t, served, 1<<20, 4)
	var waits atomic.Int64
	c := distributiontest.NewClient(t, client.Config{Sleep: quick(&waits)})
	var events tally
	dst := memstore.New(time.Now)
	layer := img.Layers[0]
	if err := c.Repository(host, "team/app").FetchBlob(t.Context(), dst, layer, events.tell); err != nil {
		t.Fatalf("FetchBlob over a line cut %d times: %v", l.made.Load(), err)
	}
	got, err := content.ReadBlob(t.Context(), dst, layer)
	if err != nil || !bytes.Equal(got, img.Blobs[layer.Digest]) {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	if made := l.made.Load(); made != 4 || events.kinds[progress.Retrying] < 4 {
		t.Errorf("%d cuts, %d retries, want 4 of each", made, events.kinds[progress.Retrying])
	}
	// Resumed, not begun again: what was in flight at a cut is all that may
	// travel twice.
	if sent := served.body.Load(); sent > layer.Size+5<<20 || served.ranges.Load() < 4 {
		t.Errorf("the server sent %d bytes for a blob of %d, in %d ranges", sent, layer.Size, served.ranges.Load())
	}
}

func TestPushResumes(t *testing.T) {
	t.Parallel()
	img := distributiontest.NewImage(t, 2, 20<<20)
	reg := distributiontest.NewMemory(distributiontest.StoreOf(t))
	served := &counting{Handler: distributiontest.Handler(t, t.Context(), reg)}
	host, l := serveChoppy(t, served, 4<<20, 4)
	var waits atomic.Int64
	c := distributiontest.NewClient(t, client.Config{Sleep: quick(&waits)})
	var events tally
	repo := c.Repository(host, "team/app")
	err := distributiontest.To(repo, client.PushOptions{Progress: events.tell}).Push(t.Context(), "v1", img.Manifest.Descriptor, distributiontest.StoreOf(t, img))
	if err != nil {
		t.Fatalf("Push over a line cut %d times: %v", l.made.Load(), err)
	}
	if _, _, err := repo.Resolve(t.Context(), "v1"); err != nil {
		t.Error(err)
	}
	if made := l.made.Load(); made != 4 || events.kinds[progress.Retrying] < 4 {
		t.Errorf("%d cuts, %d retries, want 4 of each", made, events.kinds[progress.Retrying])
	}
	if got := served.received.Load(); got > 28<<20 || served.ranges.Load() < 3 {
		t.Errorf("the server was sent %d bytes for a blob of %d, in %d chunks", got, 20<<20, served.ranges.Load())
	}
}

// TestCutAnywhere cuts the line after every so many bytes: each image that was
// pushed and pulled is whole.
func TestCutAnywhere(t *testing.T) {
	t.Parallel()
	const rounds = 10
	const seed = 4242
	rnd := rand.New(rand.NewPCG(seed, 0))
	var cuts int64
	for round := range uint64(rounds) {
		img := distributiontest.NewImage(t, 1000*round, 100+rnd.IntN(200_000), 9<<20+rnd.IntN(500_000))
		reg := distributiontest.NewMemory(distributiontest.StoreOf(t))
		host, l := serveChoppy(t, distributiontest.Handler(t, t.Context(), reg), 2000+rnd.Int64N(6<<20), 1+rnd.Int64N(6))
		var waits atomic.Int64
		c := distributiontest.NewClient(t, client.Config{Sleep: quick(&waits)})
		repo := c.Repository(host, "team/app")
		// The very first contact is not tried again, on purpose.
		for distributiontest.To(repo, client.PushOptions{}).Push(t.Context(), "v1", img.Manifest.Descriptor, distributiontest.StoreOf(t, img)) != nil {
			if l.cuts.Load() < 0 {
				t.Fatalf("round %d: the line is whole and the push fails", round)
			}
		}
		l.cuts.Store(1 + rnd.Int64N(6))
		dst := memstore.New(time.Now)
		for _, desc := range append(img.Layers, img.Config) {
			if err := repo.FetchBlob(t.Context(), dst, desc, nil); err != nil {
				t.Fatalf("round %d: %v", round, err)
			}
			if got, err := content.ReadBlob(t.Context(), dst, desc); err != nil || !bytes.Equal(got, img.Blobs[desc.Digest]) {
				t.Fatalf("round %d: %d bytes, %v", round, len(got), err)
			}
		}
		cuts += l.made.Load()
	}
	t.Logf("seed %d: %d images pushed and pulled over lines cut %d times, 0 corrupt", seed, rounds, cuts)
	if cuts < rounds {
		t.Errorf("%d cuts in %d rounds are too few to mean anything", cuts, rounds)
	}
}

func push(t *testing.T, host, repo string, img distributiontest.Image) {
	t.Helper()
	c := distributiontest.NewClient(t, client.Config{})
	err := distributiontest.To(c.Repository(host, repo), client.PushOptions{}).Push(t.Context(), "v1", img.Manifest.Descriptor, distributiontest.StoreOf(t, img))
	if err != nil {
		t.Fatal(err)
	}
}

// TestRegistryAway takes the registry away in the middle of a push. Back
// within the budget, the push ends well; else the error names the blob and
// the offset, and a second push sends only what is missing.
func TestRegistryAway(t *testing.T) {
	t.Parallel()
	for _, back := range []bool{true, false} {
		t.Run(fmt.Sprintf("back=%v", back), func(t *testing.T) {
			t.Parallel()
			img := distributiontest.NewImage(t, 3, 1000, 12<<20)
			reg := distributiontest.NewMemory(distributiontest.StoreOf(t))
			inner := distributiontest.Handler(t, t.Context(), reg)
			var down atomic.Bool
			var once sync.Once
			host := distributiontest.Listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodPatch {
					once.Do(func() {
						_, _ = io.CopyN(io.Discard, r.Body, 1<<20)
						down.Store(true)
					})
				}
				if down.Load() {
					panic(http.ErrAbortHandler)
				}
				inner.ServeHTTP(w, r)
			}))
			now := time.Unix(1e9, 0)
			var mu sync.Mutex
			clock := func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
			waits := 0
			c := distributiontest.NewClient(t, client.Config{
				Parallel: 1, RetryFor: 30 * time.Second, Now: clock,
				Sleep: func(_ context.Context, d time.Duration) error {
					mu.Lock()
					defer mu.Unlock()
					now = now.Add(d)
					if waits++; back && waits == 5 {
						down.Store(false)
					}
					return nil
				},
			})
			src := distributiontest.StoreOf(t, img)
			repo := c.Repository(host, "team/app")
			err := distributiontest.To(repo, client.PushOptions{}).Push(t.Context(), "v1", img.Manifest.Descriptor, src)
			if back {
				if err != nil {
					t.Fatalf("after %d waits: %v", waits, err)
				}
				return
			}
			if !errors.Is(err, errdefs.ErrUnavailable) || !strings.Contains(err.Error(), img.Layers[1].Digest.String()) ||
				!strings.Contains(err.Error(), "stopped at byte") || !strings.Contains(err.Error(), "push again") {
				t.Errorf("error %v", err)
			}
			if spent := clock().Sub(time.Unix(1e9, 0)); spent > 30*time.Second {
				t.Errorf("went on for %s", spent)
			}
			down.Store(false)
			if err := distributiontest.To(repo, client.PushOptions{}).Push(t.Context(), "v1", img.Manifest.Descriptor, src); err != nil {
				t.Errorf("pushing again: %v", err)
			}
		})
	}
}

// TestFetchGoesOn leaves a fetch half done and does it again with another
// client, as after a kill.
func TestFetchGoesOn(t *testing.T) {
	t.Parallel()
	img := distributiontest.NewImage(t, 4, 4<<20)
	reg := distributiontest.NewMemory(distributiontest.StoreOf(t))
	served := &counting{Handler: distributiontest.Handler(t, t.Context(), reg)}
	host, _ := serveChoppy(t, served, 1<<40, 0)
	push(t, host, "team/app", img)
	layer, b := img.Layers[0], img.Blobs[img.Layers[0].Digest]

	for name, begun := range map[string][]byte{"right": b[:3<<20], "wrong": bytes.Repeat([]byte("x"), 3<<20), "all": b} {
		t.Run(name, func(t *testing.T) {
			dst := memstore.New(time.Now)
			w, err := dst.Begin(t.Context(), "fetch/"+layer.Digest.String())
			if err != nil {
				t.Fatal(err)
			}
			_, _ = w.Write(begun)
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			before := served.body.Load()
			c := distributiontest.NewClient(t, client.Config{})
			if err := c.Repository(host, "team/app").FetchBlob(t.Context(), dst, layer, nil); err != nil {
				t.Fatal(err)
			}
			moved := served.body.Load() - before
			// The server counts the last write of the fetch before after we have it.
			const late = 64 << 10
			if want := map[string]int64{"right": 1 << 20, "wrong": 5 << 20, "all": 0}[name]; moved > want+late {
				t.Errorf("moved %d bytes, want about %d", moved, want)
			}
			if _, err := content.ReadBlob(t.Context(), dst, layer); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestFetchTwins fetches one blob by several at once: it travels once.
func TestFetchTwins(t *testing.T) {
	t.Parallel()
	img := distributiontest.NewImage(t, 5, 1<<20)
	reg := distributiontest.NewMemory(distributiontest.StoreOf(t))
	served := &counting{Handler: distributiontest.Handler(t, t.Context(), reg)}
	host, _ := serveChoppy(t, served, 1<<40, 0)
	push(t, host, "team/app", img)
	before := served.body.Load()
	c := distributiontest.NewClient(t, client.Config{})
	dst := memstore.New(time.Now)
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			if err := c.Repository(host, "team/app").FetchBlob(t.Context(), dst, img.Layers[0], nil); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if moved := served.body.Load() - before; moved > 1<<20+1000 {
		t.Errorf("%d bytes moved for one blob of %d", moved, 1<<20)
	}
}

// TestShortAndLong serves bodies of another length than the descriptor's.
func TestShortAndLong(t *testing.T) {
	t.Parallel()
	b := distributiontest.Bytes(6, 1000)
	for _, off := range []int{-1, 1} {
		host := distributiontest.Listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.Contains(r.URL.Path, "blobs") {
				_, _ = w.Write(append(b, 'x')[:len(b)+off])
			}
		}))
		c := distributiontest.NewClient(t, client.Config{RetryFor: -1})
		err := c.Repository(host, "team/app").FetchBlob(t.Context(), memstore.New(time.Now), distributiontest.Blob("x", b), nil)
		if !errors.Is(err, errdefs.ErrCorrupt) {
			t.Errorf("%+d byte: %v", off, err)
		}
	}
}

// TestRetryAfter waits as long as it is told to, and not forever.
func TestRetryAfter(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	host := distributiontest.Listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v2/" && asked.Add(1) <= 2 {
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		_, _ = io.WriteString(w, `{"name":"x","tags":["a"]}`)
	}))
	var waited []time.Duration
	c := distributiontest.NewClient(t, client.Config{Sleep: func(_ context.Context, d time.Duration) error {
		waited = append(waited, d)
		return nil
	}})
	tags, err := c.Repository(host, "x/y").Tags(t.Context())
	if err != nil || len(tags) != 1 || len(waited) != 2 || waited[0] != 7*time.Second {
		t.Errorf("tags %q, %v, waited %v", tags, err, waited)
	}
	asked.Store(0)
	c = distributiontest.NewClient(t, client.Config{RetryFor: 5 * time.Second})
	if _, err := c.Repository(host, "x/y").Tags(t.Context()); !errors.Is(err, errdefs.ErrUnavailable) || asked.Load() != 1 {
		t.Errorf("beyond the budget: %v after %d", err, asked.Load())
	}
}

// TestSilence is a registry that stops in the middle of an answer without
// hanging up: it counts as a cut.
func TestSilence(t *testing.T) {
	t.Parallel()
	b := distributiontest.Bytes(9, 100_000)
	var asked atomic.Int64
	release := make(chan struct{})
	host := distributiontest.Listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.URL.Path, "blobs") {
			return
		}
		if asked.Add(1) > 1 {
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(b))
			return
		}
		w.Header().Set("Content-Length", "100000")
		_, _ = w.Write(b[:50_000])
		_ = http.NewResponseController(w).Flush()
		<-release
	}))
	t.Cleanup(func() { close(release) })
	var waits atomic.Int64
	c := distributiontest.NewClient(t, client.Config{Silence: 200 * time.Millisecond, Sleep: quick(&waits)})
	dst := memstore.New(time.Now)
	if err := c.Repository(host, "x/y").FetchBlob(t.Context(), dst, distributiontest.Blob("x", b), nil); err != nil {
		t.Fatal(err)
	}
	if waits.Load() < 1 || asked.Load() < 2 { // a busy machine may be silent too
		t.Errorf("%d waits, asked %d times", waits.Load(), asked.Load())
	}
}

// TestForgetfulRegistry keeps another's bytes for what came before a cut: the
// push begins anew, once.
func TestForgetfulRegistry(t *testing.T) {
	t.Parallel()
	img := distributiontest.NewImage(t, 11, 10<<20)
	reg := distributiontest.NewMemory(distributiontest.StoreOf(t))
	inner := distributiontest.Handler(t, t.Context(), reg)
	var once sync.Once
	host := distributiontest.Listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPatch {
			once.Do(func() {
				r.Body = io.NopCloser(io.MultiReader(strings.NewReader("not these"), io.LimitReader(r.Body, 1<<20), brokenReader{}))
			})
		}
		inner.ServeHTTP(w, r)
	}))
	var waits atomic.Int64
	c := distributiontest.NewClient(t, client.Config{Sleep: quick(&waits)})
	err := distributiontest.To(c.Repository(host, "x/y"), client.PushOptions{}).Push(t.Context(), "v1", img.Manifest.Descriptor, distributiontest.StoreOf(t, img))
	if err != nil {
		t.Fatal(err)
	}
}

// brokenReader is a line that was cut.
type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
