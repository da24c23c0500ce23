package proxy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/content/fsstore"
	"cove/content/memstore"
	"cove/distribution"
	"cove/distribution/client"
	"cove/distribution/distributiontest"
	"cove/distribution/server"
	"cove/errdefs"
	"cove/registry/auth"
	"cove/registry/metadata"
	"cove/registry/metadata/metadatatest"
	"cove/registry/proxy/settings"
	"cove/registry/proxy/standing"
	"cove/registry/proxy/transit"
	"cove/registry/seal"
	"cove/registry/store"
)

// allow lets everybody do everything, as an administrator.
type allow struct{}

func (allow) May(context.Context, distribution.Action, string) bool { return true }

func (allow) Authorize(r *http.Request, _ ...distribution.Access) (context.Context, error) {
	return auth.WithCaller(r.Context(), auth.Caller{UserID: 1, Name: "admin", Admin: true}), nil
}

func (allow) Challenge(*http.Request, ...distribution.Access) string { return "" }

// hostile is an upstream that behaves as it is told.
type hostile struct {
	t       *testing.T
	real    http.Handler
	address string
	images  *memRegistry

	mu       sync.Mutex
	mode     string                                            // "" serves
	script   func(w http.ResponseWriter, r *http.Request) bool // true says that it has answered; nil is none
	requests map[string]int
	auth     atomic.Value // the last Authorization
}

type memRegistry struct {
	*store.Registry
	ctx context.Context
}

func newStore(t *testing.T, now func() time.Time, bytes content.BlobStore) (*store.Registry, *metadata.DB) {
	t.Helper()
	db := metadatatest.OpenSQLite(t, now)
	r, err := store.New(t.Context(), store.Config{Store: bytes, DB: db, Rights: allow{}, Now: now}, true)
	if err != nil {
		t.Fatal(err)
	}
	return r, db
}

