package server

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"cove/internal/strictyaml"
	"cove/registry/identity/ldap"
	"cove/registry/identity/ldaptest"
	"cove/registry/identity/oidc"
	"cove/registry/identity/oidctest"
	"cove/registry/server/config"
)

// reloaded has a server reload a configuration of which change makes a new one, and returns
// the keys that it took.
func (s *Server) reloaded(t *testing.T, change func(*config.Config)) []string {
	t.Helper()
	next := s.live.Config()
	change(&next)
	s.reread = func() (config.Config, error) { return next, nil }
	r, err := s.reload()
	if err != nil || len(r.Waiting) > 0 {
		t.Errorf("reloading: %v; %q wait", err, r.Waiting)
	}
	return r.Taken
}

const smallIndex = `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[],"annotations":{"a":%q}}`

func (s *Server) pushIndex(name, text string) (int, string) {
	code, _, body := s.put(name, "application/vnd.oci.image.index.v1+json", fmt.Sprintf(smallIndex, text))
	return code, body
}

// TestReloadLimits changes each limit that a running server takes, there and back.
func TestReloadLimits(t *testing.T) {
	s := newTestServer(t, config.Config{})
	upload := func() int { return s.ask("POST", "/v2/team/app/blobs/uploads/", "admin", "", nil).Code }
	tags := func() int {
		return strings.Count(s.ask("GET", "/v2/team/app/tags/list", "admin", "", nil).Body.String(), `"t`)
	}
	push := func(path, text string) func() int {
		return func() int { code, _ := s.pushIndex(path, text); return code }
	}
	for i := range 3 {
		if code, body := s.pushIndex(fmt.Sprintf("/v2/team/app/manifests/t%d", i), "a"); code != 201 {
			t.Fatal(code, body)
		}
	}
	deep := func() int {
		body := fmt.Sprintf(strings.Replace(smallIndex, `"manifests"`, `"x":[[[[[1]]]]],"manifests"`, 1), "b")
		code, _, _ := s.put("/v2/team/app/manifests/t0", "application/vnd.oci.image.index.v1+json", body)
		return code
	}
	for _, row := range []struct {
		key           string
		limits        config.Limits
		ask           func() int
		before, after int
	}{
		{"limits.manifest", config.Limits{Manifest: 2048}, push("/v2/team/app/manifests/t0", strings.Repeat("a", 3000)), 201, 413},
		{"limits.depth", config.Limits{Depth: 4}, deep, 201, 400},
		{"limits.name", config.Limits{Name: 10}, push("/v2/team/a-long-name/manifests/t0", "a"), 201, 400},
		{"limits.page", config.Limits{Page: 2}, tags, 3 + 2, 2 + 2}, // with "team/app" and "tags"
		{"limits.uploads", config.Limits{Uploads: 1}, upload, 202, 429},
		{"limits.requests", config.Limits{Requests: 1}, s.whileOneRuns(t), 200, 429},
	} {
		if got := row.ask(); got != row.before {
			t.Errorf("%s, before: %d, want %d", row.key, got, row.before)
		}
		if taken := s.reloaded(t, func(c *config.Config) { c.Limits = row.limits }); !slices.Equal(taken, []string{row.key}) {
			t.Errorf("%s: %q were taken", row.key, taken)
		}
		if got := row.ask(); got != row.after {
			t.Errorf("%s, with it: %d, want %d", row.key, got, row.after)
		}
		s.reloaded(t, func(c *config.Config) { c.Limits = config.Limits{} })
		if got := row.ask(); got != row.before {
			t.Errorf("%s, after: %d, want %d", row.key, got, row.before)
		}
	}
}

// whileOneRuns returns who asks while the same address has a request running.
func (s *Server) whileOneRuns(t *testing.T) func() int {
	return func() int {
		t.Helper()
		entered, goOn, ended := make(chan struct{}), make(chan struct{}), make(chan struct{})
		go func() {
			defer close(ended)
			r := httptest.NewRequest(http.MethodPost, "/v2/team/app/blobs/uploads/?digest="+absentDigest, &held{entered, goOn})
			r.SetBasicAuth("admin", testPassword)
			s.handler.ServeHTTP(httptest.NewRecorder(), r)
		}()
		<-entered
		code := s.ask("GET", "/v2/", "admin", "", nil).Code
		close(goOn)
		<-ended
		return code
	}
}

