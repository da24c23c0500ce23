package builder

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cove/builder/remotecache"
	"cove/distribution/client"
	"cove/distribution/copy"
	"cove/distribution/distributiontest"
)

// TestRoundTrips: a second root knows every step by a cache at a registry, and asks for
// it no more than 2.3 times a step; asked again, it asks for the records alone. A second
// export of the same sends the records alone.
func TestRoundTrips(t *testing.T) {
	t.Parallel()
	var asked, sent atomic.Int64
	handler := distributiontest.Handler(t, t.Context(), distributiontest.NewMemory(distributiontest.StoreOf(t)))
	host := distributiontest.Listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if r.Method == http.MethodPost || r.Method == http.MethodPatch {
			sent.Add(1)
		}
		handler.ServeHTTP(w, r)
	}))
	end := func() *copy.Remote {
		return &copy.Remote{Repo: distributiontest.NewClient(t, client.Config{}).Repository(host, "team/cache")}
	}
	to := func(r *Request) {
		r.CacheTo = []remotecache.To{{Name: "registry", Target: end(), Tag: "main", Max: true}}
	}
	from := func(r *Request) {
		r.CacheFrom = []remotecache.From{{Name: "registry", Source: end(), Ref: "main"}}
	}
	var df strings.Builder
	df.WriteString("FROM base AS a\nRUN write made-by-a 1\nFROM base\nCOPY in /in\nCOPY --from=a /made-by-a /from-a\n")
	for i := range 20 {
		fmt.Fprintf(&df, "RUN write f%d %d\n", i, i)
	}
	first, second := newWorld(t), newWorld(t)
	for _, w := range []*world{first, second} {
		w.write(map[string]string{"in": "input"})
	}
	a := first.must(df.String(), to)
	count := func(n *atomic.Int64) int64 { return n.Swap(0) }
	count(&asked)
	count(&sent)
	start := time.Now()
	b := second.must(df.String(), from)
	took, trips := time.Since(start), count(&asked)
	if b.Cached != b.Steps || len(second.exec.ran()) > 0 || a.Image().Config != b.Image().Config {
		t.Errorf("%d of %d cached, executed %v", b.Cached, b.Steps, second.exec.ran())
	}
	if float64(trips) > 2.3*float64(b.Cached) {
		t.Errorf("%d round trips for %d hits", trips, b.Cached)
	}
	start = time.Now()
	second.must(df.String(), from)
	if again := count(&asked); again > 3 {
		t.Errorf("with every layer here: %d round trips", again)
	}
	t.Logf("%d round trips for %d hits in %v; with every layer here %v", trips, b.Cached, took, time.Since(start))
	count(&sent)
	first.must(df.String(), to)
	if again := count(&sent); again > 1 { // the document of records
		t.Errorf("%d uploads of what is there", again)
	}
}
