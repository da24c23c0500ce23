package edge

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"cove/errdefs"
	"cove/internal/strictyaml"
)

// TestCORS asks as browsers do, from origins that may and that may not.
func TestCORS(t *testing.T) {
	t.Parallel()
	named := CORS{Origins: []string{"https://ui.example.com", "http://localhost:8080"}}
	trusted := CORS{Origins: named.Origins, Credentials: true, MaxAge: strictyaml.Duration(time.Hour)}
	all := CORS{Origins: []string{"*"}}
	for _, tc := range []struct {
		name                 string
		cors                 CORS
		method, path, origin string
		preflight            bool
		status               int
		allow                string
		credentials          bool
	}{
		{"no setting", CORS{}, "GET", "/v2/", "https://ui.example.com", false, 200, "", false},
		{"no setting, preflight", CORS{}, "OPTIONS", "/v2/", "https://ui.example.com", true, 200, "", false},
		{"named", named, "GET", "/v2/", "https://ui.example.com", false, 200, "https://ui.example.com", false},
		{"named, preflight", named, "OPTIONS", "/v2/a/b/manifests/v1", "http://localhost:8080", true, 204, "http://localhost:8080", false},
		{"another port", named, "GET", "/v2/", "https://ui.example.com:8443", false, 200, "", false},
		{"another scheme", named, "OPTIONS", "/v2/", "http://ui.example.com", true, 204, "", false},
		{"longer", named, "OPTIONS", "/v2/", "https://ui.example.com.evil.org", true, 204, "", false},
		{"null", named, "GET", "/api/v1/projects", "null", false, 200, "", false},
		{"no origin", named, "GET", "/token", "", false, 200, "", false},
		{"a page", named, "GET", "/projects", "https://ui.example.com", false, 200, "", false},
		{"OPTIONS that is no preflight", named, "OPTIONS", "/v2/", "https://ui.example.com", false, 200, "https://ui.example.com", false},
		{"credentials", trusted, "OPTIONS", "/api/v1/projects", "https://ui.example.com", true, 204, "https://ui.example.com", true},
		{"credentials of another", trusted, "GET", "/v2/", "https://evil.org", false, 200, "", false},
		{"all", all, "GET", "/v2/", "https://anywhere.org", false, 200, "*", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequest(tc.method, tc.path, http.NoBody)
			if tc.origin != "" {
				r.Header.Set("Origin", tc.origin)
			}
			if tc.preflight {
				r.Header.Set("Access-Control-Request-Method", "PUT")
			}
			w := httptest.NewRecorder()
			tc.cors.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "x") })).ServeHTTP(w, r)
			h := w.Header()
			if w.Code != tc.status || h.Get("Access-Control-Allow-Origin") != tc.allow ||
				(h.Get("Access-Control-Allow-Credentials") == "true") != tc.credentials {
				t.Errorf("%d %v", w.Code, h)
			}
			if answered := w.Code == 204 && tc.allow != ""; answered != (h.Get("Access-Control-Allow-Methods") != "") {
				t.Errorf("methods %q", h.Get("Access-Control-Allow-Methods"))
			}
			if exposed := tc.allow != "" && w.Code == 200; exposed != strings.Contains(h.Get("Access-Control-Expose-Headers"), "WWW-Authenticate") {
				t.Errorf("exposed %q", h.Get("Access-Control-Expose-Headers"))
			}
		})
	}
}

func TestCORSCheck(t *testing.T) {
	t.Parallel()
	for says, c := range map[string]CORS{
		"not to *":             {Origins: []string{"*"}, Credentials: true},
		"without a path":       {Origins: []string{"https://a.example.com/"}},
		`"a.example.com"`:      {Origins: []string{"a.example.com"}},
		"in small letters":     {Origins: []string{"https://A.example.com"}},
		"there are no origins": {Credentials: true},
		"max_age is":           {Origins: []string{"*"}, MaxAge: -1},
	} {
		err := c.Check()
		if !errors.Is(err, errdefs.ErrInvalid) || !strings.Contains(err.Error(), says) {
			t.Errorf("%+v: %v, want %q", c, err, says)
		}
	}
	if err := (CORS{Origins: []string{"https://a.example.com:8443"}, Credentials: true}).Check(); err != nil {
		t.Error(err)
	}
}
