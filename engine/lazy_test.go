package engine

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"cove/builder"
	"cove/content/memstore"
	"cove/distribution/distributiontest"
	"cove/engine/builds"
)

// layerBytes is how much of a layer nobody needs two times.
const layerBytes = 1 << 20

// counted is a registry that counts what it is asked, and the bytes that go over the line.
type counted struct {
	host string

	mu       sync.Mutex
	asked    map[string]int
	up, down int64
	// refuse answers instead of the registry, if it does.
	refuse func(w http.ResponseWriter, r *http.Request) bool
}

type countedBody struct {
	io.ReadCloser
	read func(n int)
}

func (b countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.read(n)
	return n, err
}

type countedAnswer struct {
	http.ResponseWriter
	wrote func(n int)
}

func (a countedAnswer) Write(p []byte) (int, error) {
	n, err := a.ResponseWriter.Write(p)
	a.wrote(n)
	return n, err
}

func newCounted(t *testing.T) *counted {
	c := &counted{asked: map[string]int{}}
	h := distributiontest.Handler(t, t.Context(), distributiontest.NewMemory(memstore.New(time.Now)))
	c.host = distributiontest.Listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		what := r.Method + " " + path.Base(path.Dir(r.URL.Path))
		if r.URL.Query().Has("mount") {
			what = "mount"
		}
		c.mu.Lock()
		c.asked[what]++
		refuse := c.refuse
		c.mu.Unlock()
		if refuse != nil && refuse(w, r) {
			return
		}
		add := func(to *int64) func(int) {
			return func(n int) {
				c.mu.Lock()
				*to += int64(n)
				c.mu.Unlock()
			}
		}
		r.Body = countedBody{r.Body, add(&c.up)}
		h.ServeHTTP(countedAnswer{w, add(&c.down)}, r)
	}))
	return c
}

// since tells what was asked since the last time, and the bytes.
func (c *counted) since() (asked map[string]int, up, down int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	asked, up, down = c.asked, c.up, c.down
	c.asked, c.up, c.down = map[string]int{}, 0, 0
	return asked, up, down
}

// buildFrom builds a directory and pushes it; nothing of the steps may be executed where
// all is known.
func buildFrom(t *testing.T, e *Engine, dir, name string, change func(*builds.Options)) (*builder.Result, error) {
	t.Helper()
	o := builds.Options{
		Request: builder.Request{Context: dir},
		Outputs: []builds.Output{{Type: builds.Registry, Push: true}}, Names: []string{name},
	}
	change(&o)
	return builds.Build(t.Context(), e, o)
}

