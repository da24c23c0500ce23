package client_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/content/memstore"
	"cove/distribution/auth"
	"cove/distribution/client"
	"cove/distribution/client/credentials"
	"cove/distribution/distributiontest"
	"cove/errdefs"
)

const (
	user   = "alice"
	secret = "correct-horse"
)

// keychain has alice's password for every host and remembers who was asked
// about.
type keychain struct{}

func (keychain) Credentials(context.Context, string) (credentials.Credentials, error) {
	return credentials.Credentials{Username: user, Password: secret}, nil
}

// thief is a server of another's that writes down every secret it is shown.
type thief struct {
	mu    sync.Mutex
	asked int
	seen  []string
}

func (th *thief) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	th.mu.Lock()
	defer th.mu.Unlock()
	th.asked++
	body, _ := io.ReadAll(r.Body)
	dump := fmt.Sprint(r.Header, r.URL, string(body))
	basic := base64.StdEncoding.EncodeToString([]byte(user + ":" + secret))
	for _, s := range []string{secret, basic, "the-token", "Authorization"} {
		if strings.Contains(dump, s) {
			th.seen = append(th.seen, r.Method+" "+r.URL.String()+" showed "+s)
		}
	}
	w.WriteHeader(http.StatusOK)
	_, _ = io.WriteString(w, "stolen goods")
}

func (th *thief) check(t *testing.T, visited bool) {
	t.Helper()
	th.mu.Lock()
	defer th.mu.Unlock()
	for _, s := range th.seen {
		t.Errorf("credentials left: %s", s)
	}
	if visited && th.asked == 0 {
		t.Error("the other host was never asked, so nothing was tested")
	}
}

// guarded is a registry with tokens, and with a trap.
type guarded struct {
	host   string
	realm  string // "" is its own
	basic  bool
	tokens int
	trap   http.HandlerFunc
}

func (g *guarded) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/token" {
		u, p, _ := r.BasicAuth()
		if u != user || p != secret {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		g.tokens++
		_ = json.NewEncoder(w).Encode(auth.Token{Token: "the-token", ExpiresIn: 300})
		return
	}
	got := r.Header.Get("Authorization")
	u, p, _ := r.BasicAuth()
	if g.basic && (u != user || p != secret) {
		w.Header().Set("WWW-Authenticate", `Basic realm="registry"`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if !g.basic && got != "Bearer the-token" {
		realm := g.realm
		if realm == "" {
			realm = "http://" + g.host + "/token"
		}
		w.Header().Set("WWW-Authenticate", auth.BearerChallenge(realm, "registry"))
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if r.URL.Path == "/v2/" {
		return
	}
	g.trap(w, r)
}

func setTrap(t *testing.T, basic bool, trap func(thiefURL string) http.HandlerFunc) (host string, th *thief, g *guarded) {
	t.Helper()
	th = &thief{}
	thiefHost := distributiontest.Listen(t, th)
	// Another name for the same machine is another host.
	g = &guarded{basic: basic, trap: trap("http://" + strings.Replace(thiefHost, "127.0.0.1", "localhost", 1))}
	g.host = distributiontest.Listen(t, g)
	return g.host, th, g
}

// TestCredentialsStay sends the client elsewhere in every way that the
// protocol has, signed in with Basic and with a token.
func TestCredentialsStay(t *testing.T) {
	t.Parallel()
	blob := distributiontest.Blob("x", []byte("stolen goods"))
	manifest := distributiontest.NewImage(t, 1).Manifest
	redirect := func(to string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, to+r.URL.Path, http.StatusTemporaryRedirect)
		}
	}
	for name, tc := range map[string]struct {
		trap func(to string) http.HandlerFunc
		do   func(ctx context.Context, r *client.Repository) error
	}{
		"blob redirect": {redirect, func(ctx context.Context, r *client.Repository) error {
			return r.FetchBlob(ctx, memstore.New(time.Now), blob, nil)
		}},
		"manifest redirect": {redirect, func(ctx context.Context, r *client.Repository) error {
			_, _, err := r.Resolve(ctx, "v1")
			return ignore(err)
		}},
		"upload location": {
			func(to string) http.HandlerFunc {
				return func(w http.ResponseWriter, r *http.Request) {
					if r.Method == http.MethodHead {
						w.WriteHeader(http.StatusNotFound)
						return
					}
					w.Header().Set("Location", to+"/upload")
					w.WriteHeader(http.StatusAccepted)
				}
			},
			func(ctx context.Context, r *client.Repository) error {
				src := distributiontest.Store(t, []byte("stolen goods"))
				return ignore(r.PushBlob(ctx, blob, src, client.PushOptions{}))
			},
		},
		"put redirect": {redirect, func(ctx context.Context, r *client.Repository) error {
			return ignore(r.PushManifest(ctx, "v1", manifest.Descriptor, manifest.Body))
		}},
		"link": {
			func(to string) http.HandlerFunc {
				return func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Link", "<"+to+`/v2/x/tags/list?last=a>; rel="next"`)
					_, _ = io.WriteString(w, `{"tags":["a"]}`)
				}
			},
			func(ctx context.Context, r *client.Repository) error {
				_, err := r.Tags(ctx)
				return err
			},
		},
	} {
		for _, basic := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/basic=%v", name, basic), func(t *testing.T) {
				t.Parallel()
				host, th, _ := setTrap(t, basic, tc.trap)
				c := distributiontest.NewClient(t, client.Config{Keychain: keychain{}, RetryFor: -1})
				if err := tc.do(t.Context(), c.Repository(host, "team/app")); err != nil {
					t.Errorf("%v", err)
				}
				th.check(t, name != "link")
			})
		}
	}
}

