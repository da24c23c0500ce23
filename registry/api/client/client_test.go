package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"

	registryclient "cove/distribution/client"
	"cove/distribution/client/beside"
	"cove/errdefs"
	"cove/registry/api/client"
	"cove/registry/api/rest"
)

func TestPath(t *testing.T) {
	t.Parallel()
	for want, parts := range map[string][]string{
		"/users/ann":                  {"users", "ann"},
		"/scans/team/app@sha256:1":    {"scans", "team/app@sha256:1"},
		"/projects/a%20b/members/%3F": {"projects", "a b", "members", "?"},
		"/robots/50%25":               {"robots", "50%"},
	} {
		if got := client.Path(parts...); got != want {
			t.Errorf("%q: %s, want %s", parts, got, want)
		}
	}
	for _, wrong := range []string{"/users/", "/users/../me", "/users/./x", "//"} {
		if err := (client.Call{Path: wrong}).Check(); !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("%s: %v", wrong, err)
		}
	}
	if q := client.Query("a", "1", "b", ""); q.Encode() != "a=1" {
		t.Error(q)
	}
}

// shelf is a list of so many entries, behind the door of an API.
type shelf int

func (s shelf) Do(_ context.Context, call client.Call) error {
	limit, err := strconv.Atoi(call.Query.Get("limit"))
	if err != nil || limit > 100 || call.Query.Get("kind") != "x" {
		return fmt.Errorf("asked for %v", call.Query)
	}
	after, _ := strconv.Atoi(call.Query.Get("after"))
	page := rest.Page[int]{}
	for i := after + 1; i <= int(s) && len(page.Items) < limit; i++ {
		page.Items = append(page.Items, i)
	}
	if after+len(page.Items) < int(s) {
		page.Next = strconv.Itoa(after + len(page.Items))
	}
	text, err := json.Marshal(page)
	return errors.Join(err, json.Unmarshal(text, call.Into))
}

func TestLists(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ there, n, want int }{
		{0, 10, 0}, {5, 10, 5}, {100, 100, 100}, {250, 1000, 250}, {250, 120, 120}, {3, 1, 1},
	} {
		got, err := client.List[int](t.Context(), shelf(tc.there), "/x", client.Query("kind", "x"), tc.n)
		if err != nil || len(got) != tc.want || !slices.IsSorted(got) {
			t.Errorf("%d of %d: %d, %v", tc.n, tc.there, len(got), err)
		}
	}
	enough := errors.New("enough")
	err := client.Each(t.Context(), shelf(9), client.Listed{Path: "/x", Query: client.Query("kind", "x"), N: 9}, func(int) error { return enough })
	if !errors.Is(err, enough) {
		t.Error(err)
	}
}

// TestRemote reads answers, and problems as the errors that they were.
func TestRemote(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v2/", func(http.ResponseWriter, *http.Request) {})
	answer := func(status int, kind, text string) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.WriteHeader(status)
			_, _ = io.WriteString(w, text)
		}
	}
	const problem = "application/problem+json"
	mux.HandleFunc("GET /api/v1/name", answer(200, "application/json", `{"name":"x"}`))
	mux.HandleFunc("GET /api/v1/page", answer(200, "text/html", `<html>`))
	mux.HandleFunc("GET /api/v1/proxy", answer(502, "text/html", `<html>`))
	mux.HandleFunc("GET /api/v1/moved", answer(302, "text/html", ""))
	mux.HandleFunc("GET /api/v1/absent", answer(404, problem, `{"status":404,"code":"NAME_UNKNOWN","detail":"it is\u001b[31m gone",
		"remedy":{"do":"make a project","to":"team"}}`))
	mux.HandleFunc("GET /api/v1/wrong", answer(400, problem, `{"status":400,"code":"UNSUPPORTED","detail":"no name"}`))
	mux.HandleFunc("GET /api/v1/stranger", answer(401, problem, `{"status":401,"code":"UNAUTHORIZED","detail":"who?"}`))
	mux.HandleFunc("PUT /api/v1/raw", func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })
	site := httptest.NewServer(mux)
	t.Cleanup(site.Close)
	c, err := registryclient.New(registryclient.Config{})
	if err != nil {
		t.Fatal(err)
	}
	server, err := beside.At(c.Wire(), site.URL)
	if err != nil {
		t.Fatal(err)
	}
	door := client.Over(server)
	type named struct{ Name string }
	if got, err := client.Get[named](t.Context(), door, "/name"); err != nil || got.Name != "x" {
		t.Errorf("%+v %v", got, err)
	}
	for path, want := range map[string]struct {
		kind error
		text string
		do   errdefs.Suggestion
	}{
		"/absent":   {errdefs.ErrNotFound, "it is[31m gone", errdefs.Suggestion{Do: errdefs.MakeProject, To: "team"}},
		"/wrong":    {errdefs.ErrInvalid, "no name", errdefs.Suggestion{}},
		"/stranger": {errdefs.ErrUnauthenticated, "who?", errdefs.Suggestion{Do: errdefs.Login, To: server.Host()}},
		"/proxy":    {errdefs.ErrUnavailable, "502 from registry " + server.Host() + ": bad gateway", errdefs.Suggestion{}},
		"/moved":    {errdefs.ErrInvalid, "302 from registry " + server.Host() + ": found", errdefs.Suggestion{}},
		"/a/../b":   {errdefs.ErrInvalid, `".." is no name`, errdefs.Suggestion{}},
	} {
		_, err := client.Get[named](t.Context(), door, path)
		do, _ := errdefs.SuggestionFor(err)
		if !errors.Is(err, want.kind) || err.Error() != want.text || do != want.do {
			t.Errorf("%s: %v (%v), %+v", path, err, errdefs.KindOf(err), do)
		}
	}
	if _, err := client.Get[named](t.Context(), door, "/page"); !errors.Is(err, errdefs.ErrUnsupported) {
		t.Errorf("a page for people: %v", err)
	}
	var echo named
	raw := client.Call{Method: http.MethodPut, Path: "/raw", Body: strings.NewReader(`{"name":"raw"}`), Into: &echo}
	if err := door.Do(t.Context(), raw); err != nil || echo.Name != "raw" {
		t.Errorf("%+v %v", echo, err)
	}
}
