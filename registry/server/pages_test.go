package server

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"cove/registry/auth"
	"cove/registry/metadata"
	"cove/registry/server/config"
	"cove/registry/web/session"
)

// policyOfPages is the part of the policy that is about pages. A GET is a HEAD too.
func policyOfPages() []Route {
	return []Route{
		{"GET", "/{$}", Open, "greeting", nil},
		{"GET", "/static/{file}", Open, "file of the pages", nil},
		{"GET", "/ca.crt", Open, "certificate", nil},
		{"GET", "/start", Open, "greeting", nil},
		{"POST", "/preferences", Open, "preferences", nil},
		{"GET", "/sign-in", Open, "session", nil},
		{"POST", "/sign-in", Open, "session", nil},
		{"GET", "/sign-in/oidc", Open, "session", nil},
		{"GET", "/sign-in/oidc/callback", Open, "session", nil},
		{"GET", "/sign-in/oidc/test", auth.ManageUsers, "users", nil},
		{"GET", "/system", auth.ManageJobs, "jobs", nil},
		{"GET", "/live/system", auth.ManageJobs, "jobs", nil},
		{"GET", "/gc", auth.ManageJobs, "jobs", nil},
		{"POST", "/gc", auth.ManageJobs, "jobs", nil},
		{"GET", "/password", Open, "link", nil},
		{"POST", "/password", Open, "link", nil},
		{"GET", "/register", Open, "account", nil},
		{"POST", "/register", Open, "account", nil},
		{"POST", "/sign-out", SignIn, "session", nil},
		{"GET", "/projects", Open, "visible projects", nil},
		{"POST", "/projects", SignIn, "projects", nil},
		{"GET", "/projects/{project}", auth.ReadProject, "project", nil},
		{"GET", "/projects/{project}/members", auth.ListMembers, "project", nil},
		{"POST", "/projects/{project}/members", auth.SetMembers, "project", nil},
		{"GET", "/projects/{project}/settings", auth.SetVisibility, "project", nil},
		{"POST", "/projects/{project}/visibility", auth.SetVisibility, "project", nil},
		{"POST", "/projects/{project}/remove", auth.RemoveProject, "project", nil},
		{"POST", "/projects/{project}/rename", auth.RemoveProject, "project", nil},
		{"POST", "/projects/{project}/release", auth.SetVisibility, "project", nil},
		{"POST", "/repositories/rename/{repository...}", "repository:delete", "repository", nil},
		{"GET", "/search", Open, "visible names", nil},
		{"GET", "/repositories/{repository...}", auth.Read, "repository", nil},
		{"GET", "/live/repositories/{repository...}", auth.Read, "repository", nil},
		{"POST", "/tags/delete/{repository...}", auth.Delete, "repository", nil},
		{"POST", "/tags/restore/{repository...}", auth.Push, "repository", nil},
		{"GET", "/artifacts/{artifact...}", auth.Read, "manifest", nil},
		{"GET", "/files/{artifact...}", auth.Pull, "manifest", nil},
		{"GET", "/compare/{artifact...}", auth.Pull, "manifest", nil},
		{"GET", "/download/{artifact...}", auth.Pull, "manifest", nil},
		{"POST", "/artifacts/delete/{artifact...}", auth.Delete, "manifest", nil},
		{"GET", "/account", SignIn, "account", nil},
		{"POST", "/account/password", SignIn, "account", nil},
		{"POST", "/account/sessions", SignIn, "account", nil},
		{"GET", "/projects/{project}/robots", auth.ListRobots, "project", nil},
		{"POST", "/projects/{project}/robots", auth.CreateRobots, "project", nil},
		{"POST", "/projects/{project}/robots/{robot}/secret", auth.ChangeRobots, "project", nil},
		{"POST", "/projects/{project}/robots/{robot}/change", auth.ChangeRobots, "project", nil},
		{"POST", "/projects/{project}/robots/{robot}/remove", auth.RemoveRobots, "project", nil},
		{"GET", "/projects/{project}/trust", auth.ListRobots, "project", nil},
		{"POST", "/projects/{project}/trust", auth.CreateRobots, "project", nil},
		{"POST", "/projects/{project}/trust/check", auth.ListRobots, "project", nil},
		{"GET", "/projects/{project}/trust/{rule}", auth.ListRobots, "project", nil},
		{"POST", "/projects/{project}/trust/{rule}/change", auth.ChangeRobots, "project", nil},
		{"POST", "/projects/{project}/trust/{rule}/switch", auth.ChangeRobots, "project", nil},
		{"POST", "/projects/{project}/trust/{rule}/remove", auth.RemoveRobots, "project", nil},
		{"GET", "/trust", auth.ManageUsers, "users", nil},
		{"POST", "/trust", auth.ManageUsers, "users", nil},
		{"POST", "/trust/check", auth.ManageUsers, "users", nil},
		{"GET", "/trust/{rule}", auth.ManageUsers, "users", nil},
		{"POST", "/trust/{rule}/change", auth.ManageUsers, "users", nil},
		{"POST", "/trust/{rule}/switch", auth.ManageUsers, "users", nil},
		{"POST", "/trust/{rule}/remove", auth.ManageUsers, "users", nil},
		{"GET", "/robots", auth.ManageUsers, "users", nil},
		{"POST", "/robots", auth.ManageUsers, "users", nil},
		{"POST", "/robots/{robot}/secret", auth.ManageUsers, "users", nil},
		{"POST", "/robots/{robot}/change", auth.ManageUsers, "users", nil},
		{"POST", "/robots/{robot}/remove", auth.ManageUsers, "users", nil},
		{"GET", "/account/tokens", SignIn, "account", nil},
		{"POST", "/account/tokens", SignIn, "account", nil},
		{"POST", "/account/tokens/remove", SignIn, "account", nil},
		{"GET", "/groups", auth.ManageUsers, "users", nil},
		{"POST", "/groups", auth.ManageUsers, "users", nil},
		{"POST", "/groups/users", auth.ManageUsers, "users", nil},
		{"POST", "/groups/remove", auth.ManageUsers, "users", nil},
		{"GET", "/access", SignIn, "account", nil},
		{"GET", "/roles", SignIn, "roles", nil},
		{"POST", "/roles", auth.ManageRoles, "roles", nil},
		{"POST", "/roles/remove", auth.ManageRoles, "roles", nil},
		{"GET", "/users", auth.ManageUsers, "users", nil},
		{"POST", "/users", auth.ManageUsers, "users", nil},
		{"POST", "/users/{user}/password", auth.ManageUsers, "users", nil},
		{"POST", "/users/{user}/link", auth.ManageUsers, "users", nil},
		{"POST", "/users/{user}/unlink", auth.ManageUsers, "users", nil},
		{"POST", "/users/{user}/change", auth.ManageUsers, "users", nil},
		{"POST", "/users/{user}/remove", auth.ManageUsers, "users", nil},
		{"GET", "/audit", auth.ReadAudit, "audit log", nil},
		{"GET", "/live/audit", auth.ReadAudit, "audit log", nil},
		{"GET", "/jobs", auth.ManageJobs, "jobs", nil},
		{"GET", "/live/jobs", auth.ManageJobs, "jobs", nil},
		{"GET", "/jobs/{job}", auth.ManageJobs, "jobs", nil},
		{"GET", "/live/jobs/{job}", auth.ManageJobs, "jobs", nil},
		{"POST", "/jobs/{job}/stop", auth.ManageJobs, "jobs", nil},
		{"POST", "/jobs/{job}/retry", auth.ManageJobs, "jobs", nil},
		{"POST", "/queues/{kind}/pause", auth.ManageJobs, "jobs", nil},
		{"POST", "/queues/{kind}/resume", auth.ManageJobs, "jobs", nil},
		{"GET", "/replication", auth.ManageRegistries, "registries", nil},
		{"GET", "/live/replication", auth.ManageRegistries, "registries", nil},
		{"POST", "/replication/endpoints", auth.ManageRegistries, "registries", nil},
		{"POST", "/replication/endpoints/test", auth.ManageRegistries, "registries", nil},
		{"POST", "/replication/endpoints/remove", auth.ManageRegistries, "registries", nil},
		{"POST", "/replication/rules", auth.ManageRegistries, "registries", nil},
		{"POST", "/replication/rules/run", auth.ManageRegistries, "registries", nil},
		{"POST", "/replication/rules/enable", auth.ManageRegistries, "registries", nil},
		{"POST", "/replication/rules/remove", auth.ManageRegistries, "registries", nil},
		{"POST", "/replication/proxies", auth.ManageRegistries, "registries", nil},
		{"POST", "/replication/proxies/remove", auth.ManageRegistries, "registries", nil},
		{"GET", "/replication/runs/{run}", auth.ManageRegistries, "registries", nil},
		{"GET", "/live/replication/runs/{run}", auth.ManageRegistries, "registries", nil},
		{"POST", "/replication/runs/{run}/stop", auth.ManageRegistries, "registries", nil},
		{"POST", "/replication/runs/{run}/retry", auth.ManageRegistries, "registries", nil},
		{"GET", "/history/{repository...}", "tag:list", "repository", nil},
		{"POST", "/restore/{repository...}", auth.Push, "repository", nil},
		{"POST", "/repositories/delete/{repository...}", "repository:delete", "repository", nil},
		{"GET", "/projects/{project}/retention", "tag-retention:list", "project", nil},
		{"POST", "/projects/{project}/retention", "tag-retention:update", "project", nil},
		{"POST", "/projects/{project}/retention/{rule}/remove", "tag-retention:update", "project", nil},
		{"POST", "/projects/{project}/retention/schedule", "tag-retention:update", "project", nil},
		{"POST", "/projects/{project}/retention/run", "tag-retention:operate", "project", nil},
		{"GET", "/usage/{repository...}", "quota:read", "repository", nil},
		{"GET", "/usage", "system:manage-quotas", "quotas", nil},
		{"POST", "/quota", "system:manage-quotas", "quotas", nil},
		{"GET", "/projects/{project}/usage", "quota:read", "project", nil},
		{"POST", "/projects/{project}/quota", "system:manage-quotas", "quotas", nil},
		{"GET", "/projects/{project}/webhooks", "notification-policy:list", "project", nil},
		{"POST", "/projects/{project}/webhooks", "notification-policy:create", "project", nil},
		{"GET", "/projects/{project}/webhooks/{webhook}", "notification-policy:list", "project", nil},
		{"GET", "/live/projects/{project}/webhooks/{webhook}", "notification-policy:list", "project", nil},
		{"POST", "/projects/{project}/webhooks/{webhook}", "notification-policy:update", "project", nil},
		{"POST", "/projects/{project}/webhooks/{webhook}/remove", "notification-policy:delete", "project", nil},
		{"POST", "/projects/{project}/webhooks/{webhook}/test", "notification-policy:update", "project", nil},
		{"POST", "/projects/{project}/webhooks/{webhook}/deliveries/{delivery}/stop", "notification-policy:update", "project", nil},
		{"POST", "/projects/{project}/webhooks/{webhook}/deliveries/{delivery}/retry", "notification-policy:update", "project", nil},
		{"GET", "/security", "system:read-scans", "security", nil},
		{"GET", "/live/security", "system:read-scans", "security", nil},
		{"POST", "/security/scan", "system:manage-scans", "security", nil},
		{"POST", "/security/scanners", "system:manage-scans", "security", nil},
		{"POST", "/security/scanners/test", "system:manage-scans", "security", nil},
		{"POST", "/security/scanners/remove", "system:manage-scans", "security", nil},
		{"GET", "/security/vulnerabilities.csv", "system:read-scans", "security", nil},
		{"GET", "/projects/{project}/vulnerabilities.csv", "export-cve:read", "project", nil},
		{"GET", "/security/vulnerabilities/{vulnerability}", "system:read-scans", "security", nil},
		{"GET", "/scans/{artifact...}", "scan:read", "manifest", nil},
		{"GET", "/live/scans/{artifact...}", "scan:read", "manifest", nil},
		{"POST", "/scans/{artifact...}", "scan:create", "manifest", nil},
		{"GET", "/projects/{project}/scanning", "scan:read", "project", nil},
		{"GET", "/live/projects/{project}/scanning", "scan:read", "project", nil},
		{"POST", "/projects/{project}/scanning", "configuration:update", "project", nil},
		{"POST", "/projects/{project}/exceptions", "configuration:update", "project", nil},
		{"POST", "/projects/{project}/exceptions/remove", "configuration:update", "project", nil},
		{"GET", "/projects/{project}/signing", "configuration:read", "project", nil},
		{"POST", "/projects/{project}/signing", "configuration:update", "project", nil},
		{"POST", "/projects/{project}/signing/keys", "configuration:update", "project", nil},
		{"POST", "/projects/{project}/signing/keys/remove", "configuration:update", "project", nil},
		{"GET", "/projects/{project}/policies", "configuration:read", "project", nil},
		{"POST", "/restore-project", SignIn, "projects", nil},
		{"POST", "/projects/{project}/immutable", "immutable-tag:create", "project", nil},
		{"POST", "/projects/{project}/immutable/{rule}/remove", "immutable-tag:delete", "project", nil},
		{"POST", "/repositories/describe/{repository...}", "repository:update", "repository", nil},
		{"GET", "/space/{artifact...}", auth.Pull, "manifest", nil},
		{"GET", "/projects/{project}/labels", "label:list", "project", nil},
		{"POST", "/projects/{project}/labels", "label:create", "project", nil},
		{"POST", "/projects/{project}/labels/{label}", "label:update", "project", nil},
		{"POST", "/projects/{project}/labels/{label}/remove", "label:delete", "project", nil},
		{"POST", "/projects/{project}/labels/restore", "label:delete", "project", nil},
		{"POST", "/labels/restore", "system:manage-labels", "labels", nil},
		{"GET", "/labels", "system:manage-labels", "labels", nil},
		{"POST", "/labels", "system:manage-labels", "labels", nil},
		{"POST", "/labels/{label}", "system:manage-labels", "labels", nil},
		{"POST", "/labels/{label}/remove", "system:manage-labels", "labels", nil},
		{"POST", "/artifacts/label/{artifact...}", "artifact-label:create", "manifest", nil},
		{"POST", "/artifacts/unlabel/{artifact...}", "artifact-label:delete", "manifest", nil},
	}
}

