package edge

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"

	"cove/errdefs"
	"cove/registry/harbor/listing"
	"cove/registry/harbor/shape"
)

func asking(t *testing.T, target string) *Ask {
	t.Helper()
	return &Ask{Request: httptest.NewRequest(http.MethodGet, target, nil), W: httptest.NewRecorder()}
}

// TestQueries: what a list is asked for, in Harbor's words.
func TestQueries(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]struct {
		page listing.Page
		bad  bool
	}{
		"":                       {page: listing.Page{N: 10}},
		"?page=3&page_size=20":   {page: listing.Page{Skip: 40, N: 20}},
		"?page_size=100":         {page: listing.Page{N: 100}},
		"?sort=-creation_time":   {page: listing.Page{N: 10}},
		"?page_size=0":           {bad: true},
		"?page_size=101":         {bad: true},
		"?page=zwei":             {bad: true},
		"?page=1;page_size=2":    {bad: true},
		"?page=%zz":              {bad: true},
		"?page=1&page=2":         {page: listing.Page{N: 10}},
		"?with_tag=true&page=2":  {page: listing.Page{Skip: 10, N: 10}},
		"?q=name%3D~x,public%3D": {page: listing.Page{N: 10}},
	} {
		asked := asking(t, "/api/v2.0/projects"+strings.ReplaceAll(query, "%zz", "%25zz"))
		asked.URL.RawQuery = strings.TrimPrefix(query, "?")
		err := asked.readQuery()
		if want.bad != (err != nil) || err != nil && !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("%q: %v", query, err)
		}
		if !want.bad && !reflect.DeepEqual(asked.Page, want.page) {
			t.Errorf("%q: %+v, want %+v", query, asked.Page, want.page)
		}
	}
}

// TestFilters: each filter is taken once, and one that nobody takes is an error.
func TestFilters(t *testing.T) {
	t.Parallel()
	asked := asking(t, "/api/v2.0/robots?q=Level=project,%20ProjectID=7,name=~ci")
	if err := asked.readQuery(); err != nil {
		t.Fatal(err)
	}
	for _, want := range []struct {
		name, value string
		fuzzy       bool
	}{{"level", "project", false}, {"projectid", "7", false}, {"name", "ci", true}, {"absent", "", false}} {
		if asked.Understood() == nil && want.name != "absent" {
			t.Errorf("%s: all is understood before it was taken", want.name)
		}
		if value, fuzzy := asked.Filter(want.name); value != want.value || fuzzy != want.fuzzy {
			t.Errorf("%s: %q %v", want.name, value, fuzzy)
		}
	}
	if err := asked.Understood(); err != nil {
		t.Error(err)
	}
	text := asking(t, "/api/v2.0/search?q=anything")
	if err := text.readQuery(); err != nil {
		t.Error(err)
	}
	if err := text.Understood(); !errors.Is(err, errdefs.ErrInvalid) {
		t.Errorf("a filter without a name: %v", err)
	}
}

// TestPages: a list that is here whole is given out in parts that say where the others are.
func TestPages(t *testing.T) {
	t.Parallel()
	all := make([]int, 25)
	for i := range all {
		all[i] = i
	}
	for query, want := range map[string]struct {
		first, n int
		links    []string
	}{
		"":                    {0, 10, []string{`page=2&page_size=10>; rel="next"`}},
		"?page=2":             {10, 10, []string{`page=1&page_size=10>; rel="prev"`, `page=3&page_size=10>; rel="next"`}},
		"?page=3":             {20, 5, []string{`page=2&page_size=10>; rel="prev"`}},
		"?page=4":             {0, 0, []string{`page=3&page_size=10>; rel="prev"`}},
		"?page_size=25&q=a=b": {0, 25, nil},
	} {
		asked := asking(t, "/api/v2.0/x"+query)
		if err := asked.readQuery(); err != nil {
			t.Fatal(err)
		}
		part := Part(asked, all)
		if len(part) != want.n || want.n > 0 && part[0] != want.first {
			t.Errorf("%q: %v", query, part)
		}
		h := asked.W.Header()
		links := strings.Split(h.Get("Link"), ", ")
		if len(h.Values("Link")) == 0 {
			links = nil
		}
		if h.Get("X-Total-Count") != "25" || len(h.Values("Link")) > 1 || len(links) != len(want.links) {
			t.Errorf("%q: %v", query, h)
		}
		for i, link := range links {
			if !strings.HasSuffix(link, want.links[i]) {
				t.Errorf("%q: %s", query, link)
			}
		}
	}
}

// TestErrors: kinds of errors are Harbor's codes, and nothing of a failure of ours is told.
func TestErrors(t *testing.T) {
	t.Parallel()
	e := New(Config{Log: slog.New(slog.DiscardHandler)})
	for want, err := range map[string]error{
		"400 BAD_REQUEST":     Invalid("no"),
		"401 UNAUTHORIZED":    errdefs.Errorf(errdefs.ErrUnauthenticated, "no"),
		"403 FORBIDDEN":       errdefs.Errorf(errdefs.ErrDenied, "no"),
		"404 NOT_FOUND":       errdefs.Errorf(errdefs.ErrNotFound, "no"),
		"409 CONFLICT":        fmt.Errorf("adding: %w", errdefs.Errorf(errdefs.ErrExists, "no")),
		"501 NOT_IMPLEMENTED": Unsupported("no"),
		"500 UNKNOWN":         errors.New("the password of the database is secret"),
	} {
		w := httptest.NewRecorder()
		e.fail(w, httptest.NewRequest(http.MethodGet, "/", nil), err)
		var problems shape.Problems
		if jerr := json.Unmarshal(w.Body.Bytes(), &problems); jerr != nil || len(problems.Errors) != 1 {
			t.Fatalf("%s: %v %s", want, jerr, w.Body)
		}
		if got := fmt.Sprint(w.Code, " ", problems.Errors[0].Code); got != want {
			t.Errorf("%v: %s, want %s", err, got, want)
		}
		if strings.Contains(w.Body.String(), "secret") {
			t.Errorf("%s tells %s", want, w.Body)
		}
	}
}

func TestRoles(t *testing.T) {
	t.Parallel()
	var names []string
	for id := range int64(7) {
		name, err := RoleNamed(id)
		if (err == nil) != (id >= 1 && id <= 5) || err == nil && RoleID(name) != id {
			t.Errorf("%d: %q %v", id, name, err)
		}
		names = append(names, RoleName(name))
	}
	if want := []string{"", "projectAdmin", "developer", "guest", "maintainer", "limitedGuest", ""}; !slices.Equal(names, want) {
		t.Errorf("%v", names)
	}
	if RoleID("auditor") != 0 || RoleName("auditor") != "auditor" {
		t.Error("a role that Harbor has not")
	}
}
