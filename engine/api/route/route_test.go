package route_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"cove/engine/api/route"
	"cove/engine/api/wire"
	"cove/errdefs"
)

// answers serves a table whose handlers tell what they were asked.
func answers(t *testing.T, allow ...string) *route.Mux {
	t.Helper()
	tell := func(w http.ResponseWriter, r *route.Request) error {
		return wire.JSON(w, http.StatusOK, map[string]string{
			"version": r.Version.String(), "name": r.Param("name"), "id": r.Param("id"),
		})
	}
	fail := func(err error) route.Handler {
		return func(http.ResponseWriter, *route.Request) error { return err }
	}
	labels := func(_ context.Context, r *route.Request) (map[string]string, error) {
		if r.Param("id") == "missing" {
			return nil, errdefs.Errorf(errdefs.ErrNotFound, "No such container: missing")
		}
		return map[string]string{"team": r.Param("id")}, nil
	}
	access, err := route.ParseAccess(allow)
	if err != nil {
		t.Fatal(err)
	}
	return route.NewMux([]route.Route{
		{Method: "GET", Path: "/_ping", Handler: tell},
		{Method: "GET", Path: "/images/{name...}/json", Needs: route.Read, Handler: tell},
		{Method: "GET", Path: "/images/json", Needs: route.Read, Handler: tell},
		{Method: "DELETE", Path: "/images/{name...}", Needs: route.Images, Handler: tell},
		{Method: "GET", Path: "/containers/json", Needs: route.Read, Handler: tell, Narrow: true},
		{Method: "POST", Path: "/containers/{id}/stop", Needs: route.All, Handler: tell, Labels: labels},
		{Method: "GET", Path: "/new", Since: wire.V(50), Needs: route.Read, Handler: tell},
		{Method: "GET", Path: "/conflict", Needs: route.Read, Handler: fail(errdefs.Errorf(errdefs.ErrConflict, "in use"))},
		{Method: "GET", Path: "/broken", Needs: route.Read, Handler: fail(errors.New("disk on fire"))},
	}, "9.9", access)
}

func ask(t *testing.T, m *route.Mux, method, path string) (*http.Response, map[string]string) {
	t.Helper()
	w := httptest.NewRecorder()
	m.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, path, nil))
	body, err := io.ReadAll(w.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]string{}
	if err := json.Unmarshal(body, &told); err != nil {
		t.Fatalf("%s %s answers %q: %v", method, path, body, err)
	}
	return w.Result(), told
}

func TestRoutesAreFound(t *testing.T) {
	t.Parallel()
	m := answers(t)
	for _, tc := range []struct {
		method, path string
		status       int
		version      string
		name, id     string
	}{
		{"GET", "/_ping", 200, "1.51", "", ""},
		{"GET", "/v1.24/_ping", 200, "1.24", "", ""},
		{"GET", "/v1.51/images/json", 200, "1.51", "", ""},
		{"GET", "/images/json/json", 200, "1.51", "json", ""},
		{"GET", "/v1.41/images/example.org:5000/a/b:1/json", 200, "1.41", "example.org:5000/a/b:1", ""},
		{"DELETE", "/images/a/b", 200, "1.51", "a/b", ""},
		{"POST", "/containers/abc/stop", 200, "1.51", "", "abc"},
		{"POST", "/containers//stop", 404, "", "", ""},
		{"POST", "/containers/a/b/stop", 404, "", "", ""},
		{"GET", "/containers/abc/stop", 404, "", "", ""},
		{"GET", "/v1.49/new", 404, "", "", ""},
		{"GET", "/v1.50/new", 200, "1.50", "", ""},
		{"GET", "/", 404, "", "", ""},
		{"GET", "/vx/new", 404, "", "", ""},
	} {
		res, told := ask(t, m, tc.method, tc.path)
		if res.StatusCode != tc.status || told["version"] != tc.version || told["name"] != tc.name || told["id"] != tc.id {
			t.Errorf("%s %s is %d %v, want %+v", tc.method, tc.path, res.StatusCode, told, tc)
		}
		for key, want := range map[string]string{
			"Api-Version": "1.51", "Ostype": "linux", "Server": "Docker/9.9 (linux)", "Docker-Experimental": "false",
		} {
			if got := res.Header.Get(key); got != want {
				t.Errorf("%s %s: %s is %q, want %q", tc.method, tc.path, key, got, want)
			}
		}
	}
}

func TestVersionsThatAreNotServed(t *testing.T) {
	t.Parallel()
	m := answers(t)
	old := httptest.NewRecorder()
	m.ServeHTTP(old, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v1.23/_ping", nil))
	const tooOld = "client version 1.23 is too old. Minimum supported API version is 1.24, please upgrade your client to a newer version\r\n"
	if got := old.Body.String(); old.Code != http.StatusBadRequest || got != tooOld ||
		!strings.HasPrefix(old.Header().Get("Content-Type"), "text/plain") {
		t.Errorf("of an old version: %d %q %v", old.Code, got, old.Header())
	}
	const tooNew = "client version 1.52 is too new. Maximum supported API version is 1.51"
	if res, told := ask(t, m, "GET", "/v1.52/_ping"); res.StatusCode != http.StatusBadRequest || told["message"] != tooNew {
		t.Errorf("of a new one: %d %q", res.StatusCode, told["message"])
	}
}

func TestErrorsAreDockers(t *testing.T) {
	t.Parallel()
	m := answers(t)
	for path, want := range map[string]int{"/conflict": 409, "/broken": 500, "/v1.30/nothing": 404} {
		res, told := ask(t, m, "GET", path)
		if res.StatusCode != want || told["message"] == "" || res.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s is %d %v, want %d and a message", path, res.StatusCode, told, want)
		}
	}
}

func TestPermissions(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		allow, method, path string
		status              int
		missing             string
	}{
		{"read", "GET", "/images/json", 200, ""},
		{"read", "DELETE", "/images/a", 403, "images"},
		{"read,images", "DELETE", "/images/a", 200, ""},
		{"read", "POST", "/containers/a/stop", 403, "all"},
		{"events", "GET", "/images/json", 403, "read"},
		{"events", "GET", "/_ping", 200, ""},
		{"label=team=a", "POST", "/containers/a/stop", 200, ""},
		{"label=team=a", "POST", "/containers/b/stop", 403, "all"},
		{"label=team=a", "POST", "/containers/missing/stop", 404, ""},
		{"label=team=a", "GET", "/containers/json", 200, ""},
		{"label=team=a", "GET", "/images/json", 403, "read"},
		{"all", "DELETE", "/images/a", 200, ""},
	} {
		res, told := ask(t, answers(t, tc.allow), tc.method, tc.path)
		if res.StatusCode != tc.status || !strings.Contains(told["message"], tc.missing) {
			t.Errorf("%s: %s %s is %d %q, want %d about %q", tc.allow, tc.method, tc.path, res.StatusCode, told["message"], tc.status, tc.missing)
		}
	}
	for _, bad := range []string{"", "write", "label=", "label=x", "read,,all"} {
		if _, err := route.ParseAccess([]string{bad}); !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