func serverOf(t *testing.T, r distribution.Registry) http.Handler {
	t.Helper()
	h, err := server.New(server.Config{Registry: r, Authorizer: allow{}, OnDamaged: func(context.Context, digest.Digest) {}})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func newHostile(t *testing.T) *hostile {
	t.Helper()
	r, _ := newStore(t, time.Now, memstore.New(nil))
	u := &hostile{
		t: t, real: serverOf(t, r), requests: map[string]int{},
		images: &memRegistry{r, auth.WithCaller(t.Context(), auth.Caller{UserID: 1, Name: "admin", Admin: true})},
	}
	u.auth.Store("")
	u.address = distributiontest.Listen(t, u)
	return u
}

func (u *hostile) set(mode string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.mode = mode
}

func (u *hostile) answer(script func(w http.ResponseWriter, r *http.Request) bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.script = script
}

// count is how many requests of a method went to paths with this in them.
func (u *hostile) count(method, path string) (n int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for what, times := range u.requests {
		of, _, _ := strings.Cut(what, " ")
		if (method == "" || method == of) && strings.Contains(what, path) {
			n += times
		}
	}
	return n
}

func (u *hostile) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	u.mu.Lock()
	mode, script := u.mode, u.script
	u.requests[r.Method+" "+r.URL.Path]++
	u.mu.Unlock()
	u.auth.Store(r.Header.Get("Authorization"))
	if script != nil && script(w, r) {
		return
	}
	switch mode {
	case "metered":
		w.Header().Set("RateLimit-Limit", "100;w=21600")
		w.Header().Set("RateLimit-Remaining", "76;w=21600")
	case "429":
		w.Header().Set("Retry-After", "120")
		w.WriteHeader(http.StatusTooManyRequests)
		return
	case "500":
		w.WriteHeader(http.StatusInternalServerError)
		return
	case "404":
		w.WriteHeader(http.StatusNotFound)
		return
	case "hang":
		<-r.Context().Done()
		return
	case "cloud":
		if strings.Contains(r.URL.Path, "/blobs/") {
			http.Redirect(w, r, "https://169.254.169.254/latest/meta-data/iam", http.StatusTemporaryRedirect)
			return
		}
	case "password":
		if user, pass, ok := r.BasicAuth(); !ok || user != "robot" || pass != "correct horse" {
			w.Header().Set("WWW-Authenticate", `Basic realm="up"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
	case "lie", "cut":
		if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/blobs/") {
			u.twist(w, r, mode)
			return
		}
	case "slow":
		if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/blobs/") {
			time.Sleep(200 * time.Millisecond)
		}
	}
	u.real.ServeHTTP(w, r)
}

// twist sends a blob with one wrong bit, or half of it.
func (u *hostile) twist(w http.ResponseWriter, r *http.Request, how string) {
	rec := httptest.NewRecorder()
	r.Header.Del("Range")
	u.real.ServeHTTP(rec, r)
	b := rec.Body.Bytes()
	w.Header().Set("Content-Length", fmt.Sprint(len(b)))
	if how == "lie" {
		b[len(b)/2] ^= 1
	} else {
		b = b[:len(b)/2]
	}
	_, _ = w.Write(b)
}

func (u *hostile) push(seed uint64, repo, tag string, sizes ...int) distributiontest.Image {
	u.t.Helper()
	img := distributiontest.NewImage(u.t, seed, sizes...)
	for dgst, b := range img.Blobs {
		up, err := u.images.StartUpload(u.images.ctx, repo)
		if err == nil {
			_, err = up.Write(b)
		}
		if err == nil {
			_, err = up.Commit(u.images.ctx, dgst)
		}
		if err != nil {
			u.t.Fatal(err)
		}
	}
	if _, err := u.images.PutManifest(u.images.ctx, repo, img.Manifest, tag); err != nil {
		u.t.Fatal(err)
	}
	return img
}

type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// near is the registry with a proxy.
type near struct {
	t       *testing.T
	clock   *clock
	db      *metadata.DB
	proxies *Proxies
	service *Service
	stored  *store.Registry
	served  distribution.Registry
	address string
}

func newNear(t *testing.T, bytes content.BlobStore) *near {
	t.Helper()
	n := &near{t: t, clock: &clock{at: time.Now()}}
	n.stored, n.db = newStore(t, n.clock.Now, bytes)
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "keys"), 0o700); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	box := seal.In(root)
	n.proxies = New(Config{
		DB: n.db, Box: box, Spool: dir, Now: n.clock.Now,
		Client: client.Config{CertsDirs: []string{}, RetryFor: 300 * time.Millisecond},
	})
	t.Cleanup(func() {
		n.proxies.Close()
		if err := root.Close(); err != nil {
			t.Error(err)
		}
	})
	n.service = NewService(n.db, auth.Judge{}, box)
	n.service.Tell(n.proxies) // so that all of these tests ask within the second in which others look again
	n.served = n.proxies.Registry(n.stored)
	n.address = distributiontest.Listen(t, Handler(serverOf(t, n.served)))
	return n
}

func (n *near) create(spec Spec) {
	n.t.Helper()
	if err := n.service.Create(n.t.Context(), auth.Operator(), spec); err != nil {
		n.t.Fatal(err)
	}
}

func (n *near) do(method, path string) (int, http.Header, []byte) {
	n.t.Helper()
	req, err := http.NewRequestWithContext(n.t.Context(), method, "http://"+n.address+"/v2/"+path, strings.NewReader(""))
	if err != nil {
		n.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return -1, nil, nil // it was cut off before it began
	}
	b, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err != nil {
		return -1, resp.Header, b // it was cut off
	}
	return resp.StatusCode, resp.Header, b
}

// pull pulls an image as docker does, and compares it.
func (n *near) pull(repo, tag string, img distributiontest.Image) {
	n.t.Helper()
	status, header, body := n.do("GET", repo+"/manifests/"+tag)
	if status != 200 || !bytes.Equal(body, img.Manifest.Body) || header.Get("Docker-Content-Digest") != img.Manifest.Descriptor.Digest.String() ||
		header.Get("Content-Type") != img.Manifest.Descriptor.MediaType {
		n.t.Errorf("%s:%s: %d %v %s", repo, tag, status, header, body)
	}
	for dgst, b := range img.Blobs {
		if status, _, got := n.do("GET", repo+"/blobs/"+dgst.String()); status != 200 || !bytes.Equal(got, b) {
			n.t.Errorf("%s@%s: %d, %d bytes", repo, dgst, status, len(got))
		}
	}
}

func stores(t *testing.T) map[string]content.BlobStore {
	t.Helper()
	fs, err := fsstore.Open(t.TempDir(), fsstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = fs.Close() })
	return map[string]content.BlobStore{"folder": fs, "not to be read while it is written": writeOnly{memstore.New(nil)}}
}

// writeOnly is a store whose writers cannot be read back, as those of a bucket.
type writeOnly struct{ content.BlobStore }

func (w writeOnly) Begin(ctx context.Context, id string) (content.Writer, error) {
	up, err := w.BlobStore.Begin(ctx, id)
	return struct{ content.Writer }{up}, err
}

// TestPullsThroughAProxy pulls an image twice, once with the upstream gone, and
// another one that shares a layer with it.
func TestPullsThroughAProxy(t *testing.T) {
	t.Parallel()
	for name, bytes := range stores(t) {
		t.Run(name, func(t *testing.T) {
			up, n := newHostile(t), newNear(t, bytes)
			img := up.push(1, "team/app", "v1", 3000, 700_000)
			n.create(Spec{Project: "mirror", Upstream: "http://" + up.address, FreshFor: time.Minute})
			n.pull("mirror/team/app", "v1", img)
			for dgst := range img.Blobs {
				if got := up.count("GET", "/blobs/"+dgst.String()); got != 1 {
					t.Errorf("%d requests for %s", got, dgst)
				}
			}
			up.set("500")
			n.pull("mirror/team/app", "v1", img)
			if _, _, body := n.do("GET", "mirror/team/app/tags/list"); !strings.Contains(string(body), "v1") {
				t.Errorf("tags: %s", body)
			}
			// Its layers belong to it: none is collected.
			n.clock.Advance(24 * time.Hour)
			if got, err := n.stored.Collect(t.Context()); err != nil || got.Blobs != 0 {
				t.Errorf("collected %+v, %v", got, err)
			}
			n.pull("mirror/team/app", "v1", img)
		})
	}
}

// TestFreshness: within the time nothing is asked, after it one HEAD, and what has
// changed is brought.
func TestFreshness(t *testing.T) {
	t.Parallel()
	up, n := newHostile(t), newNear(t, memstore.New(nil))
	old := up.push(1, "library/app", "latest", 3000)
	n.create(Spec{Project: "mirror", Upstream: up.address + "/library", FreshFor: time.Minute})
	n.pull("mirror/app", "latest", old)
	n.pull("mirror/app", "latest", old)
	if got := up.count("", "/manifests/"); got != 1 {
		t.Errorf("%d questions while it is fresh", got)
	}
	n.clock.Advance(2 * time.Minute)
	n.pull("mirror/app", "latest", old)
	if heads, gets := up.count("HEAD", "/manifests/"), up.count("GET", "/manifests/"); heads != 1 || gets != 1 {
		t.Errorf("%d HEADs and %d GETs", heads, gets)
	}
	renewed := up.push(2, "library/app", "latest", 4000)
	n.pull("mirror/app", "latest", old)
	n.clock.Advance(2 * time.Minute)
	n.pull("mirror/app", "latest", renewed)
	if status, _, _ := n.do("GET", "mirror/app/manifests/"+old.Manifest.Descriptor.Digest.String()); status != 200 {
		t.Errorf("the old digest: %d", status)
	}
}

// TestUpstreamThatCounts: what an upstream says is left of what it allows is told of its project
// and of all upstreams.
func TestUpstreamThatCounts(t *testing.T) {
	t.Parallel()
	up, n := newHostile(t), newNear(t, memstore.New(nil))
	img := up.push(1, "team/app", "v1", 3000)
	n.create(Spec{Project: "mirror", Upstream: up.address})
	n.pull("mirror/team/app", "v1", img)
	if a := n.proxies.State("mirror").Allowance; !a.At.IsZero() || n.proxies.Status().Allowances != nil {
		t.Errorf("an upstream that says nothing: %+v", a)
	}
	up.set("metered")
	n.clock.Advance(time.Hour)
	n.pull("mirror/team/app", "v1", img)
	want := standing.Allowance{Remaining: 76, Limit: 100, Window: 6 * time.Hour, At: n.clock.Now()}
	if a := n.proxies.State("mirror").Allowance; a != want || n.proxies.Status().Allowances[up.address] != want {
		t.Errorf("%+v, want %+v", a, want)
	}
}

// TestUpstreamThatFails: what is here is served with its age, whatever the upstream
// does; what is not is answered as the upstream said it, and not asked again at once.
func TestUpstreamThatFails(t *testing.T) {
	t.Parallel()
	for mode, want := range map[string]int{"429": 429, "500": 503, "404": 404, "hang": 0} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			up, n := newHostile(t), newNear(t, memstore.New(nil))
			img := up.push(1, "team/app", "v1", 3000)
			n.create(Spec{Project: "mirror", Upstream: up.address, FreshFor: time.Minute})
			n.pull("mirror/team/app", "v1", img)
			up.set(mode)
			n.clock.Advance(time.Hour)
			begun := time.Now()
			for range 3 {
				n.pull("mirror/team/app", "v1", img)
				n.clock.Advance(time.Second)
			}
			if took := time.Since(begun); took > patience+5*time.Second {
				t.Errorf("three pulls took %v", took)
			}
			status, header, _ := n.do("HEAD", "mirror/team/app/manifests/v1")
			if status != 200 || header.Get("Age") == "" || !strings.HasPrefix(header.Get("Warning"), `299 - "`) {
				t.Errorf("stale: %d %v", status, header)
			}
			st := n.proxies.State("mirror")
			if failed := mode != "404"; failed == (st.Failure == "") || st.AnsweredAt.IsZero() || st.Hits < 4 || st.Misses < 2 || st.Stale < 3 {
				t.Errorf("the state: %+v", st)
			}
			if mode == "429" && st.RestsUntil.Sub(st.FailedAt) != 2*time.Minute {
				t.Errorf("it asks to be left alone for two minutes: %+v", st)
			}
			if want == 0 {
				return
			}
			n.clock.Advance(time.Hour)
			asked := up.count("", "/")
			for range 3 {
				status, header, body := n.do("GET", "mirror/team/other/manifests/v1")
				if status != want || (want != 404) == (header.Get("Retry-After") == "") || header.Get("Www-Authenticate") != "" {
					t.Errorf("what is not here: %d %v %s", status, header, body)
				}
			}
			if mode == "429" && up.count("", "/")-asked != 1 {
				t.Errorf("it asks to be left alone, and was asked %d times", up.count("", "/")-asked)
			}
			up.set("")
			n.clock.Advance(2 * time.Minute)
			n.pull("mirror/team/app", "v1", img)
			if _, header, _ := n.do("HEAD", "mirror/team/app/manifests/v1"); header.Get("Age") != "" {
				t.Errorf("fresh again: %v", header)
			}
			if st := n.proxies.State("mirror"); !st.AnsweredAt.After(st.FailedAt) || !st.RestsUntil.IsZero() {
				t.Errorf("the state, once it answers again: %+v", st)
			}
		})
	}
}

