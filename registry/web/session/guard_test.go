package session_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"cove/errdefs"
	"cove/registry/web/session"
)

func guard(t *testing.T, externalURL string) *session.Guard {
	t.Helper()
	g, err := session.NewGuard(externalURL)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// TestGuard sends a form as a browser does, and as other sites make it.
func TestGuard(t *testing.T) {
	t.Parallel()
	g := guard(t, "")
	seen := httptest.NewRequest("GET", "http://registry.test/page", nil)
	g.Use(seen, "the session")
	token := g.FormToken(httptest.NewRecorder(), seen)
	stranger := httptest.NewRequest("GET", "http://registry.test/page", nil)
	g.Use(stranger, "another session")
	for name, tc := range map[string]struct {
		token, origin, site string
		cookie              bool
		want                bool
	}{
		"ours":                        {token, "http://registry.test", "same-origin", true, true},
		"ours, of an old browser":     {token, "http://registry.test", "", true, true},
		"ours, by its header alone":   {token, "", "", true, true},
		"without a token":             {"", "http://registry.test", "same-origin", true, false},
		"with another's token":        {g.FormToken(httptest.NewRecorder(), stranger), "", "same-origin", true, false},
		"with a token that is bent":   {token[:len(token)-1] + "A", "", "same-origin", true, token[len(token)-1] == 'A'},
		"with the secret as token":    {"the session", "", "same-origin", true, false},
		"without a cookie":            {token, "http://registry.test", "same-origin", false, false},
		"of another site":             {token, "https://evil.example", "cross-site", true, false},
		"of another site, no fetch":   {token, "https://evil.example", "", true, false},
		"of a sibling":                {token, "http://other.registry.test", "same-site", true, false},
		"of a page without an origin": {token, "null", "", true, false},
	} {
		r := httptest.NewRequest("POST", "http://registry.test/page", nil)
		if tc.cookie {
			g.Use(r, "the session")
		}
		r.PostForm = url.Values{session.FormField: {tc.token}}
		for header, value := range map[string]string{"Origin": tc.origin, "Sec-Fetch-Site": tc.site} {
			if value != "" {
				r.Header.Set(header, value)
			}
		}
		if err := g.Check(r); (err == nil) != tc.want || err != nil && !errors.Is(err, errdefs.ErrDenied) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFormTokenDiffersEachTime(t *testing.T) {
	t.Parallel()
	g := guard(t, "")
	r := httptest.NewRequest("GET", "http://registry.test/", nil)
	g.Use(r, "the session")
	first, second := g.FormToken(httptest.NewRecorder(), r), g.FormToken(httptest.NewRecorder(), r)
	if first == second {
		t.Error("the length of compressed answers would tell it")
	}
}

func TestCookies(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		externalURL, name string
		secure            bool
	}{{"", "cove_session", false}, {"http://hub.example", "cove_session", false}, {"https://hub.example", "__Host-cove_session", true}} {
		g := guard(t, tc.externalURL)
		w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "http://registry.test/", nil)
		g.Keep(w, r, "secret")
		c := w.Result().Cookies()[0]
		if c.Name != tc.name || c.Value != "secret" || c.Secure != tc.secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode ||
			c.Path != "/" || c.Domain != "" || c.MaxAge != 0 {
			t.Errorf("%q: %+v", tc.externalURL, c)
		}
		r.AddCookie(c)
		if g.Token(r) != "secret" {
			t.Errorf("%q: it is not read back", tc.externalURL)
		}
		w = httptest.NewRecorder()
		if g.Forget(w, r); w.Result().Cookies()[0].MaxAge >= 0 {
			t.Error("not forgotten")
		}
	}
	if _, err := session.NewGuard("https://hub.example/path"); err == nil {
		t.Error("an origin with a path was taken")
	}
}

func TestSeal(t *testing.T) {
	t.Parallel()
	g := guard(t, "")
	r := httptest.NewRequest("GET", "http://registry.test/", nil)
	g.Use(r, "the session")
	sealed := g.Seal(r, "deleted")
	if text, ok := g.Open(r, sealed); !ok || text != "deleted" {
		t.Errorf("%q %v", text, ok)
	}
	for _, bent := range []string{"", "x", sealed[:40], sealed + "AAAA", "A" + sealed[1:]} {
		if text, ok := g.Open(r, bent); ok && bent != sealed {
			t.Errorf("%q opens as %q", bent, text)
		}
	}
	g.Use(r, "another session")
	if _, ok := g.Open(r, sealed); ok {
		t.Error("it opens in another session")
	}
	r.Header.Del("Cookie")
	if _, ok := g.Open(r, g.Seal(r, "x")); ok {
		t.Error("it opens without a session")
	}
}
