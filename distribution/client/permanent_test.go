package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content/memstore"
	"cove/distribution/auth"
	"cove/distribution/client"
	"cove/distribution/distributiontest"
	"cove/errdefs"
)

// farConn looks as if it led to another machine.
type farConn struct{ net.Conn }

func (farConn) RemoteAddr() net.Addr {
	return &net.TCPAddr{IP: net.IPv4(203, 0, 113, 1), Port: 443}
}

// dialFar leads every name to addr; all but those in near look far away.
func dialFar(addr string, near ...string) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, to string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		for _, name := range near {
			if err == nil && strings.HasPrefix(to, name) {
				return conn, nil
			}
		}
		return farConn{conn}, err
	}
}

func drip(w http.ResponseWriter, r *http.Request, b []byte) {
	for i := range b {
		if _, err := w.Write(b[i : i+1]); err != nil {
			return
		}
		_ = http.NewResponseController(w).Flush()
		select {
		case <-r.Context().Done():
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// TestPermanent: what will be no better the second time fails at once, says
// which registry and why, and stores nothing.
func TestPermanent(t *testing.T) {
	t.Parallel()
	body := distributiontest.Bytes(1, 93)
	desc := distributiontest.Blob("x", body)
	manifest := distributiontest.NewImage(t, 1, 100).Manifest
	to := func(where string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", where)
			w.WriteHeader(http.StatusTemporaryRedirect)
		}
	}
	answer := func(status int, b []byte, header ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			for i := 0; i+1 < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(status)
			for _, c := range b { // no Content-Length of itself
				_, _ = w.Write([]byte{c})
				_ = http.NewResponseController(w).Flush()
			}
		}
	}
	sized := func(n int, b []byte) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", strconv.Itoa(n))
			_, _ = w.Write(b)
		}
	}
	longer := append(append([]byte{}, body...), 'x')
	for name, tc := range map[string]struct {
		handler http.HandlerFunc
		desc    ocispec.Descriptor // a blob; none is the manifest
		kind    error
		text    string
	}{
		"to a file":               {to("file:///etc/passwd"), desc, errdefs.ErrDenied, "neither http nor https"},
		"to gopher":               {to("gopher://far.example/x"), desc, errdefs.ErrDenied, "neither http nor https"},
		"to nowhere":              {to("http:///x"), desc, nil, ""},
		"to this machine":         {to("http://127.0.0.1:1/x"), desc, errdefs.ErrDenied, "only this machine reaches"},
		"to localhost":            {to("http://localhost:1/x"), desc, errdefs.ErrDenied, "only this machine reaches"},
		"to ::1":                  {to("http://[::1]:1/x"), desc, errdefs.ErrDenied, "only this machine reaches"},
		"to mapped loopback":      {to("http://[::ffff:127.0.0.1]:1/x"), desc, errdefs.ErrDenied, "only this machine reaches"},
		"to any address":          {to("https://0.0.0.0:1/x"), desc, errdefs.ErrDenied, "only this machine reaches"},
		"to a cloud's metadata":   {to("https://169.254.169.254/latest"), desc, errdefs.ErrDenied, "only this machine reaches"},
		"to a name for loopback":  {to("http://near.example/x"), desc, errdefs.ErrDenied, "only this machine reaches"},
		"to plain HTTP elsewhere": {to("http://clear.example/x"), desc, errdefs.ErrDenied, "refusing to speak plain HTTP to clear.example"},
		"manifest to a file":      {to("file:///etc/passwd"), ocispec.Descriptor{}, errdefs.ErrDenied, "neither http nor https"},
		"manifest to loopback":    {to("http://127.0.0.1:1/x"), ocispec.Descriptor{}, errdefs.ErrDenied, "only this machine reaches"},
		"in circles":              {to("/v2/team/app/blobs/" + desc.Digest.String()), desc, errdefs.ErrInvalid, "from place to place without end"},
		"longer, by its length":   {sized(94, longer), desc, errdefs.ErrCorrupt, "94 bytes there and should have 93"},
		"shorter, by its length":  {sized(92, body[:92]), desc, errdefs.ErrCorrupt, "92 bytes there and should have 93"},
		"longer, piece by piece":  {answer(200, longer), desc, errdefs.ErrCorrupt, "sends more than its 93 bytes"},
		"size 0 over 93 bytes":    {sized(93, body), ocispec.Descriptor{MediaType: "x", Digest: desc.Digest}, errdefs.ErrCorrupt, desc.Digest.String()},
		"wrong bytes":             {sized(93, distributiontest.Bytes(2, 93)), desc, errdefs.ErrCorrupt, desc.Digest.String()},
		"another range": {
			answer(206, body, "Content-Range", "bytes 5-92/93"), desc, errdefs.ErrInvalid, "asked for bytes from 0 on",
		},
		"400":           {answer(400, nil), desc, errdefs.ErrInvalid, "400 from registry"},
		"403":           {answer(403, nil), desc, errdefs.ErrDenied, "403 from registry"},
		"404":           {answer(404, nil), desc, errdefs.ErrNotFound, "404 from registry"},
		"410":           {answer(410, nil), desc, nil, "410 from registry"},
		"451":           {answer(451, nil), desc, nil, "451 from registry"},
		"manifest type": {answer(200, manifest.Body, "Content-Type", "image/png"), ocispec.Descriptor{}, errdefs.ErrInvalid, "image/png"},
		"manifest digest": {
			answer(200, manifest.Body, "Content-Type", ocispec.MediaTypeImageManifest, "Docker-Content-Digest", desc.Digest.String()),
			ocispec.Descriptor{},
			errdefs.ErrCorrupt, "does not match its digest",
		},
		"no HTTP": {
			func(w http.ResponseWriter, _ *http.Request) {
				conn, _, err := http.NewResponseController(w).Hijack()
				if err == nil {
					_, _ = conn.Write([]byte("SSH-2.0-OpenSSH\r\n\r\n"))
					_ = conn.Close()
				}
			}, desc, errdefs.ErrInvalid, "malformed HTTP",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			host := distributiontest.Listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/v2/" {
					tc.handler(w, r)
				}
			}))
			var waits atomic.Int64
			c := distributiontest.NewClient(t, client.Config{
				Dial: dialFar(host, "near.example"), Insecure: []string{"registry.example", "near.example"}, Sleep: quick(&waits),
			})
			repo := c.Repository("registry.example", "team/app")
			dst := memstore.New(time.Now)
			var err error
			if tc.desc.Digest == "" {
				_, _, err = repo.Resolve(t.Context(), "v1")
			} else {
				err = repo.FetchBlob(t.Context(), dst, tc.desc, nil)
			}
			if err == nil || tc.kind != nil && !errors.Is(err, tc.kind) || !strings.Contains(err.Error(), tc.text) {
				t.Errorf("%v\nwant kind %q and %q", err, tc.kind, tc.text)
			}
			if err != nil && !strings.Contains(err.Error(), "registry.example") {
				t.Errorf("%v: does not name the registry", err)
			}
			if errors.Is(err, errdefs.ErrUnavailable) || waits.Load() > 0 {
				t.Errorf("it was tried again %d times: %v", waits.Load(), err)
			}
			if _, err := dst.Stat(t.Context(), desc.Digest); err == nil {
				t.Error("it was stored")
			}
		})
	}
}

