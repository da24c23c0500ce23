package endpoint

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cove/distribution/client"
	"cove/errdefs"
	"cove/registry/auth"
	"cove/registry/metadata/metadatatest"
	"cove/registry/outbound"
	"cove/registry/seal"
)

func newService(t *testing.T) *Service {
	t.Helper()
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := root.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := root.Mkdir("keys", 0o700); err != nil {
		t.Fatal(err)
	}
	return New(metadatatest.OpenSQLite(t, time.Now), auth.Judge{}, seal.In(root), outbound.Policy{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
}

func TestSpecs(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"docker.io": "docker.io docker-hub", "https://registry-1.docker.io": "docker.io docker-hub",
		"https://harbor.example.com/": "harbor.example.com oci", "10.0.0.1:5000": "10.0.0.1:5000 oci",
		"http://[::1]:80": "[::1]:80 oci",
	} {
		e, err := Spec{Name: "x", Address: address}.check()
		if got := e.Host + " " + string(e.Kind); err != nil || got != want {
			t.Errorf("%s: %s %v, want %s", address, got, err, want)
		}
	}
	for says, spec := range map[string]Spec{
		"a name is":              {Name: "Far", Address: "h"},
		"is not docker.io or":    {Name: "x", Address: "h/team"},
		"its address":            {Name: "x", Address: "https://u:p@h"},
		"address \"ftp":          {Name: "x", Address: "ftp://h"},
		"there is no kind":       {Name: "x", Address: "h", Kind: "quay"},
		"nothing else is":        {Name: "x", Address: "h", Kind: DockerHub},
		"has no user":            {Name: "x", Address: "h", Password: "p"},
		"certificate in PEM":     {Name: "x", Address: "h", CA: "x"},
		"have more than":         {Name: "x", Address: "h", CA: strings.Repeat("x", maxCA+1)},
		"docker.io is of the ki": {Name: "x", Address: "docker.io", Kind: OCI},
	} {
		if _, err := spec.check(); !errors.Is(err, errdefs.ErrInvalid) || !strings.Contains(err.Error(), says) {
			t.Errorf("%+v: %v, want %q", spec, err, says)
		}
	}
}

func TestLiteral(t *testing.T) {
	t.Parallel()
	for glob, want := range map[string][]string{
		"team/app": {"team/app"}, "team/{a,b}": {"team/a", "team/b"}, "team/{a,b}/web": {"team/a/web", "team/b/web"},
		"team/*": nil, "**": nil, "": nil, "team/{a,{b,c}}": nil, "a?": nil, "[ab]": nil,
	} {
		if got, ok := literal(glob); !slices.Equal(got, want) || ok != (want != nil) {
			t.Errorf("%q: %q %v", glob, got, ok)
		}
	}
}

// harbor is what of Harbor's API is asked, as its description has it.
type harbor struct {
	mu       sync.Mutex
	projects map[string]bool
}

func (h *harbor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if user, password, _ := r.BasicAuth(); user != "robot" || password != "secret" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	switch r.Method + " " + r.URL.Path {
	case "GET /api/v2.0/repositories":
		var page []map[string]string
		count := map[string]int{"1": 100, "2": 3}[r.URL.Query().Get("page")]
		for i := range count {
			page = append(page, map[string]string{"name": fmt.Sprintf("team/app%s-%d", r.URL.Query().Get("page"), i)})
		}
		_ = json.NewEncoder(w).Encode(page)
	case "HEAD /api/v2.0/projects":
		if !h.projects[r.URL.Query().Get("project_name")] {
			w.WriteHeader(http.StatusNotFound)
		}
	case "POST /api/v2.0/projects":
		var body struct {
			Name string `json:"project_name"`
		}
		_ = json.NewDecoder(r.Body).Decode(&body)
		h.projects[body.Name] = true
		w.WriteHeader(http.StatusCreated)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func TestHarbor(t *testing.T) {
	t.Parallel()
	h := &harbor{projects: map[string]bool{"there": true}}
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	s := newService(t)
	e, err := s.Create(t.Context(), auth.Operator(), Spec{
		Name: "old", Kind: Harbor, Address: srv.URL, Plain: true, User: "robot", Password: "secret",
	})
	if err != nil {
		t.Fatal(err)
	}
	l, err := s.Dial(e, client.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	all, err := l.Repositories(t.Context(), "team/**")
	if err != nil || len(all) != 103 || all[102] != "team/app2-2" {
		t.Errorf("%d repositories: %v", len(all), err)
	}
	for _, repo := range []string{"there/app", "absent/app", "absent/other"} {
		if err := l.Prepare(t.Context(), repo); err != nil {
			t.Errorf("%s: %v", repo, err)
		}
	}
	if !h.projects["absent"] || len(h.projects) != 2 {
		t.Errorf("projects %v", h.projects)
	}
	if err := l.Prepare(t.Context(), "alone"); !errors.Is(err, errdefs.ErrInvalid) {
		t.Errorf("a repository in no project: %v", err)
	}
	e, err = s.Set(t.Context(), auth.Operator(), Spec{Name: "old", Kind: Harbor, Address: srv.URL, Plain: true, User: "robot", Password: "wrong"})
	if err != nil {
		t.Fatal(err)
	}
	if l, err = s.Dial(e, client.Config{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	if _, err := l.Repositories(t.Context(), ""); !errors.Is(err, errdefs.ErrUnauthenticated) {
		t.Errorf("with a wrong password: %v", err)
	}
}

// TestDockerHub reads a list in pages, and does not follow where it leads elsewhere.
func TestDockerHub(t *testing.T) {
	t.Parallel()
	var hub *httptest.Server
	next := ""
	hub = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		page := map[string]any{"results": []map[string]string{{"name": "alpine"}}, "next": next}
		if r.URL.Query().Get("page") == "2" {
			page = map[string]any{"results": []map[string]string{{"name": "debian"}}}
		}
		_ = json.NewEncoder(w).Encode(page)
	}))
	t.Cleanup(hub.Close)
	s := newService(t)
	e, err := s.Create(t.Context(), auth.Operator(), Spec{Name: "hub", Address: "docker.io"})
	if err != nil {
		t.Fatal(err)
	}
	l, err := s.Dial(e, client.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	l.hub = hub.URL
	next = hub.URL + "/v2/namespaces/library/repositories?page=2"
	all, err := l.Repositories(t.Context(), "library/*")
	if err != nil || !slices.Equal(all, []string{"library/alpine", "library/debian"}) {
		t.Errorf("%q %v", all, err)
	}
	next = "http://169.254.169.254/latest"
	if _, err := l.Repositories(t.Context(), "library/*"); !errors.Is(err, errdefs.ErrInvalid) {
		t.Errorf("a list that leads elsewhere: %v", err)
	}
	for _, glob := range []string{"**", "", "*/app", "{a,b}/*"} {
		if _, err := l.Repositories(t.Context(), glob); !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("%q: %v", glob, err)
		}
	}
	if got := l.Remote("alpine").Repo.Name(); got != "library/alpine" {
		t.Errorf("alpine is %s", got)
	}
}

// TestSecrets: none is in the database, and one goes with its account alone.
func TestSecrets(t *testing.T) {
	t.Parallel()
	s := newService(t)
	ctx, by := t.Context(), auth.Operator()
	spec := Spec{Name: "far", Address: "far.example.com", User: "ann", Password: "correct horse"}
	if _, err := s.Create(ctx, by, spec); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Create(ctx, by, spec); !errors.Is(err, errdefs.ErrExists) {
		t.Errorf("a second one: %v", err)
	}
	e, err := s.Get(ctx, by, "far")
	if err != nil || e.secret == "" || strings.Contains(e.secret, "horse") {
		t.Errorf("%+v %v", e, err)
	}
	if got, err := s.box.Open(e.secret, e.sealedFor()); err != nil || got != spec.Password {
		t.Errorf("%q %v", got, err)
	}
	spec.Password, spec.KeepPassword, spec.Plain = "", true, true
	if _, err := s.Set(ctx, by, spec); err != nil {
		t.Error(err)
	}
	spec.Address = "evil.example.com"
	if _, err := s.Set(ctx, by, spec); !errors.Is(err, errdefs.ErrInvalid) {
		t.Errorf("the password of one host for another: %v", err)
	}
	if _, err := s.List(ctx, auth.Caller{UserID: 7, Name: "ann"}); !errors.Is(err, errdefs.ErrDenied) && !errors.Is(err, errdefs.ErrUnauthenticated) {
		t.Errorf("somebody else: %v", err)
	}
}