func isPage(rt Route) bool {
	return slices.ContainsFunc(policyOfPages(), func(p Route) bool { return p.Method == rt.Method && p.Path == rt.Path })
}

// hadOnPages says who has the rights that only pages and services take.
func hadOnPages(project string, right auth.Right, who string) bool {
	switch right {
	case Open:
		return true
	case SignIn:
		return who != ""
	case auth.ManageUsers, auth.ReadAudit, auth.ManageRoles, auth.ExplainAccess, auth.ManageJobs, auth.ManageRegistries,
		"system:manage-quotas", "system:read-scans", "system:manage-scans", "system:manage-labels":
		return who == "admin"
	}
	return slices.Contains(had()[project][right], who)
}

// TestPolicyMatrixOfPages asks every page as every principal, in every kind of
// project, with a session; and never with a password or a token, which pages do
// not take.
func TestPolicyMatrixOfPages(t *testing.T) {
	s := newPolicyServer(t, "admins")
	for _, project := range []string{"open", "closed", "absent"} {
		for _, who := range []string{"", "stranger", "limited-guest", "guest", "developer", "maintainer", "project-admin", "admin"} {
			for _, rt := range policyOfPages() {
				want := "allowed"
				switch {
				case !hadOnPages(project, rt.Right, who) && who != "":
					want = "403"
				case !hadOnPages(project, rt.Right, who) && rt.Method == "GET":
					want = "to the sign-in"
				case !hadOnPages(project, rt.Right, who):
					want = "401"
				}
				w := s.visit(t, rt, project, who)
				if got := outcome(w, rt); got != want || w.Code >= 500 {
					t.Errorf("%s %s as %q in project %s: %d (%s), want %s\n%s", rt.Method, rt.Path, who, project, w.Code, got, want, w.Body)
				}
			}
		}
	}
}