// TestRedirectAtHome: a registry on this machine may send us about on it.
func TestRedirectAtHome(t *testing.T) {
	t.Parallel()
	body := distributiontest.Bytes(1, 93)
	other := distributiontest.Listen(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) }))
	host := distributiontest.Listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v2/" {
			http.Redirect(w, r, "http://"+other+"/blob", http.StatusTemporaryRedirect)
		}
	}))
	for _, dial := range []func(context.Context, string, string) (net.Conn, error){
		nil,
		// A name that resolves to this machine is this machine.
		func(ctx context.Context, network, to string) (net.Conn, error) {
			if strings.HasPrefix(to, "registry.example") {
				to = host
			}
			return (&net.Dialer{}).DialContext(ctx, network, to)
		},
	} {
		name := host
		if dial != nil {
			name = "registry.example"
		}
		c := distributiontest.NewClient(t, client.Config{Dial: dial, Insecure: []string{"registry.example"}, RetryFor: -1})
		if err := c.Repository(name, "a").FetchBlob(t.Context(), memstore.New(time.Now), distributiontest.Blob("x", body), nil); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestDrip: an answer that comes byte after byte has an end, wherever in the
// protocol it is.
func TestDrip(t *testing.T) {
	t.Parallel()
	img := distributiontest.NewImage(t, 1, 100)
	long := []byte(strings.Repeat(" ", 4<<20))
	for name, tc := range map[string]struct {
		handler func(host string) http.HandlerFunc
		do      func(ctx context.Context, r *client.Repository) error
	}{
		"manifest": {
			func(string) http.HandlerFunc {
				return func(w http.ResponseWriter, r *http.Request) {
					if r.URL.Path != "/v2/" {
						w.Header().Set("Content-Type", ocispec.MediaTypeImageManifest)
						drip(w, r, long)
					}
				}
			}, func(ctx context.Context, r *client.Repository) error { _, _, err := r.Resolve(ctx, "v1"); return err },
		},
		"tags": {
			func(string) http.HandlerFunc {
				return func(w http.ResponseWriter, r *http.Request) {
					if r.URL.Path != "/v2/" {
						drip(w, r, long)
					}
				}
			}, func(ctx context.Context, r *client.Repository) error { _, err := r.Tags(ctx); return err },
		},
		"error": {
			func(string) http.HandlerFunc {
				return func(w http.ResponseWriter, r *http.Request) {
					if r.URL.Path != "/v2/" {
						w.WriteHeader(http.StatusBadRequest)
						drip(w, r, long)
					}
				}
			}, func(ctx context.Context, r *client.Repository) error { _, _, err := r.Resolve(ctx, "v1"); return err },
		},
		"token": {
			func(host string) http.HandlerFunc {
				return func(w http.ResponseWriter, r *http.Request) {
					if r.URL.Path == "/token" {
						drip(w, r, long)
						return
					}
					w.Header().Set("WWW-Authenticate", auth.BearerChallenge("http://"+host+"/token", "h"))
					w.WriteHeader(http.StatusUnauthorized)
				}
			}, func(ctx context.Context, r *client.Repository) error {
				return r.PushManifest(ctx, "v1", img.Manifest.Descriptor, img.Manifest.Body)
			},
		},
		"a small blob": {
			func(string) http.HandlerFunc {
				return func(w http.ResponseWriter, r *http.Request) {
					if r.URL.Path != "/v2/" {
						drip(w, r, long[:500])
					}
				}
			}, func(ctx context.Context, r *client.Repository) error {
				return r.FetchBlob(ctx, memstore.New(time.Now), distributiontest.Blob("x", long[:500]), nil)
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var handler http.HandlerFunc
			host := distributiontest.Listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler(w, r) }))
			handler = tc.handler(host)
			c := distributiontest.NewClient(t, client.Config{Answer: 300 * time.Millisecond, RetryFor: -1})
			err := tc.do(t.Context(), c.Repository(host, "team/app"))
			if err == nil || !strings.Contains(err.Error(), host) || errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v", err)
			}
			if name != "error" && !strings.Contains(fmt.Sprint(err), "not whole after 300ms") {
				t.Errorf("%v: does not say why", err)
			}
		})
	}
}

