package builder

import (
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cove/builder/remotecache"
	"cove/content/memstore"
	"cove/distribution/client"
	"cove/distribution/copy"
	"cove/distribution/distributiontest"
)

// asked is a registry and what it was asked.
type asked struct {
	t    *testing.T
	host string

	mu   sync.Mutex
	were []string
}

func newAsked(t *testing.T) *asked {
	a := &asked{t: t}
	h := distributiontest.Handler(t, t.Context(), distributiontest.NewMemory(memstore.New(time.Now)))
	a.host = distributiontest.Listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.mu.Lock()
		what := path.Base(path.Dir(r.URL.Path))
		if r.URL.Query().Has("mount") {
			what = "mount"
		}
		a.were = append(a.were, r.Method+" "+what)
		a.mu.Unlock()
		h.ServeHTTP(w, r)
	}))
	return a
}

// repo is a repository there, for one process.
func (a *asked) repo(name string) *copy.Remote {
	return &copy.Remote{Repo: distributiontest.NewClient(a.t, client.Config{}).Repository(a.host, name)}
}

// since counts what was asked since the last time, without greetings.
func (a *asked) since() map[string]int {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := map[string]int{}
	for _, what := range a.were {
		if what != "GET v2" {
			n[what]++
			n["all"]++
		}
	}
	a.were = nil
	return n
}

// TestCacheAtRegistry counts what a registry is asked: each layer is sent in one go of three
// requests and asked for no more, read in one by who has it in its image, and mounted where
// another repository of that registry gets it.
func TestCacheAtRegistry(t *testing.T) {
	t.Parallel()
	reg := newAsked(t)
	to := func(repo string, mounts bool) func(*Request) {
		return func(r *Request) {
			r.CacheTo = append(r.CacheTo, remotecache.To{
				Name: repo, Target: reg.repo(repo), Tag: "t", Max: true, Mounts: mounts, Quota: 1 << 20,
			})
		}
	}
	from := func(repo string, mounts bool) func(*Request) {
		return func(r *Request) {
			r.CacheFrom = []remotecache.From{{
				Name: repo, Source: reg.repo(repo), Ref: "t", Mounts: mounts, Quota: 1 << 20,
			}}
		}
	}
	df := cachedBuild + "RUN --mount=type=cache,id=deps,target=/c write x 1\n"
	where := func() *world {
		w := newWorld(t)
		w.write(map[string]string{"in": "input"})
		counter(t, w)
		return w
	}
	first := where()
	a := first.must(df, to("cache", true))
	const layers, ofImage, chunks = 6, 4, 1 // a WORKDIR, COPYs and RUNs that change something
	n := reg.since()
	if blobs := layers + chunks + 1; n["HEAD blobs"] != blobs || n["POST uploads"] != blobs ||
		n["all"] != 3*blobs+1 {
		t.Errorf("an export of %d blobs and a manifest: %v", blobs, n)
	}

	second := where()
	b := second.must(df, from("cache", true))
	if b.Cached != b.Steps || a.Image().Config != b.Image().Config {
		t.Errorf("%d of %d steps are known", b.Cached, b.Steps)
	}
	n = reg.since()
	if n["GET blobs"] != ofImage+1 || n["GET manifests"] != 1 || n["all"] != ofImage+2 {
		t.Errorf("an import with %d layers of the image: %v", ofImage, n)
	}
	if per := float64(n["all"]) / float64(b.Cached); per > 2.3 {
		t.Errorf("%.1f round trips a hit", per)
	}

	// Where nothing is known, and then to another repository: nothing is sent twice.
	third := where()
	third.must(df, from("cache", true), to("branch", true))
	n = reg.since()
	if n["POST mount"] != layers+chunks || n["PUT uploads"] != 1 {
		t.Errorf("from one repository to another: %v", n)
	}
	// And again, where all of it is.
	third.must(df, from("branch", true), to("branch", true))
	n = reg.since()
	if n["HEAD blobs"] != chunks+1 || n["PUT manifests"] != 1 || n["all"] != 2+2+chunks {
		t.Errorf("an export that changes nothing: %v", n)
	}
	if ran := slices.Concat(second.exec.ran(), third.exec.ran()); len(ran) > 0 {
		t.Errorf("executed %v", ran)
	}
	if strings.Contains(third.must(df).files["x"], "2") {
		t.Error("another image")
	}
}