func ignore(error) error { return nil }

// TestRealm: the password goes where the challenge says, so a realm over plain
// HTTP or at an address of the private network is refused.
func TestRealm(t *testing.T) {
	t.Parallel()
	for _, realm := range []string{
		"http://169.254.169.254/latest/meta-data", "http://10.0.0.1/token", "ftp://example.com/token", "file:///etc/passwd",
		"http://token.example.com/token", "", "::",
	} {
		host, th, g := setTrap(t, false, func(string) http.HandlerFunc { return http.NotFound })
		g.realm = realm
		if realm == "" {
			g.realm = " "
		}
		c := distributiontest.NewClient(t, client.Config{Keychain: keychain{}, RetryFor: -1})
		if _, err := c.Repository(host, "team/app").Tags(t.Context()); err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("realm %q: %v", realm, err)
		}
		th.check(t, false)
	}
}

// TestNoToken: a challenge that leads to no token says what is wrong with it.
func TestNoToken(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ challenge, token, want string }{
		"no realm":       {`Bearer service="x"`, "", "names no realm"},
		"a sign-in page": {`Bearer realm="http://%s/token",service="x"`, "<html>Welcome to our network", "instead of a token is no JSON"},
	} {
		var host string
		host = distributiontest.Listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/token" {
				_, _ = io.WriteString(w, tc.token)
				return
			}
			w.Header().Set("WWW-Authenticate", strings.ReplaceAll(tc.challenge, "%s", host))
			w.WriteHeader(http.StatusUnauthorized)
		}))
		c := distributiontest.NewClient(t, client.Config{RetryFor: -1})
		_, err := c.Repository(host, "team/app").Tags(t.Context())
		if err == nil || !strings.Contains(err.Error(), "registry "+host) || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want the registry and %q", name, err, tc.want)
		}
	}
}