// TestBusy: what a registry asks to wait is waited, where it is not too long,
// and a registry that stays broken is given up in the end.
func TestBusy(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		status int
		header string
		times  int64 // that it fails
		text   string
		waits  []time.Duration // at least
	}{
		"busy for a moment":        {429, "7", 2, "", []time.Duration{7 * time.Second, 7 * time.Second}},
		"restarting":               {503, "3", 1, "", []time.Duration{3 * time.Second}},
		"a bad gateway":            {502, "", 3, "", make([]time.Duration, 3)},
		"busy for an hour":         {429, "3600", 1 << 30, "left alone for 1h0m0s", nil},
		"busy for decades":         {503, "Wed, 21 Oct 2026 07:28:00 GMT", 1 << 30, "left alone for 20747 days", nil},
		"broken for good":          {500, "", 1 << 30, "500 from registry", make([]time.Duration, 5)},
		"not implemented, for now": {501, "", 1 << 30, "501 from registry", nil},
	} {
		for _, at := range []string{"/v2/", "/v2/team/app/tags/list", "/token"} {
			t.Run(name+at, func(t *testing.T) {
				t.Parallel()
				now := time.Unix(0, 0)
				var waited []time.Duration
				var failed atomic.Int64
				var host string
				host = distributiontest.Listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.URL.Path == at && failed.Add(1) <= tc.times {
						w.Header().Set("Retry-After", tc.header)
						w.WriteHeader(tc.status)
						return
					}
					switch {
					case r.URL.Path == "/token":
						_, _ = w.Write([]byte(`{"token":"t"}`))
					case r.Header.Get("Authorization") == "":
						w.Header().Set("WWW-Authenticate", auth.BearerChallenge("http://"+host+"/token", "h"))
						w.WriteHeader(http.StatusUnauthorized)
					default:
						_, _ = w.Write([]byte(`{"tags":["a"]}`))
					}
				}))
				var told []string
				c := distributiontest.NewClient(t, client.Config{
					Now:     func() time.Time { return now },
					OnRetry: func(err error, most time.Duration) { told = append(told, fmt.Sprint(err, most)) },
					Sleep: func(_ context.Context, d time.Duration) error {
						waited = append(waited, d)
						now = now.Add(d)
						return nil
					},
				})
				_, err := c.Repository(host, "team/app").Tags(t.Context())
				if tc.text == "" && err != nil || tc.text != "" && (err == nil || !strings.Contains(err.Error(), tc.text)) {
					t.Errorf("%v, want %q", err, tc.text)
				}
				// A long wait is told once; a short one, and one that does not come, never.
				if slow := now.Sub(time.Unix(0, 0)) > 5*time.Second; slow && len(told) != 1 || !slow && len(told) > 1 {
					t.Errorf("told %q in %s", told, now.Sub(time.Unix(0, 0)))
				}
				if len(waited) < len(tc.waits) || tc.waits == nil && len(waited) > 0 || now.Sub(time.Unix(0, 0)) > time.Minute {
					t.Errorf("waited %v, in all %s", waited, now.Sub(time.Unix(0, 0)))
				}
				for i, least := range tc.waits {
					if i < len(waited) && waited[i] < least {
						t.Errorf("waited %v, want at least %v", waited, tc.waits)
					}
				}
			})
		}
	}
}

