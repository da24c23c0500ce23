package serving

import (
	"context"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cove/bench/asker"
	"cove/bench/bare"
	"cove/bench/peers"
)

// TestRows: what is asked for is there once, ours comes first, and a registry that somebody
// named stands beside the others wherever images move.
func TestRows(t *testing.T) {
	t.Parallel()
	u := &url.URL{Scheme: "https", Host: "registry.example.com"}
	seen := map[string]bool{}
	for _, row := range Rows(u) {
		if seen[row.Name] {
			t.Errorf("row %q is there twice", row.Name)
		}
		seen[row.Name] = true
		if row.In[0].Name != peers.Cove {
			t.Errorf("row %q begins with %s", row.Name, row.In[0].Name)
		}
		last := row.In[len(row.In)-1].Name
		if strings.HasPrefix(row.Name, "registry: push") && last != u.Host {
			t.Errorf("row %q ends with %s", row.Name, last)
		}
	}
	for _, want := range []string{
		"registry: push of a 100 MB image, 16 clients, p50", "registry: pull of a 100 MB image, 1 client, p50",
		"registry with TLS: push of a 10 MB image, 4 clients, p50", "registry: HEAD of a manifest, 4 clients, p50",
	} {
		if !seen[want] {
			t.Errorf("no row %q", want)
		}
	}
}

// TestLoad: each client does its share, and what is said beside the median leaves the first
// run out, which warms up.
func TestLoad(t *testing.T) {
	t.Parallel()
	ts := httptest.NewServer(bare.Handler(t.TempDir()))
	t.Cleanup(ts.Close)
	r := &registry{name: "x", client: &asker.Client{Base: ts.URL}, pid: os.Getpid()}
	c := shape{size: 1 << 10, clients: 3, each: 2}.load(pushing(shape{1 << 10, 3, 2, 1})).contender(r, false)
	for run, want := range []bool{false, true} {
		ms, err := c.Value(context.Background(), nil)
		if err != nil || ms <= 0 {
			t.Fatal(ms, err)
		}
		if got := c.Beside(); strings.HasPrefix(got, "p99 ") != want {
			t.Errorf("after run %d it says %q", run, got)
		}
	}
}

func TestBeside(t *testing.T) {
	t.Parallel()
	for want, s := range map[string]seen{
		"":                             {},
		"p99 3.0 ms":                   {times: []float64{3, 1, 2}},
		"p99 4.0 ms, 0.50 CPU s/GB":    {times: []float64{4}, used: time.Second, bytes: 2e9},
		"p99 1.0 ms, 2.50 CPU ms each": {times: []float64{1, 1}, used: 5 * time.Millisecond},
	} {
		if got := s.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestLayersIn counts what a collection should have removed.
func TestLayersIn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, size := range map[string]int{"a/data": garbageSize, "b/c/data": garbageSize, "d": garbageSize + 1} {
		if err := write(make([]byte, size), dir, name); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := layersIn(dir); n != 2 || err != nil {
		t.Error(n, err)
	}
	if _, err := layersIn(filepath.Join(dir, "gone")); err == nil {
		t.Error("a folder that is not there has been read")
	}
}