// largeBuild is a context whose image has layers that cannot be compressed.
func largeBuild(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, data := range map[string][]byte{
		"Dockerfile": []byte("FROM busybox\nCOPY large /large\nRUN head -c " + fmt.Sprint(layerBytes) +
			" /dev/urandom > /made\nCMD [\"sh\", \"-c\", \"cat /large /made | wc -c\"]\n"),
		"large": distributiontest.Bytes(7, layerBytes),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func from(ref string) func(*builds.Options) {
	return func(o *builds.Options) { o.CacheFrom = []builds.Cache{{Type: builds.CacheRegistry, Ref: ref}} }
}

// TestPushOfWhatTheRegistryHas: a second machine whose every step is known by the cache at
// the registry moves not one byte of a layer to push the image, under any name there. Who
// uses the image here then fetches them.
func TestPushOfWhatTheRegistryHas(t *testing.T) {
	t.Parallel()
	reg := newCounted(t)
	first, second := newEngine(t), newEngine(t)
	dir := largeBuild(t)
	cache := reg.host + "/team/cache:main"
	if _, err := buildFrom(t, first, dir, reg.host+"/team/app:v1", func(o *builds.Options) {
		o.CacheTo = []builds.Cache{{Type: builds.CacheRegistry, Ref: cache, Max: true}}
	}); err != nil {
		t.Fatal(err)
	}
	if _, up, _ := reg.since(); up < 2*layerBytes {
		t.Fatalf("the first build sent %d bytes", up)
	}
	for _, name := range []string{"/team/app:v2", "/other/app:v1"} {
		res, err := buildFrom(t, second, dir, reg.host+name, from(cache))
		if err != nil {
			t.Fatal(err)
		}
		if res.Cached != res.Steps {
			t.Errorf("%s: %d of %d steps are known", name, res.Cached, res.Steps)
		}
		asked, up, down := reg.since()
		if up+down > 64<<10 {
			t.Errorf("%s: %d bytes went there and %d came: %v", name, up, down, asked)
		}
		// All blobs, or the config, which is new there, tried in vain.
		if mounts := map[bool]int{true: 4, false: 1}[strings.HasPrefix(name, "/other")]; asked["mount"] != mounts {
			t.Errorf("%s: %d blobs were to be mounted, want %d: %v", name, asked["mount"], mounts, asked)
		}
	}
	blobsBefore := blobs(t, second)
	if out, err := output(t.Context(), second, reg.host+"/other/app:v1"); err != nil || out != fmt.Sprintln(2*layerBytes) {
		t.Errorf("it ran and wrote %q, %v", out, err)
	}
	if _, _, down := reg.since(); down < 2*layerBytes {
		t.Errorf("the run fetched %d bytes", down)
	}
	if n := blobs(t, second) - blobsBefore; n != 2 {
		t.Errorf("%d blobs came with the run, want 2", n)
	}
}

// TestSaveOfWhatTheRegistryHas fetches what was left there, and so does a push elsewhere.
func TestSaveOfWhatTheRegistryHas(t *testing.T) {
	t.Parallel()
	reg, elsewhere := newCounted(t), newCounted(t)
	first, second := newEngine(t), newEngine(t)
	dir := largeBuild(t)
	name, cache := reg.host+"/team/app:v1", reg.host+"/team/cache:main"
	if _, err := buildFrom(t, first, dir, name, func(o *builds.Options) {
		o.CacheTo = []builds.Cache{{Type: builds.CacheRegistry, Ref: cache}}
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := buildFrom(t, second, dir, name, from(cache)); err != nil {
		t.Fatal(err)
	}
	store, err := second.Images()
	if err != nil {
		t.Fatal(err)
	}
	var saved bytes.Buffer
	if err := store.Save(t.Context(), &saved, []string{name}); err != nil || saved.Len() < 2*layerBytes {
		t.Errorf("%d bytes were saved: %v", saved.Len(), err)
	}
	third := newEngine(t)
	if _, err := buildFrom(t, third, dir, elsewhere.host+"/copy:v1", from(cache)); err != nil {
		t.Fatal(err)
	}
	if _, up, _ := elsewhere.since(); up < 2*layerBytes {
		t.Errorf("%d bytes went to another registry", up)
	}
	if out, err := output(t.Context(), third, elsewhere.host+"/copy:v1"); err != nil || out != fmt.Sprintln(2*layerBytes) {
		t.Errorf("it ran and wrote %q, %v", out, err)
	}
}

// TestPushThatFailsLeavesTheImageWhole, and one whose registry has lost a layer that the
// cache was to have makes it anew.
func TestPushThatFailsLeavesTheImageWhole(t *testing.T) {
	t.Parallel()
	reg := newCounted(t)
	first, second, third := newEngine(t), newEngine(t), newEngine(t)
	dir := largeBuild(t)
	name, cache := reg.host+"/team/app:v1", reg.host+"/team/cache:main"
	res, err := buildFrom(t, first, dir, name, func(o *builds.Options) {
		o.CacheTo = []builds.Cache{{Type: builds.CacheRegistry, Ref: cache}}
	})
	if err != nil {
		t.Fatal(err)
	}
	set := func(refuse func(w http.ResponseWriter, r *http.Request) bool) {
		reg.mu.Lock()
		reg.refuse = refuse
		reg.mu.Unlock()
	}
	set(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPut || !strings.Contains(r.URL.Path, "/manifests/") {
			return false
		}
		http.Error(w, `{"errors":[{"code":"DENIED","message":"not you"}]}`, http.StatusForbidden)
		return true
	})
	if _, err := buildFrom(t, second, dir, name, from(cache)); err == nil || !strings.Contains(err.Error(), "not you") {
		t.Errorf("the push: %v", err)
	}
	set(func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusServiceUnavailable)
		return true
	})
	if out, err := output(t.Context(), second, name); err != nil || out != fmt.Sprintln(2*layerBytes) {
		t.Errorf("it ran and wrote %q, %v", out, err)
	}
	lost := res.Image().Images[0].Layers[2].Digest.String()
	set(func(w http.ResponseWriter, r *http.Request) bool {
		gone := strings.HasSuffix(r.URL.Path, lost) || r.URL.Query().Get("mount") == lost
		if gone {
			w.WriteHeader(http.StatusNotFound)
		}
		return gone
	})
	again, err := buildFrom(t, third, dir, name, from(cache))
	if err != nil || again.Cached != again.Steps-1 {
		t.Errorf("%d of %d steps are known, %v", again.Cached, again.Steps, err)
	}
}