// TestUpstreamThatLies: bytes that are not their digest's, and half a blob, are
// neither stored nor served whole.
func TestUpstreamThatLies(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"lie", "cut"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			up, n := newHostile(t), newNear(t, memstore.New(nil))
			img := up.push(1, "team/app", "v1", 3000, 900_000)
			n.create(Spec{Project: "mirror", Upstream: up.address})
			up.set(mode)
			for dgst, b := range img.Blobs {
				for range 2 {
					status, _, got := n.do("GET", "mirror/team/app/blobs/"+dgst.String())
					if status == 200 || len(got) >= len(b) && digest.FromBytes(got) != dgst && status > 0 && status < 300 {
						t.Errorf("%d with %d of %d bytes", status, len(got), len(b))
					}
					n.clock.Advance(time.Minute)
				}
				if _, err := n.stored.StatBlob(t.Context(), "mirror/team/app", dgst); !errors.Is(err, errdefs.ErrNotFound) {
					t.Errorf("it is stored: %v", err)
				}
			}
			up.set("")
			n.clock.Advance(time.Hour)
			n.pull("mirror/team/app", "v1", img)
		})
	}
}

// TestConcurrentMisses: many clients that ask for what is not here are one question.
func TestConcurrentMisses(t *testing.T) {
	t.Parallel()
	up, n := newHostile(t), newNear(t, memstore.New(nil))
	img := up.push(1, "team/app", "v1", 2_000_000)
	n.create(Spec{Project: "mirror", Upstream: up.address, Connections: 2})
	up.set("slow")
	var all sync.WaitGroup
	for range 12 {
		all.Go(func() { n.pull("mirror/team/app", "v1", img) })
	}
	all.Wait()
	for dgst := range img.Blobs {
		if got := up.count("GET", "/blobs/"+dgst.String()); got != 1 {
			t.Errorf("%d requests for one blob", got)
		}
	}
	if got := up.count("GET", "/manifests/"); got != 1 {
		t.Errorf("%d requests for one manifest", got)
	}
}

