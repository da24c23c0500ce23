package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	wire "cove/distribution/auth"
	"cove/errdefs"
	"cove/registry/api"
	"cove/registry/auth"
	"cove/registry/harbor"
	"cove/registry/harbor/edge"
	"cove/registry/metadata"
	"cove/registry/observe"
	"cove/registry/server/config"
	"cove/registry/web"
)

// The policy, written out away from the code that decides: of every route which
// right it takes and of what, and below who has that right in a project of each
// kind. What a route says of itself is held against the first, and what requests
// are answered against the second.

const absentDigest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

func policy() []Route {
	return []Route{
		{"GET", "/livez", Open, "process", nil},
		{"HEAD", "/livez", Open, "process", nil},
		{"GET", "/readyz", Open, "process", nil},
		{"HEAD", "/readyz", Open, "process", nil},
		{"GET", "/metrics", Open, "counters", nil},
		{"HEAD", "/metrics", Open, "counters", nil},
		{"GET", "/token", Open, "token", nil},
		{"POST", "/token", Open, "token", nil},

		{"GET", "/v2/", SignIn, "registry", nil},
		{"HEAD", "/v2/", SignIn, "registry", nil},
		{"GET", "/v2/_catalog", SignIn, "registry", nil},
		{"HEAD", "/v2/_catalog", SignIn, "registry", nil},
		{"GET", "/v2/{name}/tags/list", auth.Pull, "repository", nil},
		{"HEAD", "/v2/{name}/tags/list", auth.Pull, "repository", nil},
		{"GET", "/v2/{name}/referrers/{digest}", auth.Pull, "manifest", nil},
		{"HEAD", "/v2/{name}/referrers/{digest}", auth.Pull, "manifest", nil},
		{"GET", "/v2/{name}/manifests/{reference}", auth.Pull, "manifest", nil},
		{"HEAD", "/v2/{name}/manifests/{reference}", auth.Pull, "manifest", nil},
		{"GET", "/v2/{name}/blobs/{digest}", auth.Pull, "blob", nil},
		{"HEAD", "/v2/{name}/blobs/{digest}", auth.Pull, "blob", nil},
		{"PUT", "/v2/{name}/manifests/{reference}", auth.Push, "manifest", nil},
		{"POST", "/v2/{name}/blobs/uploads/", auth.Push, "upload", nil},
		{"GET", "/v2/{name}/blobs/uploads/{upload}", auth.Push, "upload", nil},
		{"PATCH", "/v2/{name}/blobs/uploads/{upload}", auth.Push, "upload", nil},
		{"PUT", "/v2/{name}/blobs/uploads/{upload}", auth.Push, "upload", nil},
		{"DELETE", "/v2/{name}/blobs/uploads/{upload}", auth.Push, "upload", nil},
		{"DELETE", "/v2/{name}/manifests/{reference}", auth.Delete, "manifest", nil},
		{"DELETE", "/v2/{name}/blobs/{digest}", auth.Delete, "blob", nil},
	}
}

// fill is the route's path in a repository of a project, with names of what is
// not there.
func (rt Route) fill(repo string) string {
	path := strings.NewReplacer("{name}", repo, "{reference}", "absent", "{upload}", "absent", "{digest}", absentDigest).Replace(rt.Path)
	if rt.Method == "PUT" && rt.Object == "upload" {
		path += "?digest=" + absentDigest
	}
	return path
}

// had says who has a right in a project of each kind.
func had() map[string]map[auth.Right][]string {
	members := []string{"limited-guest", "guest", "developer", "maintainer", "project-admin", "admin"}
	everyone := append([]string{"", "stranger"}, members...)
	project := func(look []string) map[auth.Right][]string {
		return map[auth.Right][]string{
			auth.Pull: look, auth.Read: look, auth.ReadProject: look, auth.Push: members[2:], auth.Delete: members[3:],
			auth.ListMembers: members[1:], auth.ListRobots: members[1:],
			auth.SetMembers: members[4:], auth.SetVisibility: members[4:], auth.RemoveProject: members[4:],
			auth.CreateRobots: members[4:], auth.ChangeRobots: members[4:], auth.RemoveRobots: members[4:], auth.ReadLog: members[4:],
			"tag:list": look, "repository:delete": members[3:], "repository:update": members[2:], "configuration:read": members, "configuration:update": members[4:],
			"export-cve:read": members[2:], "scan:read": members, "scan:create": members[3:], "sbom:read": members, "sbom:create": members[3:], "quota:read": members,
			"immutable-tag:list": members[3:], "immutable-tag:create": members[3:], "immutable-tag:delete": members[3:],
			"immutable-tag:update": members[3:],
			"label:list":           members[1:], "label:create": members[3:], "label:update": members[3:], "label:delete": members[3:],
			"artifact-label:create": members[2:], "artifact-label:delete": members[2:],
			"tag-retention:list": members[2:], "tag-retention:update": members[2:], "tag-retention:operate": members[2:],
			"notification-policy:list": members[3:], "notification-policy:create": members[4:],
			"notification-policy:update": members[4:], "notification-policy:delete": members[4:],
		}
	}
	absent := project(nil)
	for right := range absent {
		absent[right] = []string{"admin"}
	}
	return map[string]map[auth.Right][]string{"open": project(everyone), "closed": project(members), "absent": absent}
}

