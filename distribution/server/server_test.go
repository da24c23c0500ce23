package server_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content/fsstore"
	"cove/distribution"
	"cove/distribution/distributiontest"
	"cove/distribution/errcode"
	"cove/distribution/server"
	"cove/errdefs"
)

// files is a registry over files, so that a test can spoil them.
type files struct {
	root string
	reg  *distributiontest.Memory
	host string
	cfg  server.Config

	mu     sync.Mutex
	errors []int
}

func serveFiles(t *testing.T, change func(*server.Config)) *files {
	t.Helper()
	f := &files{root: t.TempDir()}
	store, err := fsstore.Open(f.root, fsstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	f.reg = distributiontest.NewMemory(store)
	cfg := server.Config{Registry: f.reg, Authorizer: server.AllowAll{}, OnError: func(_ *http.Request, status int, _ error) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.errors = append(f.errors, status)
	}}
	if change != nil {
		change(&cfg)
	}
	f.cfg = cfg
	f.restart(t)
	return f
}

// restart serves the same files by a handler that remembers nothing.
func (f *files) restart(t *testing.T) {
	t.Helper()
	h, err := server.New(f.cfg)
	if err != nil {
		t.Fatal(err)
	}
	f.host = distributiontest.Listen(t, h)
}

func (f *files) do(t *testing.T, method, path string, body []byte, header ...string) (*http.Response, []byte, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+f.host+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	return resp, got, err
}

func (f *files) push(t *testing.T, b []byte) (path string, dgst digest.Digest) {
	t.Helper()
	dgst = digest.FromBytes(b)
	resp, body, err := f.do(t, "POST", "/v2/x/y/blobs/uploads/?digest="+dgst.String(), b)
	if err != nil || resp.StatusCode != 201 {
		t.Fatalf("push: %v %s %v", resp, body, err)
	}
	return "/v2/x/y/blobs/" + dgst.String(), dgst
}