// TestBytesPassAtOnce: a client has the first bytes while the upstream sends the
// others.
func TestBytesPassAtOnce(t *testing.T) {
	t.Parallel()
	n := newNear(t, memstore.New(nil))
	blob := distributiontest.Bytes(1, 3*transit.Piece)
	dgst := digest.FromBytes(blob)
	goOn := make(chan struct{})
	address := distributiontest.Listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.URL.Path, "/blobs/") {
			return
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(blob)))
		if r.Method == http.MethodHead {
			return
		}
		_, _ = w.Write(blob[:transit.Piece])
		w.(http.Flusher).Flush()
		<-goOn
		_, _ = w.Write(blob[transit.Piece:])
	}))
	n.create(Spec{Project: "mirror", Upstream: address})
	req, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+n.address+"/v2/mirror/app/blobs/"+dgst.String(), http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	first := make([]byte, 1000)
	if _, err := io.ReadFull(resp.Body, first); err != nil || !bytes.Equal(first, blob[:1000]) {
		t.Fatalf("the first bytes: %v", err)
	}
	close(goOn)
	rest, err := io.ReadAll(resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err != nil || !bytes.Equal(append(first, rest...), blob) {
		t.Errorf("the rest: %d bytes, %v", len(rest), err)
	}
}

// TestCredentials: the upstream is signed in to, and the database has no password.
func TestCredentials(t *testing.T) {
	t.Parallel()
	up, n := newHostile(t), newNear(t, memstore.New(nil))
	img := up.push(1, "team/app", "v1", 3000)
	up.set("password")
	n.create(Spec{Project: "mirror", Upstream: up.address, User: "robot", Password: "correct horse"})
	n.pull("mirror/team/app", "v1", img)
	list, err := n.service.List(t.Context(), auth.Operator())
	if err != nil || len(list) != 1 || strings.Contains(fmt.Sprintf("%+v", list), "correct horse") {
		t.Errorf("%+v, %v", list, err)
	}
	var secret string
	if err := n.db.Querier().Row(t.Context(), "SELECT secret FROM proxies").Scan(&secret); err != nil || secret == "" ||
		strings.Contains(secret, "correct") {
		t.Errorf("the database has %q, %v", secret, err)
	}
	if err := n.service.Create(t.Context(), auth.Caller{UserID: 7, Name: "bob"}, Spec{Project: "b", Upstream: up.address}); !errors.Is(err, errdefs.ErrDenied) {
		t.Errorf("somebody makes a proxy: %v", err)
	}
}