// held is a body that comes when it may.
type held struct{ entered, goOn chan struct{} }

func (h *held) Read([]byte) (int, error) {
	close(h.entered)
	<-h.goOn
	return 0, fmt.Errorf("cut")
}

// TestReloadConnections has a listener take as many connections of one address as is said
// at the time.
func TestReloadConnections(t *testing.T) {
	s := newTestServer(t, config.Config{})
	for _, run := range s.start() {
		go func() { _ = run.Serve() }() // ends with Close
		t.Cleanup(func() { _ = run.HTTP.Close() })
	}
	// ask opens a connection, and keeps it if it is taken.
	ask := func() bool {
		client := &http.Client{Transport: &http.Transport{}}
		t.Cleanup(client.CloseIdleConnections)
		resp, err := client.Get("http://" + s.Address() + "/livez")
		if err != nil {
			return false
		}
		_, err = io.ReadAll(resp.Body)
		return errors.Join(err, resp.Body.Close()) == nil
	}
	for range 2 {
		if !ask() {
			t.Error("two connections are not taken")
		}
	}
	s.reloaded(t, func(c *config.Config) { c.Limits.Connections = 2 })
	if ask() {
		t.Error("a third one is taken")
	}
	s.reloaded(t, func(c *config.Config) { c.Limits.Connections = 3 })
	if !ask() {
		t.Error("a third one is not taken, though three may be")
	}
}

// TestReloadReadOnly: nothing may be changed from then on, by none of the ways, and then
// again.
func TestReloadReadOnly(t *testing.T) {
	s := newTestServer(t, config.Config{})
	if code, body := s.pushIndex("/v2/team/app/manifests/v1", "a"); code != 201 {
		t.Fatal(code, body)
	}
	info := func() bool {
		return strings.Contains(s.ask("GET", "/api/v2.0/systeminfo", "admin", "", nil).Body.String(), `"read_only":true`)
	}
	if taken := s.reloaded(t, func(c *config.Config) { c.ReadOnly = "we move house" }); !slices.Equal(taken, []string{"read_only"}) {
		t.Errorf("%q were taken", taken)
	}
	if code, body := s.pushIndex("/v2/team/app/manifests/v2", "b"); code != 403 || !strings.Contains(body, "we move house") {
		t.Errorf("a push: %d %s", code, body)
	}
	removed := s.ask("DELETE", "/api/v1/repositories/team/app", "admin", "", nil)
	if removed.Code != 403 || !strings.Contains(removed.Body.String(), "we move house") {
		t.Errorf("removing a repository: %d %s", removed.Code, removed.Body)
	}
	if w := s.ask("GET", "/v2/team/app/manifests/v1", "admin", "", nil); w.Code != 200 || !info() {
		t.Errorf("reading: %d; Harbor's clients hear of it: %t", w.Code, info())
	}
	s.reloaded(t, func(c *config.Config) { c.ReadOnly = "" })
	if code, body := s.pushIndex("/v2/team/app/manifests/v2", "b"); code != 201 || info() {
		t.Errorf("a push after that: %d %s", code, body)
	}
}

