package images

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/content/memstore"
	"cove/distribution/client"
	"cove/distribution/client/credentials"
	"cove/distribution/distributiontest"
	"cove/distribution/progress"
	"cove/errdefs"
	"cove/images/image"
	"cove/images/remote"
	"cove/images/remote/linked"
	"cove/images/removal"
	"cove/internal/platforms"
	"cove/layers/snapshot/native"
)

// network gives a store snapshots and a client without retries.
func network(t testing.TB, root string) func(*Config) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: layers are unpacked with their owners")
	}
	snaps, err := native.New(filepath.Join(root, "snapshots"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.New(client.Config{RetryFor: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return func(cfg *Config) {
		cfg.Snapshots, cfg.Registry = snaps, func() (remote.Registries, error) { return linked.Of(c), nil }
	}
}

func connected(t testing.TB) *Store {
	t.Helper()
	root := t.TempDir()
	return openStore(t, root, network(t, root))
}

// registry serves an empty registry; wrap, if not nil, sits before it.
func registry(t testing.TB, wrap func(http.Handler) http.Handler) (host string) {
	t.Helper()
	h := distributiontest.Handler(t, context.Background(), distributiontest.NewMemory(memstore.New(nil)))
	if wrap != nil {
		h = wrap(h)
	}
	return distributiontest.Listen(t, h)
}

// transfers collects the last kind of event of every blob, and all kinds seen.
type transfers struct {
	mu   sync.Mutex
	last map[digest.Digest]progress.Kind
	seen map[progress.Kind]int
}

func (e *transfers) tell(ev progress.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.last == nil {
		e.last, e.seen = map[digest.Digest]progress.Kind{}, map[progress.Kind]int{}
	}
	e.last[ev.Desc.Digest] = ev.Kind
	e.seen[ev.Kind]++
}

func (e *transfers) must(t *testing.T, img image.Image, kind progress.Kind) {
	t.Helper()
	for _, l := range img.Layers {
		if e.last[l.Blob.Digest] != kind {
			t.Errorf("layer %s ended as %d, want %d", l.Blob.Digest, e.last[l.Blob.Digest], kind)
		}
	}
}

func mustPush(t *testing.T, s *Store, name string) {
	t.Helper()
	if _, err := s.Push(t.Context(), name, PushOptions{}); err != nil {
		t.Fatal(err)
	}
}

func TestPushPull(t *testing.T) {
	t.Parallel()
	host := registry(t, nil)
	name := host + "/you/app:v1"
	from, to := connected(t), connected(t)
	a := addImage(t, from, name, "a", 4)
	var ev transfers
	desc, err := from.Push(t.Context(), name, PushOptions{Progress: ev.tell})
	if err != nil || desc.Digest != a.Target.Digest {
		t.Fatalf("Push = %+v, %v", desc, err)
	}
	ev.must(t, a, progress.Pushed)
	if img, err := from.Get(t.Context(), name); err != nil || len(img.Digests) != 1 || img.Digests[0].Digest != desc.Digest {
		t.Errorf("after the push: %+v, %v", img.Digests, err)
	}
	ev = transfers{}
	if _, err := from.Push(t.Context(), name, PushOptions{Progress: ev.tell}); err != nil {
		t.Fatal(err)
	}
	ev.must(t, a, progress.AlreadyExists)

	ev = transfers{}
	pulled, err := to.Pull(t.Context(), name, PullOptions{Progress: ev.tell})
	if err != nil || !pulled.Newer || pulled.Digest != desc.Digest || pulled.Image.ID != a.ID {
		t.Fatalf("Pull = %+v, %v", pulled, err)
	}
	ev.must(t, a, progress.Complete)
	if ev.seen[progress.Downloaded] != 4 {
		t.Errorf("events %v, want 4 downloads", ev.seen)
	}
	m, err := to.cfg.Snapshots.Mounts(t.Context(), string(a.ChainID()))
	if err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(filepath.Join(m.Source, "file3")); err != nil || string(b) != "3" {
		t.Errorf("file3 of the unpacked image: %q, %v", b, err)
	}
	ev = transfers{}
	if pulled, err = to.Pull(t.Context(), name, PullOptions{Progress: ev.tell}); err != nil || pulled.Newer {
		t.Errorf("pulling again: %+v, %v", pulled, err)
	}
	ev.must(t, a, progress.AlreadyExists)

	removed, err := to.Remove(t.Context(), name, removal.Options{})
	if err != nil || len(removed.Untagged) != 2 || len(removed.Deleted) != 5 || removed.Deleted[0] != a.ID.String() {
		t.Errorf("Remove = %+v, %v; want two names, an image and four layers", removed, err)
	}
	for info := range to.cfg.Snapshots.All(t.Context()) {
		t.Errorf("snapshot %s is left", info.Key)
	}
	for info := range to.cfg.Content.All(t.Context()) {
		t.Errorf("blob %s is left", info.Digest)
	}
}

func TestPullByDigest(t *testing.T) {
	t.Parallel()
	host := registry(t, nil)
	from, to := connected(t), connected(t)
	a := addImage(t, from, host+"/you/app:v1", "a", 1)
	mustPush(t, from, host+"/you/app:v1")
	name := host + "/you/app@" + a.Target.Digest.String()
	if _, err := to.Pull(t.Context(), name, PullOptions{}); err != nil {
		t.Fatal(err)
	}
	img, err := to.Get(t.Context(), name)
	if err != nil || len(img.Names) != 0 || len(img.Digests) != 1 || img.Digests[0].String() != name {
		t.Errorf("image %+v, %v", img, err)
	}
	if _, err := to.Push(t.Context(), name, PushOptions{}); !errors.Is(err, errdefs.ErrInvalid) {
		t.Errorf("pushing a name with a digest: %v", err)
	}
}

func TestPullOfAnIndex(t *testing.T) {
	t.Parallel()
	host := registry(t, nil)
	from, to := connected(t), connected(t)
	a := addImage(t, from, "", "a", 1)
	index := ocispec.Index{MediaType: ocispec.MediaTypeImageIndex, Manifests: []ocispec.Descriptor{
		{MediaType: a.Target.MediaType, Digest: a.Target.Digest, Size: a.Target.Size, Platform: &ocispec.Platform{OS: "linux", Architecture: platforms.Host().Architecture}},
	}}
	index.SchemaVersion = 2
	body, err := json.Marshal(index)
	if err != nil {
		t.Fatal(err)
	}
	target, err := content.WriteBytes(t.Context(), from.cfg.Content, ocispec.Descriptor{MediaType: index.MediaType}, body)
	if err != nil {
		t.Fatal(err)
	}
	name := host + "/you/multi:1"
	if _, err := from.Put(t.Context(), target, name); err != nil {
		t.Fatal(err)
	}
	mustPush(t, from, name)
	pulled, err := to.Pull(t.Context(), name, PullOptions{})
	if err != nil || pulled.Digest != target.Digest || pulled.Image.ID != a.ID {
		t.Fatalf("Pull = %+v, %v", pulled, err)
	}
	// The digest that people copy is the index's.
	if _, err := to.Get(t.Context(), host+"/you/multi@"+target.Digest.String()); err != nil {
		t.Error(err)
	}
	_, err = to.Pull(t.Context(), name, PullOptions{Platform: ocispec.Platform{OS: "linux", Architecture: "s390x"}})
	if !errors.Is(err, errdefs.ErrNotFound) || !strings.Contains(err.Error(), "linux/s390x") {
		t.Errorf("another platform: %v", err)
	}
}

func TestPushMounts(t *testing.T) {
	t.Parallel()
	host := registry(t, nil)
	s := connected(t)
	a := addImage(t, s, host+"/one/app", "a", 2)
	mustPush(t, s, host+"/one/app")
	if err := s.Tag(t.Context(), host+"/one/app", host+"/two/app"); err != nil {
		t.Fatal(err)
	}
	var ev transfers
	if _, err := s.Push(t.Context(), host+"/two/app", PushOptions{Progress: ev.tell}); err != nil {
		t.Fatal(err)
	}
	ev.must(t, a, progress.Mounted)
}

// TestPullResumes begins with what an earlier pull left when it was killed.
func TestPullResumes(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var ranges []string
	host := registry(t, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if v := r.Header.Get("Range"); v != "" {
				mu.Lock()
				ranges = append(ranges, v)
				mu.Unlock()
			}
			h.ServeHTTP(w, r)
		})
	})
	from, to := connected(t), connected(t)
	a := addImage(t, from, host+"/app", "a", 2)
	mustPush(t, from, host+"/app")
	layer := a.Layers[1].Blob
	whole, err := content.ReadBlob(t.Context(), from.cfg.Content, layer)
	if err != nil {
		t.Fatal(err)
	}
	w, err := to.cfg.Content.Begin(t.Context(), "pull/"+layer.Digest.String())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(whole[:len(whole)/2]); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := to.Pull(t.Context(), host+"/app", PullOptions{}); err != nil {
		t.Fatal(err)
	}
	if len(ranges) != 1 || !strings.HasPrefix(ranges[0], "bytes=") || strings.HasPrefix(ranges[0], "bytes=0-") {
		t.Errorf("ranges asked for: %q, want the second half of one layer", ranges)
	}
	if got, err := content.ReadBlob(t.Context(), to.cfg.Content, layer); err != nil || !bytes.Equal(got, whole) {
		t.Errorf("the resumed layer: %v", err)
	}
}

