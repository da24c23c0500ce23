package client_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cove/content/memstore"
	"cove/distribution/client"
	"cove/distribution/client/credentials"
	"cove/distribution/distributiontest"
	"cove/errdefs"
)

// dialTo connects to addr whatever is asked for.
func dialTo(addr string) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, addr)
	}
}

// TestMirrors reads from the first mirror that has it: a dead one is asked
// once, one that lacks it falls through, and writes go to the registry.
func TestMirrors(t *testing.T) {
	t.Parallel()
	img := distributiontest.NewImage(t, 1, 1000, 2000)
	var mu sync.Mutex
	asked := map[string]int{}
	serve := func(name string, withImage bool) string {
		reg := distributiontest.NewMemory(distributiontest.StoreOf(t))
		h := distributiontest.Handler(t, t.Context(), reg)
		host := distributiontest.Listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			asked[name+" "+r.Method]++
			mu.Unlock()
			h.ServeHTTP(w, r)
		}))
		if withImage {
			push(t, host, "team/app", img)
		}
		return host
	}
	empty, full, origin := serve("empty", false), serve("full", true), serve("origin", true)
	dead, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead.Close()
	clear(asked)
	dials := 0
	c := distributiontest.NewClient(t, client.Config{
		Mirrors: map[string][]string{origin: {"http://" + dead.Addr().String(), "http://" + empty + "/", "http://" + full}},
		Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
			mu.Lock()
			if addr == dead.Addr().String() {
				dials++
			}
			mu.Unlock()
			return (&net.Dialer{}).DialContext(ctx, network, addr)
		},
	})
	repo := c.Repository(origin, "team/app")
	if _, _, err := repo.Resolve(t.Context(), "v1"); err != nil {
		t.Fatal(err)
	}
	dst := memstore.New(time.Now)
	for _, desc := range img.Layers {
		if err := repo.FetchBlob(t.Context(), dst, desc, nil); err != nil {
			t.Fatal(err)
		}
	}
	if dials != 1 {
		t.Errorf("the dead mirror was dialled %d times", dials)
	}
	if asked["origin GET"] != 0 || asked["full GET"] == 0 || asked["empty GET"] == 0 {
		t.Errorf("asked %v", asked)
	}
	if _, _, err := repo.Resolve(t.Context(), "v2"); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("what nobody has: %v", err)
	}
	other := distributiontest.NewImage(t, 2, 500)
	if err := distributiontest.To(repo, client.PushOptions{}).Push(t.Context(), "v2", other.Manifest.Descriptor, distributiontest.StoreOf(t, other)); err != nil {
		t.Fatal(err)
	}
	if asked["full PUT"]+asked["empty PUT"]+asked["empty POST"] != 0 {
		t.Errorf("a mirror was written to: %v", asked)
	}
}

// TestMirrorInTheClear: "http://" before a mirror is asking for plain HTTP by
// name; without it, or elsewhere, it is not spoken.
func TestMirrorInTheClear(t *testing.T) {
	t.Parallel()
	img := distributiontest.NewImage(t, 1, 1000)
	host := distributiontest.Serve(t, t.Context(), distributiontest.NewMemory(distributiontest.StoreOf(t)))
	push(t, host, "team/app", img)
	for mirror, works := range map[string]bool{"http://mirror.example:5000": true, "mirror.example:5000": false, "https://mirror.example:5000": false} {
		c := distributiontest.NewClient(t, client.Config{
			RetryFor: -1, Mirrors: map[string][]string{"registry.example": {mirror}}, Dial: dialTo(host),
		})
		_, _, err := c.Repository("registry.example", "team/app").Resolve(t.Context(), "v1")
		if works != (err == nil) {
			t.Errorf("%s: %v", mirror, err)
		}
	}
}

func TestBadMirrors(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"", "ftp://x", "https://user:pw@x", "https://"} {
		if _, err := client.New(client.Config{Mirrors: map[string][]string{"docker.io": {bad}}}); !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("mirror %q: %v", bad, err)
		}
	}
}

// TestMirrorThatFails: a mirror that is there and does not work, in whatever
// way, costs no waiting, and the registry is asked instead.
func TestMirrorThatFails(t *testing.T) {
	t.Parallel()
	img := distributiontest.NewImage(t, 1, 300_000)
	reg := distributiontest.NewMemory(distributiontest.StoreOf(t))
	origin := distributiontest.Serve(t, t.Context(), reg)
	push(t, origin, "team/app", img)
	whole := distributiontest.Handler(t, t.Context(), reg)
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/v2/" {
				w.Header().Set("Retry-After", "30")
				w.WriteHeader(code)
			}
		}
	}
	for name, mirror := range map[string]http.HandlerFunc{
		"its upstream is down": status(http.StatusBadGateway),
		"it is busy":           status(http.StatusTooManyRequests),
		"it wants a sign-in":   status(http.StatusUnauthorized),
		"it forbids":           status(http.StatusForbidden),
		"nothing but a page": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = w.Write([]byte("<html>welcome</html>"))
		},
		"it is down from the start": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) },
		"it cuts every blob": func(w http.ResponseWriter, r *http.Request) {
			if strings.Contains(r.URL.Path, "/blobs/") {
				w.Header().Set("Content-Length", "300000")
				_, _ = w.Write(img.Blobs[img.Layers[0].Digest][:1000])
				panic(http.ErrAbortHandler)
			}
			whole.ServeHTTP(w, r)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			host := distributiontest.Listen(t, mirror)
			c := distributiontest.NewClient(t, client.Config{
				Mirrors: map[string][]string{origin: {"http://" + host}},
				Sleep: func(context.Context, time.Duration) error {
					return errors.New("it waited for a mirror")
				},
			})
			repo := c.Repository(origin, "team/app")
			desc, _, err := repo.Resolve(t.Context(), "v1")
			if err != nil || desc.Digest != img.Manifest.Descriptor.Digest {
				t.Errorf("%v, %v", desc.Digest, err)
			}
			if err := repo.FetchBlob(t.Context(), memstore.New(time.Now), img.Layers[0], nil); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestMirrorSignIn: a mirror gets its own credentials and never the
// registry's.
func TestMirrorSignIn(t *testing.T) {
	t.Parallel()
	img := distributiontest.NewImage(t, 1, 1000)
	reg := distributiontest.NewMemory(distributiontest.StoreOf(t))
	origin := distributiontest.Serve(t, t.Context(), reg)
	push(t, origin, "team/app", img)
	inner := distributiontest.Handler(t, t.Context(), reg)
	var asked atomic.Int64
	host := distributiontest.Listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u, p, ok := r.BasicAuth()
		if ok && u+p != "mirrorpw" {
			t.Errorf("the mirror was shown %s", u)
		}
		if !ok {
			w.Header().Set("WWW-Authenticate", `Basic realm="mirror"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		asked.Add(1)
		inner.ServeHTTP(w, r)
	}))
	c := distributiontest.NewClient(t, client.Config{
		Mirrors:  map[string][]string{origin: {"http://" + host}},
		Keychain: byHost{host: {Username: "mirror", Password: "pw"}, origin: {Username: "origin", Password: "pw"}},
	})
	if _, _, err := c.Repository(origin, "team/app").Resolve(t.Context(), "v1"); err != nil || asked.Load() == 0 {
		t.Errorf("%d answers of the mirror, %v", asked.Load(), err)
	}
}

type byHost map[string]credentials.Credentials

func (k byHost) Credentials(_ context.Context, host string) (credentials.Credentials, error) {
	return k[host], nil
}