// TestReloadCollection: with no lease and no grace what was deleted goes at the next
// collection, and it stays with those that were there before.
func TestReloadCollection(t *testing.T) {
	s := newTestServer(t, config.Config{})
	collected := func() int {
		t.Helper()
		code, body := s.pushIndex("/v2/team/app/manifests/v1", time.Now().String())
		if code != 201 {
			t.Fatal(code, body)
		}
		dgst := s.ask("HEAD", "/v2/team/app/manifests/v1", "admin", "", nil).Header().Get("Docker-Content-Digest")
		if w := s.ask("DELETE", "/v2/team/app/manifests/"+dgst, "admin", "", nil); w.Code != 202 {
			t.Fatal(w.Code, w.Body)
		}
		got, err := s.registry.Collect(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return got.Blobs
	}
	if n := collected(); n != 0 {
		t.Errorf("before: %d", n)
	}
	soon := strictyaml.Duration(time.Nanosecond)
	taken := s.reloaded(t, func(c *config.Config) { c.GC = config.GC{Interval: soon, Lease: soon, Grace: soon, Uploads: soon} })
	if !slices.Equal(taken, []string{"gc.grace", "gc.interval", "gc.lease", "gc.uploads"}) {
		t.Errorf("%q were taken", taken)
	}
	if n := collected(); n != 1 {
		t.Errorf("at once: %d", n)
	}
	if w := s.ask("POST", "/v2/team/app/blobs/uploads/", "admin", "", nil); w.Code != 202 {
		t.Fatal(w.Code, w.Body)
	}
	if got, err := s.registry.Collect(t.Context()); err != nil || got.Uploads != 1 {
		t.Errorf("an upload: %+v, %v", got, err)
	}
	s.reloaded(t, func(c *config.Config) { c.GC = config.GC{} })
	if n := collected(); n != 0 {
		t.Errorf("after: %d", n)
	}
}

// TestReloadVouchers: a directory and a provider come, change and go while a server runs.
func TestReloadVouchers(t *testing.T) {
	dir := ldaptest.Start(t)
	s := newTestServer(t, config.Config{})
	signIn := func() int {
		r := httptest.NewRequest("GET", "/token?service=cove-registry", nil)
		r.SetBasicAuth("ada", ldaptest.Password)
		w := httptest.NewRecorder()
		s.handler.ServeHTTP(w, r)
		return w.Code
	}
	mode := func() string {
		_, rest, _ := strings.Cut(s.ask("GET", "/api/v2.0/systeminfo", "admin", "", nil).Body.String(), `"auth_mode":"`)
		mode, _, _ := strings.Cut(rest, `"`)
		return mode
	}
	if signIn() != 401 || mode() != "db_auth" {
		t.Errorf("before: %d, %s", signIn(), mode())
	}
	s.reloaded(t, func(c *config.Config) {
		c.LDAP = &ldap.Config{URL: dir.TLS, CA: dir.CA, BaseDN: ldaptest.BaseDN, BindDN: ldaptest.BindDN, PasswordFile: dir.Secret}
	})
	if signIn() != 200 || mode() != "ldap_auth" {
		t.Errorf("with a directory: %d, %s", signIn(), mode())
	}
	// What cannot be opened changes nothing.
	bad := s.live.Config()
	bad.ReadOnly = "never"
	bad.LDAP = &ldap.Config{URL: dir.TLS, CA: filepath.Join(t.TempDir(), "none.pem"), BaseDN: ldaptest.BaseDN}
	s.reread = func() (config.Config, error) { return bad, nil }
	if _, err := s.reload(); err == nil || signIn() != 200 || s.live.ReadOnly() != "" {
		t.Errorf("with one that cannot be: %v, %d, %q", err, signIn(), s.live.ReadOnly())
	}
	s.reloaded(t, func(c *config.Config) { c.LDAP = nil })
	if signIn() != 401 {
		t.Error("who the directory vouched for still signs in")
	}

	front := httptest.NewServer(s.handler)
	t.Cleanup(front.Close)
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte(oidctest.ClientSecret), 0o600); err != nil {
		t.Fatal(err)
	}
	provider := oidctest.Start(t, front.URL+"/sign-in/oidc/callback")
	s.reloaded(t, func(c *config.Config) {
		c.OIDC = &oidc.Config{Issuer: provider.Issuer, ClientID: oidctest.ClientID, SecretFile: secret, Title: "Example"}
	})
	browser := oidctest.Browser(t)
	back := provider.SignIn(t, browser, front.URL+"/sign-in/oidc?next=/account", oidctest.First)
	if status, page := show(t, browser, back.String()); status != 200 || !strings.Contains(page, oidctest.First) || mode() != "oidc_auth" {
		t.Errorf("with a provider: %d, %s\n%.2000s", status, mode(), page)
	}
	s.reloaded(t, func(c *config.Config) { c.OIDC.Title = "Another" })
	if _, page := show(t, oidctest.Browser(t), front.URL+"/sign-in"); !strings.Contains(page, "Sign in with Another") {
		t.Errorf("its title is not changed:\n%s", page)
	}
	s.reloaded(t, func(c *config.Config) { c.OIDC = nil })
	if _, page := show(t, oidctest.Browser(t), front.URL+"/sign-in"); strings.Contains(page, "Sign in with") {
		t.Errorf("it is still there:\n%s", page)
	}
}
