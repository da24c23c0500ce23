package distributiontest

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/content/memstore"
	"cove/distribution"
	"cove/distribution/client"
	"cove/distribution/copy"
	"cove/distribution/progress"
	"cove/distribution/server"
)

// Serve serves reg on a loopback port until the test ends and returns
// HOST:PORT. Every request is ctx's caller, who may do everything.
func Serve(t testing.TB, ctx context.Context, reg distribution.Registry) string {
	t.Helper()
	return Listen(t, Handler(t, ctx, reg))
}

// Handler is the server's end over reg, as Serve has it.
func Handler(t testing.TB, ctx context.Context, reg distribution.Registry) http.Handler {
	t.Helper()
	h, err := server.New(server.Config{Registry: reg, Authorizer: fixedCaller{ctx}})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// Listen serves h on a loopback port until the test ends.
func Listen(t testing.TB, h http.Handler) string {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return strings.TrimPrefix(srv.URL, "http://")
}

type fixedCaller struct {
	ctx context.Context //nolint:containedctx // carries the caller into each request
}

func (f fixedCaller) Authorize(*http.Request, ...distribution.Access) (context.Context, error) {
	return f.ctx, nil
}

func (fixedCaller) Challenge(*http.Request, ...distribution.Access) string { return "" }

// NewClient returns a client that reads no file of this machine.
func NewClient(t testing.TB, cfg client.Config) *client.Client {
	t.Helper()
	if cfg.CertsDirs == nil {
		cfg.CertsDirs = []string{}
	}
	c, err := client.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// Store returns a content store in memory with these bytes in it.
func Store(t testing.TB, blobs ...[]byte) content.Store {
	t.Helper()
	store := memstore.New(time.Now)
	for _, b := range blobs {
		if _, err := content.WriteBytes(t.Context(), store, ocispec.Descriptor{}, b); err != nil {
			t.Fatal(err)
		}
	}
	return store
}

// StoreOf is Store with everything of these images.
func StoreOf(t testing.TB, images ...Image) content.Store {
	t.Helper()
	var all [][]byte
	for _, img := range images {
		all = append(all, img.Manifest.Body)
		for _, b := range img.Blobs {
			all = append(all, b)
		}
	}
	return Store(t, all...)
}

// To is where a test pushes to.
func To(repo *client.Repository, opts client.PushOptions) Target { return Target{repo, opts} }

// Target is a repository, and how a test pushes to it.
type Target struct {
	repo *client.Repository
	opts client.PushOptions
}

// Push copies desc, with all below it, from src, one blob after the other.
func (to Target) Push(ctx context.Context, tag string, desc ocispec.Descriptor, src content.Provider) error {
	_, err := copy.Copy(ctx, &copy.Remote{Repo: to.repo}, provider{src}, desc.Digest.String(), copy.Options{
		Tag: tag, MountFrom: to.opts.MountFrom, Parallel: 1,
		Progress: func(e progress.Event) {
			if e.Kind != progress.Waiting && e.Kind != progress.Resolved {
				to.opts.Progress.Tell(e)
			}
		},
	})
	return err
}

// provider is a source of whatever can be opened, by digest.
type provider struct{ content.Provider }

func (p provider) Resolve(ctx context.Context, ref string) (distribution.Manifest, error) {
	desc := ocispec.Descriptor{Digest: digest.Digest(ref)}
	body, err := content.ReadBlob(ctx, p, desc)
	return distribution.Manifest{Descriptor: desc, Body: body}, err
}

func (provider) Referrers(context.Context, digest.Digest) ([]ocispec.Descriptor, error) {
	return nil, nil
}

// testHTTP goes the whole road through both ends: an index of two images is
// pushed, listed, pulled, pushed again, mounted elsewhere and deleted.
func testHTTP(t *testing.T, s Subject) {
	host := Serve(t, s.Context, s.Registry)
	c := NewClient(t, client.Config{RetryFor: -1})
	ctx := t.Context()
	a, b := NewImage(t, 100, 9<<20, 1000), NewImage(t, 200, 1000, 0)
	index := Index(t, a.Manifest.Descriptor, b.Manifest.Descriptor)
	src := StoreOf(t, a, b)
	if _, err := content.WriteBytes(ctx, src, index.Descriptor, index.Body); err != nil {
		t.Fatal(err)
	}
	repo := c.Repository(host, "suite/road")
	if err := To(repo, client.PushOptions{}).Push(ctx, "v1", index.Descriptor, src); err != nil {
		t.Fatalf("Push: %v", err)
	}
	desc, body, err := repo.Resolve(ctx, "v1")
	if err != nil || desc.Digest != index.Descriptor.Digest || !bytes.Equal(body, index.Body) {
		t.Fatalf("Resolve = %+v, %v", desc, err)
	}
	if got, err := repo.Stat(ctx, "v1"); err != nil || got.Digest != desc.Digest || got.Size != desc.Size ||
		got.MediaType != desc.MediaType {
		t.Errorf("Stat = %+v, %v", got, err)
	}
	dst := memstore.New(time.Now)
	for _, img := range []Image{a, b} {
		if body, err := repo.Manifest(ctx, img.Manifest.Descriptor); err != nil ||
			!bytes.Equal(body, img.Manifest.Body) {
			t.Errorf("Manifest: %v", err)
		}
		for _, desc := range append(img.Layers, img.Config) {
			if err := repo.FetchBlob(ctx, dst, desc, nil); err != nil {
				t.Fatalf("FetchBlob: %v", err)
			}
		}
		for dgst, want := range img.Blobs {
			if got, err := content.ReadBlob(ctx, dst, ocispec.Descriptor{Digest: dgst}); err != nil ||
				!bytes.Equal(got, want) {
				t.Errorf("blob %s came back as %d bytes, %v", dgst, len(got), err)
			}
		}
	}
	testHTTPAgain(t, c, host, index, src)
	if tags, err := repo.Tags(ctx); err != nil || !slices.Equal(tags, []string{"v1"}) {
		t.Errorf("Tags = %q, %v", tags, err)
	}
	if repos, err := c.Catalog(ctx, host); err != nil || !slices.Equal(repos, []string{"suite/mounted", "suite/road"}) {
		t.Errorf("Catalog = %q, %v", repos, err)
	}
	if err := repo.Delete(ctx, desc.Digest.String()); err != nil {
		t.Errorf("Delete: %v", err)
	}
	if _, _, err := repo.Resolve(ctx, "v1"); err == nil {
		t.Error("Resolve after Delete finds it")
	}
}

// testHTTPAgain pushes what is there already: no byte may move.
func testHTTPAgain(t *testing.T, c *client.Client, host string, m distribution.Manifest, src content.Store) {
	t.Helper()
	for repo, want := range map[string]progress.Kind{
		"suite/road":    progress.AlreadyExists,
		"suite/mounted": progress.Mounted,
	} {
		events := make(chan progress.Event, 1000)
		err := To(c.Repository(host, repo), client.PushOptions{
			MountFrom: []string{"suite/road"}, Progress: func(e progress.Event) { events <- e },
		}).Push(t.Context(), "v1", m.Descriptor, src)
		if err != nil {
			t.Fatalf("Push again: %v", err)
		}
		close(events)
		for e := range events {
			if e.Kind != want && e.Desc.MediaType != ocispec.MediaTypeImageManifest &&
				e.Desc.MediaType != ocispec.MediaTypeImageIndex {
				t.Errorf("%s: event %d for %s, want %d alone", repo, e.Kind, e.Desc.MediaType, want)
			}
		}
	}
}

// exchange is one request of the table and what has to come back.
type exchange struct {
	name   string
	method string
	path   string // LOCATION is the last answer's
	body   string
	header []string // alternating
	status int
	want   []string // headers, alternating; "" means absent
	in     string   // contained in the body
}

// roundTrip sends x to host and checks the answer.
func (x exchange) roundTrip(t *testing.T, host, location string) *http.Response {
	t.Helper()
	path := strings.Replace(x.path, "LOCATION", location, 1)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, x.method, "http://"+host+path, strings.NewReader(x.body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(x.header); i += 2 {
		req.Header.Set(x.header[i], x.header[i+1])
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != x.status {
		t.Errorf("status %d, want %d: %s", resp.StatusCode, x.status, body)
	}
	for i := 0; i+1 < len(x.want); i += 2 {
		if got := resp.Header.Get(x.want[i]); got != x.want[i+1] {
			t.Errorf("%s is %q, want %q", x.want[i], got, x.want[i+1])
		}
	}
	if !bytes.Contains(body, []byte(x.in)) {
		t.Errorf("body %q, want %q in it", body, x.in)
	}
	if got := resp.Header.Get("Docker-Distribution-Api-Version"); got != "registry/2.0" {
		t.Errorf("Docker-Distribution-Api-Version is %q", got)
	}
	if l := resp.Header.Get("Location"); l != "" && !strings.HasPrefix(l, "/v2/suite/") {
		t.Errorf("Location %q is more than a path", l)
	}
	return resp
}

func quoted(d digest.Digest) string { return `"` + d.String() + `"` }