// TestInsufficientScope asks again with the scope that the registry names,
// whichever status it says so with, and once.
func TestInsufficientScope(t *testing.T) {
	t.Parallel()
	for _, status := range []int{401, 403} {
		for _, greets := range []bool{false, true} { // everybody, at its base
			for _, gives := range []bool{true, false} {
				var host string
				var asked atomic.Int64
				host = distributiontest.Listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					switch {
					case r.URL.Path == "/token":
						scopes := strings.Join(r.URL.Query()["scope"], " ")
						if gives && strings.Contains(scopes, "repository:other:pull") {
							scopes = "enough"
						}
						fmt.Fprintf(w, `{"token":%q}`, scopes)
					case r.URL.Path == "/v2/" && (greets || r.Header.Get("Authorization") != ""):
					case r.Header.Get("Authorization") == "Bearer enough":
						_, _ = w.Write([]byte(`{"tags":["a"]}`))
					default:
						asked.Add(1)
						challenge := auth.BearerChallenge("http://"+host+"/token", "h")
						code := http.StatusUnauthorized
						if r.Header.Get("Authorization") != "" {
							challenge += `,scope="repository:team/app:pull repository:other:pull",error="insufficient_scope"`
							code = status
						}
						w.Header().Set("WWW-Authenticate", challenge)
						w.WriteHeader(code)
					}
				}))
				c := distributiontest.NewClient(t, client.Config{RetryFor: -1})
				_, err := c.Repository(host, "team/app").Tags(t.Context())
				if gives != (err == nil) || asked.Load() > 4 {
					t.Errorf("status %d, greets %v, gives %v: %v after %d refusals", status, greets, gives, err, asked.Load())
				}
			}
		}
	}
}

// TestNoRegistry: a web server's answer to the greeting is not taken for an
// image that is missing.
func TestNoRegistry(t *testing.T) {
	t.Parallel()
	for _, status := range []int{404, 405, 302} {
		host := distributiontest.Listen(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "/login")
			w.WriteHeader(status)
		}))
		c := distributiontest.NewClient(t, client.Config{})
		_, _, err := c.Repository(host, "a").Resolve(t.Context(), "v1")
		if !errors.Is(err, errdefs.ErrUnsupported) || errors.Is(err, errdefs.ErrNotFound) ||
			!strings.Contains(err.Error(), fmt.Sprintf("registry %s: what answers there is no registry: %d to GET /v2/", host, status)) {
			t.Errorf("%d: %v", status, err)
		}
	}
}

// TestShortForGood is a registry that ends a blob early without saying so: it
// is asked for the rest, and then believed.
func TestShortForGood(t *testing.T) {
	t.Parallel()
	body := distributiontest.Bytes(1, 93)
	for _, ranges := range []bool{true, false} {
		var asked atomic.Int64
		host := distributiontest.Listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/v2/" {
				return
			}
			asked.Add(1)
			w.Header().Set("Trailer", "X") // makes it chunked, whatever its size
			if ranges && r.Header.Get("Range") != "" {
				w.Header().Set("Content-Range", "bytes 50-92/93")
				w.WriteHeader(http.StatusPartialContent)
				return
			}
			_, _ = w.Write(body[:50])
			_ = http.NewResponseController(w).Flush()
		}))
		var waits atomic.Int64
		c := distributiontest.NewClient(t, client.Config{Sleep: quick(&waits)})
		err := c.Repository(host, "a").FetchBlob(t.Context(), memstore.New(time.Now), distributiontest.Blob("x", body), nil)
		if !errors.Is(err, errdefs.ErrCorrupt) || !strings.Contains(err.Error(), "only 50 bytes there and should have 93") || asked.Load() != 2 {
			t.Errorf("ranges=%v: %v, after %d requests", ranges, err, asked.Load())
		}
	}
}

