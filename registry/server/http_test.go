package server

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cove/registry/edge"
	"cove/registry/server/config"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sys/unix"
)

func TestMetrics(t *testing.T) {
	s := newTestServer(t, config.Config{})
	s.ask("GET", "/livez", "", "", nil)
	s.ask("BREW", "/livez", "", "", nil)
	w := s.ask("GET", "/metrics", "", "", nil)
	for _, want := range []string{
		`cove_registry_requests_total{method="GET",status="200"} 1`, `cove_registry_requests_total{method="other",status="405"} 1`,
		"cove_registry_database_up 1", "cove_registry_stored_bytes 0", "cove_registry_gc_oldest_due_seconds 0", "cove_registry_uploads 0",
		`cove_registry_proxy_upstreams{state="resting"} 0`, "cove_registry_jobs_waiting",
		`cove_registry_project_used_bytes{project="`,
		"cove_registry_request_seconds_bucket", "cove_registry_requests_in_flight 1", "go_goroutines", "process_resident_memory_bytes",
	} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("the page lacks %s", want)
		}
	}
}

// TestCORS: a page of an origin that is named may read what its program asked for,
// also why it was refused.
func TestCORS(t *testing.T) {
	s := newTestServer(t, config.Config{CORS: edge.CORS{Origins: []string{"https://ui.example.com"}}})
	from := func(origin, method, path, preflight string) *httptest.ResponseRecorder {
		r, w := httptest.NewRequest(method, "http://registry.test"+path, http.NoBody), httptest.NewRecorder()
		r.Header.Set("Origin", origin)
		if preflight != "" {
			r.Header.Set("Access-Control-Request-Method", preflight)
		}
		s.handler.ServeHTTP(w, r)
		return w
	}
	for _, tc := range []struct {
		method, path, preflight string
		status                  int
	}{
		{"GET", "/v2/", "", 401},
		{"GET", "/v2/team/app/tags/list", "", 401},
		{"GET", "/api/v1/projects", "", 200},
		{"OPTIONS", "/v2/team/app/manifests/v1", "PUT", 204},
		{"OPTIONS", "/token", "GET", 204},
		{"OPTIONS", "/v2/team/app/manifests/v1", "", 405},
	} {
		w := from("https://ui.example.com", tc.method, tc.path, tc.preflight)
		if w.Code != tc.status || w.Header().Get("Access-Control-Allow-Origin") != "https://ui.example.com" ||
			!slices.Contains(w.Header().Values("Vary"), "Origin") {
			t.Errorf("%s %s: %d %v", tc.method, tc.path, w.Code, w.Header())
		}
	}
	if w := from("https://evil.example.com", "GET", "/v2/", ""); w.Header().Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("another origin: %v", w.Header())
	}
}

func TestRedirect(t *testing.T) {
	s := newTestServer(t, config.Config{})
	_, port, err := net.SplitHostPort(s.Address())
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	s.redirectHandler().ServeHTTP(w, httptest.NewRequest("GET", "http://harbor.example.com:80/v2/x?y=z", nil))
	if got := w.Header().Get("Location"); w.Code != http.StatusPermanentRedirect || got != "https://harbor.example.com:"+port+"/v2/x?y=z" {
		t.Errorf("%d to %s", w.Code, got)
	}
}

// TestFullDisk fills a small file system with a push: the push is refused, and
// what was there is served on; with room again pushes work.
func TestFullDisk(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: mounts a small file system")
	}
	mount := t.TempDir()
	if err := unix.Mount("tmpfs", mount, "tmpfs", 0, "size=12m"); err != nil {
		t.Skipf("needs root: mounting a tmpfs: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(mount, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	t.Setenv(AdminPasswordEnv, testPassword)
	cfg := config.Config{Root: filepath.Join(mount, "root"), Listen: "127.0.0.1:0", TLS: config.TLS{Off: true}, Log: config.Log{Level: "error"}}
	cfg.Log.Access = new(bool)
	s, err := New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.closeListeners(); err != nil {
			t.Error(err)
		}
		if err := s.state.close(true); err != nil {
			t.Error(err)
		}
	}()
	push := func(b []byte) int {
		return s.ask("POST", "/v2/team/app/blobs/uploads/?digest="+digest.FromBytes(b).String(), "admin", "", b).Code
	}
	small, large := make([]byte, 1000), make([]byte, 13<<20)
	if got := push(small); got != http.StatusCreated {
		t.Fatalf("a small blob: %d", got)
	}
	serves := func() {
		t.Helper()
		if w := s.ask("GET", "/v2/team/app/blobs/"+digest.FromBytes(small).String(), "admin", "", nil); w.Code != http.StatusOK || w.Body.Len() != len(small) {
			t.Errorf("what was there: %d", w.Code)
		}
	}
	for range 2 {
		if got := push(large); got != http.StatusInsufficientStorage {
			t.Errorf("a blob beyond the disk: %d", got)
		}
		serves()
		if w := s.ask("HEAD", "/v2/team/app/blobs/"+digest.FromBytes(large).String(), "admin", "", nil); w.Code != http.StatusNotFound {
			t.Errorf("what did not fit: %d", w.Code)
		}
	}
	if got := push([]byte("room again")); got != http.StatusCreated {
		t.Errorf("a small blob, when what did not fit is gone: %d", got)
	}
	filler := filepath.Join(mount, "filler")
	if err := os.WriteFile(filler, large, 0o600); !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("filling the disk: %v", err)
	}
	if got := push([]byte("no room at all")); got != http.StatusInsufficientStorage {
		t.Errorf("a small blob on a full disk: %d", got)
	}
	serves()
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	if got := push([]byte("no room at all")); got != http.StatusCreated {
		t.Errorf("the same, with room: %d", got)
	}
	if _, err := s.registry.Collect(t.Context()); err != nil {
		t.Errorf("collecting: %v", err)
	}
}

func TestReadOnly(t *testing.T) {
	t.Setenv(AdminPasswordEnv, testPassword)
	cfg := config.Config{Root: t.TempDir(), Listen: "127.0.0.1:0", TLS: config.TLS{Off: true}, Log: config.Log{Level: "error"}, ReadOnly: "it moves house"}
	s, err := New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(s.closeListeners(), s.state.close(true)); err != nil {
			t.Error(err)
		}
	})
	dgst := digest.FromString("x").String()
	for _, change := range []string{
		"POST /v2/team/app/blobs/uploads/", "PUT /v2/team/app/manifests/v1", "DELETE /v2/team/app/manifests/" + dgst,
		"DELETE /v2/team/app/blobs/" + dgst, "PATCH /v2/team/app/blobs/uploads/abc",
	} {
		method, path, _ := strings.Cut(change, " ")
		body := []byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}`)
		w := s.ask(method, path, "admin", "", body)
		if w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), "it moves house") {
			t.Errorf("%s: %d %s", change, w.Code, w.Body)
		}
	}
	if w := s.ask("GET", "/v2/team/app/tags/list", "admin", "", nil); w.Code != http.StatusNotFound {
		t.Errorf("reading: %d %s", w.Code, w.Body)
	}
}