// outcome is what became of a request.
func outcome(w *httptest.ResponseRecorder, rt Route) string {
	switch {
	case rt.Path == "/sign-in": // it answers 401 to a wrong password
		return "allowed"
	case w.Code == http.StatusUnauthorized, w.Code == http.StatusForbidden:
		return fmt.Sprint(w.Code)
	case strings.HasPrefix(w.Header().Get("Location"), "/sign-in?next="):
		return "to the sign-in"
	}
	return "allowed"
}

// visit sends the request of a browser in which who is signed in.
func (s *Server) visit(t *testing.T, rt Route, project, who string) *httptest.ResponseRecorder {
	t.Helper()
	path := strings.NewReplacer("{$}", "", "{project}", project, "{repository...}", project+"/app", "{user}", "absent", "{robot}", "absent",
		"{artifact...}", project+"/app@"+absentDigest, "{file}", "absent.css", "{job}", "1", "{kind}", "webhook", "{rule}", "1", "{webhook}", "1", "{delivery}", "1").Replace(rt.Path)
	guard, err := session.NewGuard("")
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(rt.Method, "http://registry.test"+path, nil)
	r.Header.Set("Accept", "text/html")
	r.SetBasicAuth("admin", testPassword) // counts for nothing
	if who != "" {
		u, err := s.state.db.UserByName(t.Context(), who)
		if err != nil {
			t.Fatal(err)
		}
		token, err := session.New(session.Config{DB: s.state.db}).Begin(t.Context(), u, session.Origin{})
		if err != nil {
			t.Fatal(err)
		}
		guard.Use(r, token)
	} else {
		guard.UseVisitor(r, "visitor")
	}
	r.Header.Set(session.Header, guard.FormToken(httptest.NewRecorder(), r))
	// A stream goes on until the browser goes away, which it does after the first event.
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(leaving{w, leave}, r.WithContext(ctx))
	return w
}