// spoil changes the stored bytes and keeps their number and modification time.
func (f *files) spoil(t *testing.T, dgst digest.Digest, change func([]byte) []byte) {
	t.Helper()
	path := filepath.Join(f.root, "blobs", dgst.Algorithm().String(), dgst.Encoded())
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	// ctime ticks with the kernel's clock: let it move on.
	time.Sleep(20 * time.Millisecond)
	if err := os.WriteFile(path, change(b), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
}

// TestNeverCompleteAndWrong spoils blobs of many sizes in many ways, before
// and after the server has seen them right: no answer may be complete.
func TestNeverCompleteAndWrong(t *testing.T) {
	t.Parallel()
	flip := func(at func(n int) int) func([]byte) []byte {
		return func(b []byte) []byte { b[at(len(b))] ^= 0x40; return b }
	}
	cases := 0
	for how, change := range map[string]func([]byte) []byte{
		"first byte":  flip(func(int) int { return 0 }),
		"last byte":   flip(func(n int) int { return n - 1 }),
		"middle byte": flip(func(n int) int { return n / 2 }),
		"cut":         func(b []byte) []byte { return b[:len(b)-1] },
	} {
		for _, size := range []int{1, 2, 511, 32 << 10, 32<<10 + 1, 300_000} {
			for _, seen := range []string{"unseen", "seen", "restarted"} {
				f := serveFiles(t, nil)
				b := distributiontest.Bytes(uint64(size), size)
				path, dgst := f.push(t, b)
				if seen == "seen" {
					if _, got, err := f.do(t, "GET", path, nil); err != nil || !bytes.Equal(got, b) {
						t.Fatalf("before: %d bytes, %v", len(got), err)
					}
				}
				f.spoil(t, dgst, change)
				if seen == "restarted" {
					f.restart(t)
				}
				cases++
				for _, rng := range []string{"", "bytes=0-", "bytes=-1"} {
					resp, got, err := f.do(t, "GET", path, nil, "Range", rng)
					if err == nil && resp.StatusCode < 300 {
						t.Errorf("%s of %d, %s, range %q: %d with %d bytes, complete", how, size, seen, rng, resp.StatusCode, len(got))
					}
				}
			}
		}
	}
	t.Logf("%d blobs spoilt, each asked for in 3 ways", cases)
}

// TestServedRight keeps serving what is right, hashed or not.
func TestServedRight(t *testing.T) {
	t.Parallel()
	now := time.Now()
	var mu sync.Mutex
	f := serveFiles(t, func(c *server.Config) {
		c.Now = func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
		c.VerifyEvery = time.Minute
	})
	b := distributiontest.Bytes(7, 1_000_000)
	path, _ := f.push(t, b)
	for i := range 6 {
		if i == 2 {
			f.restart(t)
		}
		if i == 4 {
			mu.Lock()
			now = now.Add(2 * time.Minute)
			mu.Unlock()
		}
		if _, got, err := f.do(t, "GET", path, nil); err != nil || !bytes.Equal(got, b) {
			t.Fatalf("%d bytes, %v", len(got), err)
		}
		if resp, got, err := f.do(t, "GET", path, nil, "Range", "bytes=10-19"); err != nil || resp.StatusCode != 206 || !bytes.Equal(got, b[10:20]) {
			t.Fatalf("range: %q, %v", got, err)
		}
	}
	if len(f.errors) != 0 {
		t.Errorf("errors %v", f.errors)
	}
}

// TestCutUpload leaves a chunk half sent: what came through is there.
func TestCutUpload(t *testing.T) {
	t.Parallel()
	f := serveFiles(t, nil)
	b := distributiontest.Bytes(8, 400_000)
	resp, _, err := f.do(t, "POST", "/v2/x/y/blobs/uploads/", nil)
	if err != nil {
		t.Fatal(err)
	}
	loc := resp.Header.Get("Location")
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodPatch, "http://"+f.host+loc, &cutReader{bytes.NewReader(b[:300_000]), cancel})
	if err != nil {
		t.Fatal(err)
	}
	req.ContentLength = int64(len(b))
	if resp, err := http.DefaultTransport.RoundTrip(req); err == nil {
		resp.Body.Close()
		t.Fatal("the cut request succeeded")
	}
	var held string
	for range 200 { // until the server has noticed
		resp, _, err = f.do(t, "GET", loc, nil)
		if err != nil {
			t.Fatal(err)
		}
		if held = resp.Header.Get("Range"); resp.StatusCode == 204 && held != "0-0" {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	end, err := strconv.Atoi(strings.TrimPrefix(held, "0-"))
	if err != nil || end < 100_000 || end >= 300_000 {
		t.Fatalf("the upload holds %q after 300,000 bytes", held)
	}
	resp, body, err := f.do(t, "PUT", loc+"?digest="+digest.FromBytes(b).String(), b[end+1:])
	if err != nil || resp.StatusCode != 201 {
		t.Fatalf("the rest: %v %s %v", resp, body, err)
	}
}

// cutReader gives what it has and then pulls the plug.
type cutReader struct {
	*bytes.Reader
	cancel func()
}

func (c *cutReader) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		time.Sleep(50 * time.Millisecond) // let it arrive
		c.cancel()
		time.Sleep(time.Second)
	}
	return n, err
}

// broken fails in every way that a registry may, and more.
type broken struct {
	distribution.Registry
	err error
}

func (b broken) StatBlob(context.Context, string, digest.Digest) (d ocispec.Descriptor, err error) {
	return d, b.err
}

func (b broken) PutManifest(context.Context, string, distribution.Manifest, ...string) (digest.Digest, error) {
	return "", b.err
}

// rotten has a manifest whose bytes went bad.
type rotten struct{ distribution.Registry }

func (rotten) GetTag(context.Context, string, string) (distribution.Manifest, error) {
	return distribution.Manifest{Descriptor: ocispec.Descriptor{Digest: digest.FromString("{}")}, Body: []byte("{ }")}, nil
}

func TestRottenManifest(t *testing.T) {
	t.Parallel()
	h, err := server.New(server.Config{Registry: rotten{}, Authorizer: server.AllowAll{}})
	if err != nil {
		t.Fatal(err)
	}
	f := &files{host: distributiontest.Listen(t, h)}
	resp, body, err := f.do(t, "GET", "/v2/x/y/manifests/v1", nil)
	if err != nil || resp.StatusCode != 404 || !strings.Contains(string(body), "MANIFEST_UNKNOWN") || resp.Header.Get("Docker-Content-Digest") != "" {
		t.Errorf("%v %s %v", resp, body, err)
	}
}