// TestPushesToAProxyAreRefused with the specification's code.
func TestPushesToAProxyAreRefused(t *testing.T) {
	t.Parallel()
	up, n := newHostile(t), newNear(t, memstore.New(nil))
	n.create(Spec{Project: "mirror", Upstream: up.address, Repositories: []string{"team/*"}})
	for path, method := range map[string]string{
		"mirror/app/blobs/uploads/":  "POST",
		"mirror/app/blobs/uploads/x": "PATCH",
		"mirror/app/blobs/uploads/?mount=sha256:" + strings.Repeat("a", 64) + "&from=library/x": "POST",
	} {
		status, _, body := n.do(method, path)
		if status != http.StatusMethodNotAllowed || !strings.Contains(string(body), "UNSUPPORTED") {
			t.Errorf("%s %s: %d %s", method, path, status, body)
		}
	}
	if _, err := n.served.PutManifest(t.Context(), "mirror/app", distributiontest.NewImage(t, 1, 10).Manifest, "v1"); !errors.Is(err, errdefs.ErrUnsupported) {
		t.Errorf("a manifest: %v", err)
	}
	if status, _, _ := n.do("GET", "mirror/app/manifests/v1"); status != 404 || up.count("", "/") > 0 {
		t.Errorf("a repository that the project does not show: %d, %d questions", status, up.count("", "/"))
	}
}