// newTestServer is a whole server, without its listener's port in use.
func newTestServer(t *testing.T, cfg config.Config) *Server {
	t.Helper()
	t.Setenv(AdminPasswordEnv, testPassword)
	cfg.Root = filepath.Join(t.TempDir(), "root")
	cfg.Listen, cfg.TLS.Off = "127.0.0.1:0", true
	cfg.Log.Level = "error"
	s, err := New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.closeListeners(); err != nil && !errors.Is(err, net.ErrClosed) { // by a test that served
			t.Error(err)
		}
		if err := s.state.close(true); err != nil {
			t.Error(err)
		}
	})
	return s
}

const testPassword = "correct horse"

func newPolicyServer(t *testing.T, creation string) *Server {
	t.Helper()
	s := newTestServer(t, config.Config{Projects: config.Projects{Creation: creation}})
	hash, err := s.state.hasher.Hash(t.Context(), testPassword)
	if err != nil {
		t.Fatal(err)
	}
	roles := []string{"limited-guest", "guest", "developer", "maintainer", "project-admin"}
	err = s.state.db.Update(t.Context(), func(ctx context.Context, tx *metadata.Tx) error {
		for _, name := range append(roles, "stranger") {
			if err := tx.AddUser(ctx, name, hash, false); err != nil {
				return err
			}
		}
		return nil
	})
	for _, project := range []string{"open", "closed"} {
		if err == nil {
			err = s.state.services.Projects.Create(t.Context(), auth.Operator(), project, project == "open")
		}
		for _, role := range roles {
			if err == nil {
				err = s.state.services.Projects.SetRole(t.Context(), auth.Operator(), project, role, role)
			}
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// ask sends a request through every layer of the server.
func (s *Server) ask(method, path, who, token string, body []byte) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://registry.test"+path, bytes.NewReader(body))
	switch {
	case token != "":
		r.Header.Set("Authorization", "Bearer "+token)
	case who != "":
		r.SetBasicAuth(who, testPassword)
	}
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	return w
}

func (s *Server) tokenFor(t *testing.T, who string, scopes ...string) string {
	t.Helper()
	return s.tokenBy(t, who, testPassword, scopes...)
}

func (s *Server) tokenBy(t *testing.T, who, secret string, scopes ...string) string {
	t.Helper()
	path := "/token?" + url.Values{"scope": scopes}.Encode()
	w := s.ask("GET", path, "", "", nil)
	if who != "" {
		w = s.as(who, secret, "GET", path)
	}
	var got wire.Token
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || got.Token == "" {
		t.Fatalf("token for %q: %d %s", who, w.Code, w.Body)
	}
	return got.Token
}

// TestPolicyMatrix asks every route as every principal, in every kind of
// project, with a password and with tokens.
func TestPolicyMatrix(t *testing.T) {
	cases := 0
	for _, creation := range []string{"admins", "everyone"} {
		s := newPolicyServer(t, creation)
		for project, rights := range had() {
			for _, who := range []string{"", "stranger", "limited-guest", "guest", "developer", "maintainer", "project-admin", "admin"} {
				repo := project + "/app"
				scopes := []string{"registry:catalog:*", "repository:" + repo + ":pull,push,delete"}
				modes := map[string]string{"password": "", "token": s.tokenFor(t, who, scopes...), "token for elsewhere": s.tokenFor(t, who, "repository:elsewhere/app:*")}
				for mode, token := range modes {
					for _, rt := range allRoutes() {
						if isPage(rt) || isAPI(rt) {
							continue // TestPolicyMatrixOfPages, TestPolicyMatrixOfTheAPI
						}
						allowed := slices.Contains(rights[rt.Right], who)
						if project == "absent" && creation == "everyone" && who != "" && (rt.Right == auth.Pull || rt.Right == auth.Push) {
							allowed = true
						}
						s.checkCell(t, rt, cell{creation, project, who, mode, token, allowed})
						cases++
						if project != "absent" || rt.Right != auth.Push {
							continue
						}
						if err := s.state.services.Projects.Remove(t.Context(), auth.Operator(), project); err != nil && !errors.Is(err, errdefs.ErrNotFound) {
							t.Fatal(err)
						}
					}
				}
			}
		}
	}
	t.Logf("%d cases: 8 principals, %d routes, 3 kinds of project, 3 ways to sign in, 2 settings", cases, len(policy()))
}

type cell struct {
	creation, project, who, mode, token string
	allowed                             bool
}

// checkCell compares one answer with the policy.
func (s *Server) checkCell(t *testing.T, rt Route, c cell) {
	t.Helper()
	elsewhere := c.mode == "token for elsewhere"
	var want string
	switch {
	case rt.Path == "/token" && rt.Method == "GET" && c.token != "":
		want = "401" // tokens are given for a password, not for a token
	case rt.Right == Open:
		want = "allowed"
	case rt.Right == SignIn && rt.Path == "/v2/_catalog" && elsewhere:
		want = "401"
	case rt.Right == SignIn && (c.who != "" || c.mode != "password"):
		want = "allowed"
	case rt.Right == SignIn:
		want = "401"
	case c.allowed && elsewhere:
		want = "401"
	case c.allowed:
		want = "allowed"
	case c.who == "":
		want = "401"
	default:
		want = "403"
	}
	path := rt.fill(c.project + "/app")
	w := s.ask(rt.Method, path, c.who, c.token, nil)
	got := "allowed"
	if w.Code == http.StatusUnauthorized || w.Code == http.StatusForbidden {
		got = fmt.Sprint(w.Code)
	}
	if got != want || w.Code >= 500 {
		t.Errorf("%s %s as %q with a %s, project %s, creation by %s: %d, want %s\n%s",
			rt.Method, path, c.who, c.mode, c.project, c.creation, w.Code, want, w.Body)
	}
	if w.Code == http.StatusUnauthorized && w.Header().Get("WWW-Authenticate") == "" {
		t.Errorf("%s %s: a 401 without a challenge", rt.Method, path)
	}
}

// allRoutes is the table that requests are routed by.
func allRoutes() []Route {
	all := (&Server{}).routes(nil, observe.New(), edges{&web.Pages{}, &api.API{}, harbor.New(edge.Config{})})
	for i := range all {
		all[i].Handler = nil // functions cannot be compared
	}
	return all
}

// TestEveryRouteHasARow holds the policy against the table that requests are
// routed by: a route without a row fails, or with another right or object, and so
// does a row without a route.
func TestEveryRouteHasARow(t *testing.T) {
	key := func(rt Route) string {
		return fmt.Sprintf("%s %s takes %q of the %s", rt.Method, rt.Path, rt.Right, rt.Object)
	}
	var rows, routes []string
	for _, rt := range slices.Concat(policy(), policyOfPages(), policyOfAPI(), policyOfHarbor()) {
		rows = append(rows, key(rt))
	}
	for _, rt := range allRoutes() {
		routes = append(routes, key(rt))
	}
	for _, rt := range routes {
		if !slices.Contains(rows, rt) {
			t.Errorf("%s, and the policy does not say so", rt)
		}
	}
	for _, row := range rows {
		if !slices.Contains(routes, row) {
			t.Errorf("the policy says that %s, and there is no such route", row)
		}
	}
}

// TestCreatorOwnsTheProject pushes to a project that does not exist.
func TestCreatorOwnsTheProject(t *testing.T) {
	s := newPolicyServer(t, "everyone")
	upload := func(who string) int {
		return s.ask("POST", "/v2/mine/app/blobs/uploads/", who, "", nil).Code
	}
	for i, tc := range []struct {
		who  string
		want int
	}{{"stranger", 202}, {"stranger", 202}, {"developer", 403}, {"", 401}, {"admin", 202}} {
		if got := upload(tc.who); got != tc.want {
			t.Errorf("push %d, by %q: %d, want %d", i, tc.who, got, tc.want)
		}
	}
	if w := s.ask("DELETE", "/v2/mine/app/manifests/absent", "stranger", "", nil); w.Code != http.StatusNotFound {
		t.Errorf("the creator may not delete: %d", w.Code)
	}
}

// TestRefusalsNameTheRight: a push asks for a pull too, and must not be told that
// it may not pull.
func TestRefusalsNameTheRight(t *testing.T) {
	s := newPolicyServer(t, "admins")
	for _, project := range []string{"closed", "absent"} {
		for _, tc := range []struct{ method, path, want string }{
			{"POST", "/blobs/uploads/", "may not push"},
			{"PUT", "/manifests/v1", "may not push"},
			{"GET", "/manifests/v1", "may not pull"},
			{"DELETE", "/manifests/v1", "may not delete"},
		} {
			w := s.ask(tc.method, "/v2/"+project+"/app"+tc.path, "stranger", "", nil)
			if w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), tc.want) {
				t.Errorf("%s %s in %s: %d %s, want %q", tc.method, tc.path, project, w.Code, w.Body, tc.want)
			}
		}
	}
}