// leaving is an answer that is not waited for once something of it was sent.
type leaving struct {
	*httptest.ResponseRecorder
	leave context.CancelFunc
}

func (l leaving) Flush() { l.leave() }

// TestSessionsEndAtOnce ends sessions in every way there is, and asks again.
func TestSessionsEndAtOnce(t *testing.T) {
	s := newPolicyServer(t, "admins")
	accounts := s.state.services.Accounts
	for name, end := range map[string]func(u metadata.User) error{
		"guest": func(u metadata.User) error { return accounts.Remove(t.Context(), auth.Operator(), u.Name) },
		"developer": func(u metadata.User) error {
			return accounts.SetPassword(t.Context(), auth.Operator(), u.Name, "another one")
		},
	} {
		u, err := s.state.db.UserByName(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		token, err := session.New(session.Config{DB: s.state.db}).Begin(t.Context(), u, session.Origin{})
		if err != nil {
			t.Fatal(err)
		}
		guard, err := session.NewGuard("")
		if err != nil {
			t.Fatal(err)
		}
		account := func() int {
			r := httptest.NewRequest("GET", "http://registry.test/account", nil)
			guard.Use(r, token)
			w := httptest.NewRecorder()
			s.handler.ServeHTTP(w, r)
			return w.Code
		}
		if got := account(); got != 200 {
			t.Fatalf("%s, signed in: %d", name, got)
		}
		if err := end(u); err != nil {
			t.Fatal(err)
		}
		if got := account(); got != 303 {
			t.Errorf("%s, after the end: %d", name, got)
		}
	}
}

// TestPagesBehindAProxy: with an https URL outside, cookies are for TLS alone and
// commands name it.
func TestPagesBehindAProxy(t *testing.T) {
	s := newTestServer(t, config.Config{ExternalURL: "https://hub.example.com"})
	r := httptest.NewRequest("GET", "http://10.0.0.1:5000/start", nil)
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	cookie := w.Header().Get("Set-Cookie")
	for _, want := range []string{"__Host-", "Secure", "HttpOnly", "SameSite=Lax", "Path=/"} {
		if !strings.Contains(cookie, want) {
			t.Errorf("cookie %q lacks %s", cookie, want)
		}
	}
	if body := w.Body.String(); !strings.Contains(body, "docker push hub.example.com/library/hello:v1") {
		t.Error(body)
	}
	form := url.Values{"name": {"admin"}, "password": {testPassword}}
	r = httptest.NewRequest("POST", "http://10.0.0.1:5000/sign-in", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", "https://hub.example.com")
	for _, c := range w.Result().Cookies() {
		r.AddCookie(c)
	}
	guard, err := session.NewGuard("https://hub.example.com")
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set(session.Header, guard.FormToken(httptest.NewRecorder(), r))
	w = httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	if w.Code != 303 || !strings.Contains(w.Header().Get("Set-Cookie"), "__Host-cove_session=") {
		t.Errorf("sign-in through the proxy: %d %v", w.Code, w.Header())
	}
}