// TestListWithoutEnd: a page that points to itself, and pages that are never the
// last, are given up.
func TestListWithoutEnd(t *testing.T) {
	t.Parallel()
	for name, next := range map[string]func(n int64) string{
		"to itself": func(int64) string { return "/v2/a/tags/list?n=1000" },
		"for ever":  func(n int64) string { return fmt.Sprintf("/v2/a/tags/list?last=%d", n) },
	} {
		var asked atomic.Int64
		page := []byte(`{"tags":["` + strings.Repeat("x", 10<<20) + `"]}`)
		host := distributiontest.Listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/v2/" {
				w.Header().Set("Link", "<"+next(asked.Add(1))+`>; rel="next"`)
				_, _ = w.Write(page)
			}
		}))
		c := distributiontest.NewClient(t, client.Config{RetryFor: -1})
		_, err := c.Repository(host, "a").Tags(t.Context())
		if !errors.Is(err, errdefs.ErrExhausted) || asked.Load() > 20 {
			t.Errorf("%s: %v after %d pages", name, err, asked.Load())
		}
	}
}

// TestUploadOutlivesARestart: a registry that goes down in the middle of an
// upload, and comes back at the same address with its uploads and with keys of
// its own for tokens, is sent only the rest.
func TestUploadOutlivesARestart(t *testing.T) {
	t.Parallel()
	img := distributiontest.NewImage(t, 9, 20<<20)
	reg := distributiontest.NewMemory(distributiontest.StoreOf(t))
	inner := &counting{Handler: distributiontest.Handler(t, t.Context(), reg)}
	var host string
	var life atomic.Int64
	var down atomic.Int64 // answers to give while it is away
	host = distributiontest.Listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token := fmt.Sprintf("token-%d", life.Load())
		switch {
		case down.Load() > 0:
			down.Add(-1)
			w.WriteHeader(http.StatusBadGateway)
		case r.URL.Path == "/token":
			fmt.Fprintf(w, `{"token":%q}`, token)
		case r.Header.Get("Authorization") != "Bearer "+token:
			w.Header().Set("WWW-Authenticate", auth.BearerChallenge("http://"+host+"/token", "h")+`,error="invalid_token"`)
			w.WriteHeader(http.StatusUnauthorized)
		case r.Method == http.MethodPatch && life.CompareAndSwap(0, 1):
			r.Body = struct {
				io.Reader
				io.Closer
			}{io.LimitReader(r.Body, 12<<20), r.Body}
			r.ContentLength = 12 << 20
			r.Header.Del("Content-Range")
			inner.ServeHTTP(discard{w}, r)
			down.Store(3)
			panic(http.ErrAbortHandler) // its answer never arrives
		default:
			inner.ServeHTTP(w, r)
		}
	}))
	var waits atomic.Int64
	c := distributiontest.NewClient(t, client.Config{Sleep: quick(&waits)})
	repo := c.Repository(host, "team/app")
	err := distributiontest.To(repo, client.PushOptions{}).Push(t.Context(), "v1", img.Manifest.Descriptor, distributiontest.StoreOf(t, img))
	if err != nil || life.Load() != 1 || waits.Load() == 0 {
		t.Fatalf("%v; %d restarts, %d waits", err, life.Load(), waits.Load())
	}
	if sent := inner.received.Load(); sent > 21<<20 {
		t.Errorf("%d bytes were sent for 20 MiB", sent)
	}
}

// discard is an answer that goes nowhere.
type discard struct{ http.ResponseWriter }

func (discard) Header() http.Header         { return http.Header{} }
func (discard) WriteHeader(int)             {}
func (discard) Write(p []byte) (int, error) { return len(p), nil }

func TestNothingIsABlob(t *testing.T) {
	t.Parallel()
	desc := ocispec.Descriptor{MediaType: "x", Digest: digest.FromBytes(nil)}
	c := distributiontest.NewClient(t, client.Config{RetryFor: -1})
	if err := c.Repository("localhost:1", "a").FetchBlob(t.Context(), memstore.New(time.Now), desc, nil); err != nil {
		t.Error(err)
	}
}