// TestReferrersComeToo, and indexes whose manifests nobody has asked for.
func TestReferrersComeToo(t *testing.T) {
	t.Parallel()
	up, n := newHostile(t), newNear(t, memstore.New(nil))
	one, two := up.push(1, "team/app", "one", 3000), up.push(2, "team/app", "two", 3000)
	index := distributiontest.Index(t, one.Manifest.Descriptor, two.Manifest.Descriptor)
	if _, err := up.images.PutManifest(up.images.ctx, "team/app", index, "v1"); err != nil {
		t.Fatal(err)
	}
	var doc ocispec.Manifest
	if err := json.Unmarshal(one.Manifest.Body, &doc); err != nil {
		t.Fatal(err)
	}
	doc.ArtifactType, doc.Subject = "application/x.signature", &index.Descriptor
	signature := distributiontest.NewManifest(t, doc)
	if _, err := up.images.PutManifest(up.images.ctx, "team/app", signature); err != nil {
		t.Fatal(err)
	}
	n.create(Spec{Project: "mirror", Upstream: up.address})
	status, _, body := n.do("GET", "mirror/team/app/manifests/v1")
	if status != 200 || !bytes.Equal(body, index.Body) {
		t.Fatalf("the index: %d %s", status, body)
	}
	n.pull("mirror/team/app", one.Manifest.Descriptor.Digest.String(), one)
	refers := func() {
		t.Helper()
		status, _, body := n.do("GET", "mirror/team/app/referrers/"+index.Descriptor.Digest.String())
		if status != 200 || !strings.Contains(string(body), signature.Descriptor.Digest.String()) {
			t.Errorf("referrers: %d %s", status, body)
		}
	}
	refers()
	up.set("500")
	n.clock.Advance(time.Hour)
	refers()
	if status, _, _ := n.do("GET", "mirror/team/app/manifests/v1"); status != 200 {
		t.Errorf("the index, later: %d", status)
	}
	n.pull("mirror/team/app", one.Manifest.Descriptor.Digest.String(), one)
	if err := n.stored.DeleteManifest(t.Context(), "mirror/team/app", one.Manifest.Descriptor.Digest); !errors.Is(err, errdefs.ErrConflict) {
		t.Errorf("a manifest that the index needs goes: %v", err)
	}
}