// TestTokens uses one token for many requests, and a new one when it expires.
func TestTokens(t *testing.T) {
	t.Parallel()
	host, _, g := setTrap(t, false, func(string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"tags":["a"]}`) }
	})
	c := distributiontest.NewClient(t, client.Config{Keychain: keychain{}})
	for range 5 {
		if _, err := c.Repository(host, "team/app").Tags(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if g.tokens != 1 {
		t.Errorf("%d tokens for five requests", g.tokens)
	}
}

// TestTokenExpires refuses the token at the first attempt of each request that
// has a body, with part of the body already taken: the second attempt has to
// send it from its start.
func TestTokenExpires(t *testing.T) {
	t.Parallel()
	inner := distributiontest.Handler(t, t.Context(), distributiontest.NewMemory(distributiontest.StoreOf(t)))
	var host string
	var mu sync.Mutex
	refused := map[string]bool{}
	host = distributiontest.Listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/token" {
			_ = json.NewEncoder(w).Encode(auth.Token{Token: "the-token", ExpiresIn: 300})
			return
		}
		key := r.Method + r.URL.Path
		mu.Lock()
		refuse := r.Header.Get("Authorization") == "" || r.ContentLength > 0 && !refused[key]
		refused[key] = true
		mu.Unlock()
		if refuse {
			_, _ = io.CopyN(io.Discard, r.Body, 200_000)
			w.Header().Set("WWW-Authenticate", auth.BearerChallenge("http://"+host+"/token", "h"))
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		inner.ServeHTTP(w, r)
	}))
	img := distributiontest.NewImage(t, 1, 1<<20, 9<<20)
	c := distributiontest.NewClient(t, client.Config{Keychain: keychain{}, Parallel: 1})
	repo := c.Repository(host, "team/app")
	if err := distributiontest.To(repo, client.PushOptions{}).Push(t.Context(), "v1", img.Manifest.Descriptor, distributiontest.StoreOf(t, img)); err != nil {
		t.Fatal(err)
	}
	dst := memstore.New(time.Now)
	for _, desc := range img.Layers {
		if err := repo.FetchBlob(t.Context(), dst, desc, nil); err != nil {
			t.Error(err)
		}
	}
}

func TestLogin(t *testing.T) {
	t.Parallel()
	for _, basic := range []bool{true, false} {
		host, _, _ := setTrap(t, basic, func(string) http.HandlerFunc { return http.NotFound })
		c := distributiontest.NewClient(t, client.Config{RetryFor: -1})
		if err := c.Login(t.Context(), host, user, secret); err != nil {
			t.Errorf("basic=%v: %v", basic, err)
		}
		err := c.Login(t.Context(), host, user, "wrong")
		if !errors.Is(err, errdefs.ErrUnauthenticated) || !strings.Contains(err.Error(), "wrong user name or password") || !strings.Contains(err.Error(), host) {
			t.Errorf("basic=%v: wrong password: %v", basic, err)
		}
		if err := c.Ping(t.Context(), host); !errors.Is(err, errdefs.ErrUnauthenticated) {
			t.Errorf("basic=%v: nobody: %v", basic, err)
		}
	}
}

// TestLies serves what does not match what was asked for.
func TestLies(t *testing.T) {
	t.Parallel()
	img := distributiontest.NewImage(t, 1, 100)
	other := distributiontest.NewImage(t, 2, 100).Manifest
	answer := func(body []byte, header ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			for i := 0; i+1 < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			_, _ = w.Write(body)
		}
	}
	oci := ocispec.MediaTypeImageManifest
	for name, tc := range map[string]struct {
		answer http.HandlerFunc
		ref    string
		kind   error
	}{
		"another digest":      {answer(other.Body, "Content-Type", oci), img.Manifest.Descriptor.Digest.String(), errdefs.ErrCorrupt},
		"a lying header":      {answer(other.Body, "Content-Type", oci, "Docker-Content-Digest", img.Manifest.Descriptor.Digest.String()), "v1", errdefs.ErrCorrupt},
		"header and digest":   {answer(other.Body, "Content-Type", oci, "Docker-Content-Digest", other.Descriptor.Digest.String()), img.Manifest.Descriptor.Digest.String(), errdefs.ErrCorrupt},
		"an absurd digest":    {answer(other.Body, "Content-Type", oci, "Docker-Content-Digest", "sha256:../../etc"), "v1", nil},
		"no JSON":             {answer([]byte("<html>"), "Content-Type", oci), "v1", errdefs.ErrInvalid},
		"another type":        {answer(img.Manifest.Body, "Content-Type", ocispec.MediaTypeImageIndex), "v1", errdefs.ErrInvalid},
		"a page":              {answer([]byte("<html>sign in</html>"), "Content-Type", "text/html"), "v1", errdefs.ErrInvalid},
		"something very long": {answer(make([]byte, 5<<20), "Content-Type", oci), "v1", errdefs.ErrInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			host := distributiontest.Listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/v2/" {
					tc.answer(w, r)
				}
			}))
			c := distributiontest.NewClient(t, client.Config{RetryFor: -1})
			_, _, err := c.Repository(host, "team/app").Resolve(t.Context(), tc.ref)
			if tc.kind != nil && !errors.Is(err, tc.kind) {
				t.Errorf("%v, want kind %q", err, tc.kind)
			}
		})
	}
}

// TestCorruptBlob is a registry whose bytes went bad: nothing is kept.
func TestCorruptBlob(t *testing.T) {
	t.Parallel()
	b := distributiontest.Bytes(1, 1000)
	desc := distributiontest.Blob("x", b)
	host := distributiontest.Listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "blobs") {
			bad := append([]byte(nil), b...)
			bad[500] ^= 1
			_, _ = w.Write(bad)
		}
	}))
	dst := memstore.New(time.Now)
	c := distributiontest.NewClient(t, client.Config{})
	err := c.Repository(host, "team/app").FetchBlob(t.Context(), dst, desc, nil)
	if !errors.Is(err, errdefs.ErrCorrupt) || !strings.Contains(err.Error(), desc.Digest.String()) {
		t.Errorf("%v", err)
	}
	if _, err := content.ReadBlob(t.Context(), dst, desc); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("the store has it: %v", err)
	}
}

// shrunken is a store that was damaged: it has every blob, cut short.
type shrunken struct{ *memstore.Store }

func (s shrunken) Stat(ctx context.Context, dgst digest.Digest) (content.Info, error) {
	info, err := s.Store.Stat(ctx, dgst)
	if errors.Is(err, errdefs.ErrNotFound) {
		return content.Info{Digest: dgst, Size: 7}, nil
	}
	return info, err
}

// TestFetchOverDamage: a blob of another size is not taken for the one asked for.
func TestFetchOverDamage(t *testing.T) {
	t.Parallel()
	b := distributiontest.Bytes(1, 1000)
	desc := distributiontest.Blob("x", b)
	host := distributiontest.Listen(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(b) }))
	dst := shrunken{memstore.New(time.Now)}
	c := distributiontest.NewClient(t, client.Config{})
	if err := c.Repository(host, "team/app").FetchBlob(t.Context(), dst, desc, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := content.ReadBlob(t.Context(), dst, desc); err != nil {
		t.Errorf("the damaged blob was not replaced: %v", err)
	}
}

// TestTerminal keeps what a registry says from steering the terminal.
func TestTerminal(t *testing.T) {
	t.Parallel()
	host := distributiontest.Listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v2/" {
			return
		}
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, `{"errors":[{"code":"DENIED","message":"no \u001b[2J\u009b31m\r\nway"}]}`)
	}))
	c := distributiontest.NewClient(t, client.Config{RetryFor: -1})
	_, err := c.Repository(host, "team/app").Tags(t.Context())
	if !errors.Is(err, errdefs.ErrDenied) || strings.ContainsAny(err.Error(), "\x1b\r\n\u009b") || !strings.Contains(err.Error(), "403 from registry "+host+": no ") {
		t.Errorf("%q", err)
	}
}
