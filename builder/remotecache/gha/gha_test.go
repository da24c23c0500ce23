package gha

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/content/memstore"
	"cove/distribution"
	"cove/distribution/copy"
	"cove/errdefs"
)

// service is the cache service and the store of its blobs. A token is BRANCH:BASE: what
// it writes is of its branch, and it reads that and the base.
type service struct {
	*httptest.Server

	mu       sync.Mutex
	entries  []*entry
	blocks   map[string][]byte
	busy     int // answers that say to come again
	requests []string
}

type entry struct {
	branch, key, version string
	body                 []byte
	done                 bool
}

const signature = "sig=very-secret-signature"

func serve(t *testing.T) *service {
	t.Helper()
	s := &service{blocks: map[string][]byte{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /twirp/github.actions.results.api.v1.CacheService/{method}", s.twirp)
	mux.HandleFunc("PUT /blob/{n}", s.upload)
	mux.HandleFunc("GET /blob/{n}", s.download)
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

func (s *service) client(token string) *Service {
	return New(Config{
		URL: s.URL, Token: token, Scope: "app",
		Sleep: func(context.Context, time.Duration) error { return nil },
	})
}

func (s *service) twirp(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, r.PathValue("method"))
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	branch, base, ok := strings.Cut(token, ":")
	fail := func(status int, code string) {
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]string{"code": code, "msg": "about " + token})
	}
	switch {
	case s.busy > 0:
		s.busy--
		fail(http.StatusServiceUnavailable, "unavailable")
		return
	case !ok || r.Header.Get("Content-Type") != "application/json":
		fail(http.StatusUnauthorized, "unauthenticated")
		return
	}
	var in struct {
		Key, Version string
		RestoreKeys  []string `json:"restore_keys"`
		Size         string   `json:"size_bytes"`
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil || in.Version == "" {
		fail(http.StatusBadRequest, "malformed")
		return
	}
	out := map[string]any{"ok": false}
	switch r.PathValue("method") {
	case "CreateCacheEntry":
		for _, e := range s.entries {
			if e.branch == branch && e.key == in.Key {
				fail(http.StatusConflict, "already_exists")
				return
			}
		}
		s.entries = append(s.entries, &entry{branch: branch, key: in.Key, version: in.Version})
		out = map[string]any{"ok": true, "signed_upload_url": s.at(len(s.entries) - 1)}
	case "FinalizeCacheEntryUpload":
		for _, e := range s.entries {
			if e.branch == branch && e.key == in.Key && in.Size == strconv.Itoa(len(e.body)) {
				e.done = true
				out = map[string]any{"ok": true, "entry_id": "1"}
			}
		}
	case "GetCacheEntryDownloadURL":
		if n := s.find([]string{branch, base}, in.Key, in.RestoreKeys); n >= 0 {
			out = map[string]any{"ok": true, "signed_download_url": s.at(n), "matched_key": s.entries[n].key}
		}
	}
	_ = json.NewEncoder(w).Encode(out)
}

func (s *service) at(n int) string { return fmt.Sprintf("%s/blob/%d?se=2030&%s", s.URL, n, signature) }

// find is the entry of a key, or the newest by a prefix, first of the first branch.
func (s *service) find(branches []string, key string, prefixes []string) int {
	for _, branch := range branches {
		for _, exact := range []bool{true, false} {
			for n := len(s.entries) - 1; n >= 0; n-- {
				e := s.entries[n]
				match := e.key == key
				for _, p := range prefixes {
					match = match || !exact && strings.HasPrefix(e.key, p)
				}
				if e.done && e.branch == branch && match {
					return n
				}
			}
		}
	}
	return -1
}

func (s *service) upload(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	n, _ := strconv.Atoi(r.PathValue("n"))
	q := r.URL.Query()
	id := r.PathValue("n") + "/" + q.Get("blockid")
	switch {
	case err != nil || !strings.Contains(r.URL.RawQuery, signature) || r.Header.Get("x-ms-version") == "":
		w.WriteHeader(http.StatusForbidden)
	case q.Get("comp") == "block":
		s.blocks[id] = body
		w.WriteHeader(http.StatusCreated)
	case q.Get("comp") == "blocklist":
		var list struct{ Latest []string }
		if err := xml.Unmarshal(body, &list); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		for _, id := range list.Latest {
			if raw, err := base64.StdEncoding.DecodeString(id); err != nil || len(raw) != 8 {
				w.WriteHeader(http.StatusBadRequest)
				return
			}
			s.entries[n].body = append(s.entries[n].body, s.blocks[r.PathValue("n")+"/"+id]...)
		}
		w.WriteHeader(http.StatusCreated)
	default:
		w.WriteHeader(http.StatusBadRequest)
	}
}

func (s *service) download(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	n, _ := strconv.Atoi(r.PathValue("n"))
	body := s.entries[n].body
	s.requests = append(s.requests, "GET")
	s.mu.Unlock()
	if !strings.Contains(r.URL.RawQuery, signature) {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
}

func (s *service) asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.requests
	s.requests = nil
	return all
}

// blob is stored in a store of its own.
func blob(t *testing.T, b []byte) copy.Blob {
	t.Helper()
	store := memstore.New(time.Now)
	desc, err := content.WriteBytes(t.Context(), store, ocispec.Descriptor{MediaType: "text/plain"}, b)
	if err != nil {
		t.Fatal(err)
	}
	return copy.Blob{Descriptor: desc, Content: store}
}

func read(t *testing.T, s *Service, desc ocispec.Descriptor) ([]byte, error) {
	t.Helper()
	r, err := s.Open(t.Context(), desc)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(content.Verify(content.NewReader(r), desc))
}

func manifest(text string) distribution.Manifest {
	return distribution.Manifest{Descriptor: ocispec.Descriptor{Digest: digest.FromString(text)}, Body: []byte(text)}
}

// TestThereAndBack: blobs of no, one and several blocks, and manifests, of which the
// newest counts. A blob that is there is not sent again.
func TestThereAndBack(t *testing.T) {
	t.Parallel()
	s := serve(t)
	main := s.client("main:main")
	for _, size := range []int{1, blockSize, blockSize + 1, 5 * blockSize} {
		b := blob(t, bytes.Repeat([]byte{byte(size), 'x', 'y'}, size/3+1)[:size])
		if err := main.PushBlob(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		s.asked()
		got, err := read(t, s.client("main:main"), b.Descriptor)
		if err != nil || len(got) != size {
			t.Errorf("%d bytes: %d, %v", size, len(got), err)
		}
		if asked := s.asked(); len(asked) != 2 {
			t.Errorf("%d bytes: a hit asks %v", size, asked)
		}
		if err := s.client("main:main").PushBlob(t.Context(), b); err != nil || len(s.asked()) != 1 {
			t.Errorf("sent again: %v", err)
		}
		if err := main.PushBlob(t.Context(), b); err != nil || len(s.asked()) != 0 {
			t.Errorf("asked again for what it sent itself: %v", err)
		}
	}
	for _, text := range []string{"first", "second"} {
		if err := main.PushManifest(t.Context(), manifest(text), "latest"); err != nil {
			t.Fatal(err)
		}
	}
	if m, err := s.client("main:main").Resolve(t.Context(), "latest"); err != nil || string(m.Body) != "second" {
		t.Errorf("%s, %v", m.Body, err)
	}
	for _, c := range []*Service{New(Config{URL: s.URL, Token: "main:main", Scope: "other"}), main} {
		if m, err := c.Resolve(t.Context(), "latest"+c.cfg.Scope); !errors.Is(err, errdefs.ErrNotFound) {
			t.Errorf("another tag or scope: %s, %v", m.Body, err)
		}
	}
	r, err := main.Open(t.Context(), ocispec.Descriptor{Digest: blob(t, []byte{1}).Digest, Size: 1})
	if err != nil {
		t.Fatal(err)
	}
	_ = r.Close()
	if _, err := main.Open(t.Context(), ocispec.Descriptor{Digest: digest.FromString("none")}); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("no such blob: %v", err)
	}
}

// TestBranches: a branch reads the base's cache, and what it writes nobody else reads.
func TestBranches(t *testing.T) {
	t.Parallel()
	s := serve(t)
	main, pull := s.client("main:main"), s.client("pull:main")
	b := blob(t, []byte("layer"))
	if err := errors.Join(main.PushBlob(t.Context(), b), main.PushManifest(t.Context(), manifest("good"), "t")); err != nil {
		t.Fatal(err)
	}
	if m, err := pull.Resolve(t.Context(), "t"); err != nil || string(m.Body) != "good" {
		t.Errorf("the base's: %s, %v", m.Body, err)
	}
	if err := pull.PushManifest(t.Context(), manifest("poison"), "t"); err != nil {
		t.Fatal(err)
	}
	if m, err := pull.Resolve(t.Context(), "t"); err != nil || string(m.Body) != "poison" {
		t.Errorf("its own: %s, %v", m.Body, err)
	}
	if m, err := main.Resolve(t.Context(), "t"); err != nil || string(m.Body) != "good" {
		t.Errorf("another branch's: %s, %v", m.Body, err)
	}
}

// TestFailures: what passes is tried again, what does not is said, without the token
// and the signature; bytes that are others become no blob.
func TestFailures(t *testing.T) {
	t.Parallel()
	s := serve(t)
	c := s.client("main:main")
	b := blob(t, []byte("layer"))
	s.busy = 2
	if err := c.PushBlob(t.Context(), b); err != nil {
		t.Errorf("a service that is busy for a moment: %v", err)
	}
	s.busy = 100
	wrong := s.client("no-token-at-all")
	_, busy := c.Resolve(t.Context(), "t")
	s.busy = 0
	_, denied := wrong.Resolve(t.Context(), "t")
	lying := blob(t, []byte("some bytes"))
	lying.Digest = digest.FromString("other bytes")
	lying.Content = provider{blob(t, []byte("some bytes"))}
	corrupt := c.PushBlob(t.Context(), lying)
	_, gone := s.client("main:main").Open(t.Context(), lying.Descriptor)
	down := s.client("main:main")
	r, err := down.Open(t.Context(), b.Descriptor)
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	_, unreachable := r.ReadAt(make([]byte, 1), 0)
	for name, c := range map[string]struct{ err, kind error }{
		"busy": {busy, errdefs.ErrUnavailable}, "denied": {denied, errdefs.ErrDenied},
		"corrupt": {corrupt, errdefs.ErrCorrupt}, "gone": {gone, errdefs.ErrNotFound},
		"unreachable": {unreachable, errdefs.ErrUnavailable},
	} {
		if !errors.Is(c.err, c.kind) {
			t.Errorf("%s: %v", name, c.err)
			continue
		}
		for _, secret := range []string{signature, "main:main", "no-token-at-all", "se=2030"} {
			if strings.Contains(c.err.Error(), secret) {
				t.Errorf("%s shows %q: %v", name, secret, c.err)
			}
		}
	}
}

// provider opens its one blob, whatever it is asked for.
type provider struct{ copy.Blob }

func (p provider) Open(ctx context.Context, _ ocispec.Descriptor) (content.Reader, error) {
	return p.Content.Open(ctx, p.Descriptor)
}

func TestEnvironment(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		cfg  Config
		env  map[string]string
		want string
	}{
		"a job":        {Config{}, map[string]string{"ACTIONS_RESULTS_URL": "u", "ACTIONS_RUNTIME_TOKEN": "t"}, ""},
		"by hand":      {Config{URL: "u", Token: "t"}, nil, ""},
		"no token":     {Config{}, map[string]string{"ACTIONS_RESULTS_URL": "u"}, "type=registry,ref=IMAGE"},
		"elsewhere":    {Config{}, nil, "ACTIONS_RUNTIME_TOKEN"},
		"first server": {Config{}, map[string]string{"ACTIONS_CACHE_URL": "u"}, "first protocol"},
	} {
		cfg, err := FromEnvironment(c.cfg, func(k string) string { return c.env[k] })
		if c.want == "" && (err != nil || cfg.URL != "u" || cfg.Token != "t") {
			t.Errorf("%s: %+v, %v", name, cfg, err)
		}
		if c.want != "" && (!errors.Is(err, errdefs.ErrUnsupported) || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