// TestEviction removes what nobody pulls any more, and nothing else.
func TestEviction(t *testing.T) {
	t.Parallel()
	up, n := newHostile(t), newNear(t, memstore.New(nil))
	old, used := up.push(1, "team/old", "v1", 3000), up.push(2, "team/used", "v1", 3000)
	n.create(Spec{Project: "mirror", Upstream: up.address, FreshFor: time.Minute, KeepFor: 48 * time.Hour})
	n.pull("mirror/team/old", "v1", old)
	for range 4 {
		n.pull("mirror/team/used", "v1", used)
		n.do("HEAD", "mirror/team/used/manifests/"+used.Manifest.Descriptor.Digest.String())
		n.clock.Advance(24 * time.Hour)
	}
	if got, err := n.proxies.Evict(t.Context(), n.stored); err != nil || got != 2 {
		t.Errorf("evicted %d, %v", got, err)
	}
	if _, err := n.stored.StatTag(t.Context(), "mirror/team/old", "v1"); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("the old one: %v", err)
	}
	n.clock.Advance(2 * time.Hour)
	if got, err := n.stored.Collect(t.Context()); err != nil || got.Blobs != 3 {
		t.Errorf("collected %+v, %v", got, err)
	}
	up.set("500")
	n.pull("mirror/team/used", "v1", used)
}

func TestSpecs(t *testing.T) {
	t.Parallel()
	for upstream, want := range map[string]string{
		"docker.io": "docker.io ", "https://registry-1.docker.io": "docker.io ", "https://ghcr.io/owner": "ghcr.io owner",
		"https://index.docker.io/v1/": "docker.io ", "https://registry.hub.docker.com": "docker.io ", "hub.docker.com/v2": "docker.io ",
		"http://127.0.0.1:5000/": "127.0.0.1:5000 ", "": "", "ftp://x": "", "https://user:pw@x": "", "x?y": "", "x/UPPER": "", ":5000": "",
	} {
		host, prefix, err := settings.ParseUpstream(upstream)
		if got := host + " " + prefix; (err == nil) != (want != "") || err == nil && got != want {
			t.Errorf("%q: %q, %v", upstream, got, err)
		}
	}
	for name, spec := range map[string]Spec{
		"library": {Project: "library", Upstream: "docker.io"}, "no name": {Upstream: "docker.io"},
		"a password alone": {Project: "p", Upstream: "docker.io", Password: "x"},
		"negative":         {Project: "p", Upstream: "docker.io", Rate: -1},
		"a glob":           {Project: "p", Upstream: "docker.io", Repositories: []string{"A b"}},
	} {
		if _, err := spec.check(); !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestSentToTheCloud: an upstream that sends us to what only this machine reaches is
// not followed, and that is told.
func TestSentToTheCloud(t *testing.T) {
	t.Parallel()
	up, n := newHostile(t), newNear(t, memstore.New(nil))
	img := up.push(1, "team/app", "v1", 3000)
	n.create(Spec{Project: "mirror", Upstream: up.address})
	up.set("cloud")
	for dgst := range img.Blobs {
		if status, _, body := n.do("GET", "mirror/team/app/blobs/"+dgst.String()); status != 404 && status != 503 {
			t.Errorf("%d %s", status, body)
		}
	}
	if st := n.proxies.State("mirror"); !strings.Contains(st.Failure, "metadata service") {
		t.Errorf("the state: %+v", st)
	}
}