func TestInternalErrorsStayInside(t *testing.T) {
	t.Parallel()
	var seen error
	h, err := server.New(server.Config{
		Registry:   broken{err: errors.New("open /var/lib/secret: no")},
		Authorizer: server.AllowAll{},
		OnError:    func(_ *http.Request, _ int, err error) { seen = err },
	})
	if err != nil {
		t.Fatal(err)
	}
	f := &files{host: distributiontest.Listen(t, h)}
	img := distributiontest.NewImage(t, 1, 1)
	resp, body, err := f.do(t, "PUT", "/v2/x/y/manifests/v1", img.Manifest.Body)
	if err != nil || resp.StatusCode != 500 || strings.Contains(string(body), "secret") || !strings.Contains(string(body), `"UNKNOWN"`) {
		t.Errorf("%v %s %v", resp, body, err)
	}
	if seen == nil || !strings.Contains(seen.Error(), "secret") {
		t.Errorf("OnError saw %v", seen)
	}
}

// TestMountAsks: without the right to pull from the other repository a mount
// is an upload, and tells nothing.
func TestMountAsks(t *testing.T) {
	t.Parallel()
	f := serveFiles(t, func(c *server.Config) { c.Authorizer = closed("private/repo") })
	b := []byte("private")
	up, err := f.reg.StartUpload(t.Context(), "private/repo")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = up.Write(b)
	if _, err := up.Commit(t.Context(), digest.FromBytes(b)); err != nil {
		t.Fatal(err)
	}
	resp, body, err := f.do(t, "POST", "/v2/x/y/blobs/uploads/?mount="+digest.FromBytes(b).String()+"&from=private/repo", nil)
	if err != nil || resp.StatusCode != 202 || resp.Header.Get("Docker-Content-Digest") != "" {
		t.Errorf("%v %s %v", resp, body, err)
	}
}

// TestMountChallenge: who may pull from the other repository, but not with this
// token, hears of both repositories at once.
func TestMountChallenge(t *testing.T) {
	t.Parallel()
	f := serveFiles(t, func(c *server.Config) { c.Authorizer = narrow("private/repo") })
	resp, body, err := f.do(t, "POST", "/v2/x/y/blobs/uploads/?mount="+digest.FromString("x").String()+"&from=private/repo", nil)
	if err != nil || resp.StatusCode != 401 {
		t.Fatalf("%v %s %v", resp, body, err)
	}
	if got, want := resp.Header.Get("WWW-Authenticate"), "x/y:pull,push private/repo:pull"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// narrow takes tokens for everything but one repository.
type narrow string

func (n narrow) Authorize(r *http.Request, access ...distribution.Access) (context.Context, error) {
	for _, a := range access {
		if a.Repository == string(n) {
			return nil, errdefs.Errorf(errdefs.ErrUnauthenticated, "not with this token")
		}
	}
	return r.Context(), nil
}

func (narrow) Challenge(_ *http.Request, access ...distribution.Access) string {
	var scopes []string
	for _, a := range access {
		var actions []string
		for _, action := range a.Actions {
			actions = append(actions, string(action))
		}
		scopes = append(scopes, a.Repository+":"+strings.Join(actions, ","))
	}
	return strings.Join(scopes, " ")
}

type closed string

func (c closed) Authorize(r *http.Request, access ...distribution.Access) (context.Context, error) {
	for _, a := range access {
		if a.Repository == string(c) {
			return nil, errdefs.Errorf(errdefs.ErrDenied, "no")
		}
	}
	return r.Context(), nil
}

func (closed) Challenge(*http.Request, ...distribution.Access) string { return "" }

// TestKinds drives one handler through every kind of error.
func TestKinds(t *testing.T) {
	t.Parallel()
	for kind, want := range map[error]int{
		errdefs.ErrNotFound: 404, errdefs.ErrInvalid: 400, errdefs.ErrDenied: 403, errdefs.ErrUnavailable: 503,
		errdefs.ErrExhausted: 413, errdefs.ErrConflict: 409, errdefs.ErrUnsupported: 405, errdefs.ErrCorrupt: 404,
		errcode.New(418, errcode.Unknown, "x"): 418,
	} {
		h, err := server.New(server.Config{Registry: broken{err: errdefs.Errorf(kind, "x")}, Authorizer: server.AllowAll{}})
		if err != nil {
			t.Fatal(err)
		}
		f := &files{host: distributiontest.Listen(t, h)}
		resp, body, err := f.do(t, "HEAD", "/v2/x/y/blobs/"+digest.FromString("x").String(), nil)
		if err != nil || resp.StatusCode != want || len(body) != 0 {
			t.Errorf("%v: %d %q %v, want %d", kind, resp.StatusCode, body, err, want)
		}
	}
}