// TestSecondWaysToABlob asks for a blob of a private project by every way that
// leads around it.
func TestSecondWaysToABlob(t *testing.T) {
	s := newPolicyServer(t, "admins")
	blob := []byte("a secret layer")
	dgst := digest.FromBytes(blob).String()
	if w := s.ask("POST", "/v2/closed/app/blobs/uploads/?digest="+dgst, "admin", "", blob); w.Code != http.StatusCreated {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	err := s.state.services.Projects.Create(t.Context(), auth.Operator(), "elsewhere", false)
	if err == nil {
		err = s.state.services.Projects.SetRole(t.Context(), auth.Operator(), "elsewhere", "stranger", "developer")
	}
	if err != nil {
		t.Fatal(err)
	}
	w := s.ask("POST", "/v2/closed/app/blobs/uploads/", "developer", "", nil)
	upload := strings.ReplaceAll(w.Header().Get("Location"), "closed/app", "elsewhere/app")
	for name, tc := range map[string]struct {
		method, path string
		want         int
	}{
		"mount":                        {"POST", "/v2/elsewhere/app/blobs/uploads/?mount=" + dgst + "&from=closed/app", 202},
		"mount from anywhere":          {"POST", "/v2/elsewhere/app/blobs/uploads/?mount=" + dgst, 202},
		"its digest elsewhere":         {"GET", "/v2/elsewhere/app/blobs/" + dgst, 404},
		"its digest elsewhere, HEAD":   {"HEAD", "/v2/elsewhere/app/blobs/" + dgst, 404},
		"as a manifest":                {"GET", "/v2/elsewhere/app/manifests/" + dgst, 404},
		"another's upload":             {"GET", upload, 404},
		"another's upload, to go on":   {"PATCH", upload, 404},
		"another's upload, to end":     {"PUT", upload + "?digest=" + dgst, 404},
		"another's upload, to cancel":  {"DELETE", upload, 404},
		"its digest at home":           {"GET", "/v2/closed/app/blobs/" + dgst, 403},
		"the repository under a slash": {"GET", "/v2//closed/app/blobs/" + dgst, 400},
		"dots":                         {"GET", "/v2/elsewhere/../closed/app/blobs/" + dgst, 400},
		"encoded dots":                 {"GET", "/v2/elsewhere/%2e%2e/closed/app/blobs/" + dgst, 400},
		"an encoded slash":             {"GET", "/v2/elsewhere%2f..%2fclosed/app/blobs/" + dgst, 400},
	} {
		for mode, token := range map[string]string{
			"password": "", "token": s.tokenFor(t, "stranger", "repository:elsewhere/app:pull,push", "repository:closed/app:pull"),
		} {
			w := s.ask(tc.method, tc.path, "stranger", token, nil)
			if w.Code != tc.want || strings.Contains(w.Body.String(), string(blob)) {
				t.Errorf("%s with a %s: %d, want %d\n%s", name, mode, w.Code, tc.want, w.Body)
			}
		}
	}
	// A manifest that names it must not make it a member either.
	m := fmt.Sprintf(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":`+
		`{"mediaType":"application/vnd.oci.image.config.v1+json","digest":%q,"size":%d},"layers":[]}`, dgst, len(blob))
	if w := s.ask("PUT", "/v2/elsewhere/app/manifests/steal", "stranger", "", []byte(m)); w.Code != http.StatusBadRequest ||
		!strings.Contains(w.Body.String(), "MANIFEST_BLOB_UNKNOWN") {
		t.Errorf("a manifest that names it: %d %s", w.Code, w.Body)
	}
	// The catalog shows what the caller may see.
	if w := s.ask("GET", "/v2/_catalog", "stranger", "", nil); strings.Contains(w.Body.String(), "closed") {
		t.Errorf("the catalog names a private repository: %s", w.Body)
	}
}
