package server

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"cove/distribution"
	"cove/distribution/auth"
	"cove/errdefs"
)

// TestEveryRouteAsks: a route says what right it needs, and the authorizer is
// asked for exactly that before the registry is touched. The registry here is
// nil inside, so that touching it would panic.
func TestEveryRouteAsks(t *testing.T) {
	t.Parallel()
	parts := strings.NewReplacer("{name}", "team/app", "{reference}", "v1", "{digest}", someDigest, "{upload}", "abc")
	for _, kind := range []error{errdefs.ErrUnauthenticated, errdefs.ErrDenied} {
		a := &recorder{refuse: kind}
		h, err := New(Config{Registry: struct{ distribution.Registry }{}, Authorizer: a})
		if err != nil {
			t.Fatal(err)
		}
		for _, rt := range routes() {
			path := parts.Replace(rt.end.String())
			if strings.ContainsAny(path, "{}") || path == "" {
				t.Errorf("endpoint %d: its path is %q", rt.end, path)
			}
			if rt.actions == nil || rt.handle == nil {
				t.Errorf("%s %s: no access rule, or no handler", rt.method, path)
				continue
			}
			a.asked = nil
			w := httptest.NewRecorder()
			r := httptest.NewRequestWithContext(t.Context(), rt.method, path, nil)
			h.ServeHTTP(w, r)
			want := distribution.Access{Actions: rt.actions}
			if strings.HasPrefix(path, "/v2/team/app/") {
				want.Repository = "team/app"
			}
			if len(a.asked) != 1 || a.asked[0].Repository != want.Repository || !slices.Equal(a.asked[0].Actions, want.Actions) {
				t.Errorf("%s %s asked for %v, want %v", rt.method, path, a.asked, want)
			}
			checkRefusal(t, kind, w.Result())
		}
	}
}

const someDigest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

func checkRefusal(t *testing.T, kind error, resp *http.Response) {
	t.Helper()
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	challenge := resp.Header.Get("WWW-Authenticate")
	switch {
	case errors.Is(kind, errdefs.ErrDenied):
		if resp.StatusCode != 403 || !strings.Contains(string(body), `"DENIED"`) || challenge != "" {
			t.Errorf("denied: %d %s, challenge %q", resp.StatusCode, body, challenge)
		}
	default:
		if resp.StatusCode != 401 || !strings.Contains(string(body), `"UNAUTHORIZED"`) || !strings.HasPrefix(challenge, `Bearer realm="`) {
			t.Errorf("unauthenticated: %d %s, challenge %q", resp.StatusCode, body, challenge)
		}
	}
}

// recorder refuses and notes what it was asked.
type recorder struct {
	refuse error
	only   string // refuse only this repository; "" is all
	asked  []distribution.Access
}

func (a *recorder) Authorize(r *http.Request, access ...distribution.Access) (context.Context, error) {
	a.asked = append(a.asked, access...)
	if a.only != "" && access[0].Repository != a.only {
		return r.Context(), nil
	}
	return nil, errdefs.Errorf(a.refuse, "you may not")
}

func (a *recorder) Challenge(_ *http.Request, access ...distribution.Access) string {
	return auth.BearerChallenge("https://h/token", "h", access...)
}

func TestNewAsksForBoth(t *testing.T) {
	t.Parallel()
	for _, cfg := range []Config{{}, {Authorizer: AllowAll{}}, {Registry: struct{ distribution.Registry }{}}} {
		if _, err := New(cfg); !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("New(%+v): %v", cfg, err)
		}
	}
}