// TestPullTogether pulls one image by several stores of one root at once.
func TestPullTogether(t *testing.T) {
	t.Parallel()
	host := registry(t, nil)
	from := connected(t)
	a := addImage(t, from, host+"/app", "a", 4)
	mustPush(t, from, host+"/app")
	root := t.TempDir()
	var wg sync.WaitGroup
	errs := make([]error, 6)
	for i := range errs {
		s := openStore(t, root, network(t, root))
		wg.Go(func() { _, errs[i] = s.Pull(t.Context(), host+"/app", PullOptions{}) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	s := openStore(t, root, network(t, root))
	if done, err := s.Collect(t.Context()); err != nil || len(done.Refs) != 0 {
		t.Errorf("left behind: %+v, %v", done, err)
	}
	for _, l := range a.Layers {
		if _, err := content.ReadBlob(t.Context(), s.cfg.Content, l.Blob); err != nil {
			t.Error(err)
		}
	}
}

func TestResolveBringsNoLayers(t *testing.T) {
	t.Parallel()
	host := registry(t, nil)
	from, to := connected(t), connected(t)
	a := addImage(t, from, host+"/base", "a", 2)
	mustPush(t, from, host+"/base")
	lease, err := to.cfg.Content.Lease(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer lease.Release()
	img, err := to.Resolve(t.Context(), host+"/base", ResolveOptions{Hold: lease})
	if err != nil || img.ID != a.ID || holds(to, a.Layers[0].Blob.Digest) {
		t.Fatalf("Resolve = %s, %v; layers here: %v", img.ID, err, holds(to, a.Layers[0].Blob.Digest))
	}
	if done, err := to.Collect(t.Context()); err != nil || len(done.Refs) != 0 {
		t.Errorf("collected %+v, %v under a lease", done, err)
	}
	if err := to.Unpack(t.Context(), img, lease, nil); err != nil || !holds(to, a.Layers[1].Blob.Digest) {
		t.Errorf("Unpack: %v", err)
	}
}

// TestHints: a hint is for the failure and the name that it fits, and for no
// other.
func TestHints(t *testing.T) {
	t.Parallel()
	dead := func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", IsNotFound: true}}
	}
	known := func(host string) string { return map[string]string{"harbor": "harbor:5000"}[host] }
	for _, tc := range []struct {
		name   string
		status int // of every answer; 0 is no network
		body   string
		signed bool
		has    string // of all hints
		login  bool   // is suggested
	}{
		{"harbor/app", 404, "", false, "did you mean harbor:5000/app", false},
		{"harbor/app", 0, "", false, "did you mean harbor:5000/app", false},
		{"harbor/app", 401, "", false, "did you mean harbor:5000/app", false},
		{"harbor/team/app", 403, "", false, "did you mean harbor:5000/team/app", false},
		{"lemonbar/centos6-ssh", 404, "", false, "", false},
		{"lemonbar/centos6-ssh", 0, "", false, "", false},
		{"lemonbar/centos6-ssh", 401, "", false, "not for everybody", true},
		{"lemonbar/centos6-ssh", 401, "", true, "out of date", true},
		{"lemonbar/team/app", 404, "", false, "whose names have two parts", false},
		{"redis", 404, "", false, "", false},
		{"redis", 403, "", true, "ask an administrator", false},
		{"redis", 403, `{"errors":[{"code":"DENIED","message":"quota"}]}`, true, "", false},
		{"redis", 400, "", false, "", false},
		{"h.example/harbor/app", 404, "", false, "", false},
		{"h.example/harbor/app", 403, "", false, "not for everybody", true},
	} {
		cfg := client.Config{RetryFor: -1, Dial: dead, Insecure: []string{"registry-1.docker.io", "h.example"}}
		if tc.status != 0 {
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/v2/" {
					w.WriteHeader(tc.status)
					_, _ = w.Write([]byte(tc.body))
				}
			}))
			defer srv.Close()
			cfg.Dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
				return (&net.Dialer{}).DialContext(ctx, network, srv.Listener.Addr().String())
			}
		}
		if tc.signed {
			cfg.Keychain = anybody{}
		}
		c, err := client.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		s := newStore(t, func(cfg *Config) {
			cfg.Registry, cfg.Known = func() (remote.Registries, error) { return linked.Of(c), nil }, known
		})
		_, err = s.Pull(t.Context(), tc.name, PullOptions{})
		if err == nil || !strings.Contains(err.Error(), tc.has) {
			t.Errorf("%s, %d: %v\nwant %q", tc.name, tc.status, err, tc.has)
			continue
		}
		for _, hint := range []string{"did you mean", "two parts", "not for everybody", "out of date", "administrator", ":443"} {
			if strings.Contains(err.Error(), hint) && (tc.has == "" || !strings.Contains(tc.has, hint)) && !strings.Contains(hint, tc.has) {
				t.Errorf("%s, %d: %v\nhas the hint %q", tc.name, tc.status, err, hint)
			}
		}
		if sug, _ := errdefs.SuggestionFor(err); (sug.Do == errdefs.Login) != tc.login {
			t.Errorf("%s, %d: %v suggests %+v", tc.name, tc.status, err, sug)
		}
	}
}

type anybody struct{}

func (anybody) Credentials(context.Context, string) (credentials.Credentials, error) {
	return credentials.Credentials{Username: "u", Password: "p"}, nil
}
