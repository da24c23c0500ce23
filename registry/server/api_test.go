package server

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"cove/registry/accounts"
	"cove/registry/auth"
)

// policyOfAPI is the part of the policy that is about the API. A GET is a HEAD too.
func policyOfAPI() []Route {
	return []Route{
		{"GET", "/api/v1/openapi.json", Open, "document", nil},
		{"GET", "/api/v1/me", SignIn, "account", nil},
		{"PUT", "/api/v1/me/password", SignIn, "account", nil},
		{"GET", "/api/v1/users", auth.ManageUsers, "users", nil},
		{"POST", "/api/v1/users", auth.ManageUsers, "users", nil},
		{"GET", "/api/v1/users/{user}", auth.ManageUsers, "users", nil},
		{"PATCH", "/api/v1/users/{user}", auth.ManageUsers, "users", nil},
		{"PUT", "/api/v1/users/{user}/password", auth.ManageUsers, "users", nil},
		{"POST", "/api/v1/users/{user}/password-link", auth.ManageUsers, "users", nil},
		{"DELETE", "/api/v1/users/{user}/password-link", auth.ManageUsers, "users", nil},
		{"DELETE", "/api/v1/users/{user}", auth.ManageUsers, "users", nil},
		{"GET", "/api/v1/audit", auth.ReadAudit, "audit log", nil},
		{"GET", "/api/v1/audit/forwards", auth.ReadAudit, "audit log", nil},
		{"GET", "/api/v1/jobs", auth.ManageJobs, "jobs", nil},
		{"GET", "/api/v1/jobs/{job}", auth.ManageJobs, "jobs", nil},
		{"POST", "/api/v1/jobs/{job}/stop", auth.ManageJobs, "jobs", nil},
		{"POST", "/api/v1/jobs/{job}/retry", auth.ManageJobs, "jobs", nil},
		{"GET", "/api/v1/queues", auth.ManageJobs, "jobs", nil},
		{"POST", "/api/v1/queues/{kind}/pause", auth.ManageJobs, "jobs", nil},
		{"POST", "/api/v1/queues/{kind}/resume", auth.ManageJobs, "jobs", nil},
		{"GET", "/api/v1/schedules", auth.ManageJobs, "jobs", nil},
		{"GET", "/api/v1/proxies", auth.ManageRegistries, "registries", nil},
		{"PUT", "/api/v1/proxies/{project}", auth.ManageRegistries, "registries", nil},
		{"DELETE", "/api/v1/proxies/{project}", auth.ManageRegistries, "registries", nil},
		{"GET", "/api/v1/endpoints", auth.ManageRegistries, "registries", nil},
		{"POST", "/api/v1/endpoints", auth.ManageRegistries, "registries", nil},
		{"GET", "/api/v1/endpoints/{endpoint}", auth.ManageRegistries, "registries", nil},
		{"PUT", "/api/v1/endpoints/{endpoint}", auth.ManageRegistries, "registries", nil},
		{"DELETE", "/api/v1/endpoints/{endpoint}", auth.ManageRegistries, "registries", nil},
		{"POST", "/api/v1/endpoints/{endpoint}/test", auth.ManageRegistries, "registries", nil},
		{"GET", "/api/v1/replication/rules", auth.ManageRegistries, "registries", nil},
		{"POST", "/api/v1/replication/rules", auth.ManageRegistries, "registries", nil},
		{"GET", "/api/v1/replication/rules/{rule}", auth.ManageRegistries, "registries", nil},
		{"PUT", "/api/v1/replication/rules/{rule}", auth.ManageRegistries, "registries", nil},
		{"PATCH", "/api/v1/replication/rules/{rule}", auth.ManageRegistries, "registries", nil},
		{"DELETE", "/api/v1/replication/rules/{rule}", auth.ManageRegistries, "registries", nil},
		{"POST", "/api/v1/replication/rules/{rule}/runs", auth.ManageRegistries, "registries", nil},
		{"GET", "/api/v1/replication/runs", auth.ManageRegistries, "registries", nil},
		{"GET", "/api/v1/replication/runs/{run}", auth.ManageRegistries, "registries", nil},
		{"GET", "/api/v1/replication/runs/{run}/tags", auth.ManageRegistries, "registries", nil},
		{"POST", "/api/v1/replication/runs/{run}/stop", auth.ManageRegistries, "registries", nil},
		{"POST", "/api/v1/replication/runs/{run}/retry", auth.ManageRegistries, "registries", nil},
		{"GET", "/api/v1/history/{repository...}", "tag:list", "repository", nil},
		{"GET", "/api/v1/deleted/{repository...}", "tag:list", "repository", nil},
		{"POST", "/api/v1/restore/{repository...}", auth.Push, "repository", nil},
		{"DELETE", "/api/v1/repositories/{repository...}", "repository:delete", "repository", nil},
		{"POST", "/api/v1/rename/{repository...}", "repository:delete", "repository", nil},
		{"POST", "/api/v1/projects/{project}/rename", auth.RemoveProject, "project", nil},
		{"GET", "/api/v1/projects/{project}/former-names", auth.ReadProject, "project", nil},
		{"DELETE", "/api/v1/projects/{project}/former-names/{name...}", auth.SetVisibility, "project", nil},
		{"GET", "/api/v1/projects/{project}/usage", "quota:read", "project", nil},
		{"GET", "/api/v1/usage/{repository...}", "quota:read", "repository", nil},
		{"GET", "/api/v1/projects/{project}/retention", "tag-retention:list", "project", nil},
		{"POST", "/api/v1/projects/{project}/retention", "tag-retention:update", "project", nil},
		{"DELETE", "/api/v1/projects/{project}/retention/{rule}", "tag-retention:update", "project", nil},
		{"PUT", "/api/v1/projects/{project}/retention/schedule", "tag-retention:update", "project", nil},
		{"GET", "/api/v1/projects/{project}/retention/preview", "tag-retention:list", "project", nil},
		{"POST", "/api/v1/projects/{project}/retention/run", "tag-retention:operate", "project", nil},
		{"GET", "/api/v1/quotas", "system:manage-quotas", "quotas", nil},
		{"GET", "/api/v1/quotas/default", "system:manage-quotas", "quotas", nil},
		{"PUT", "/api/v1/quotas/default", "system:manage-quotas", "quotas", nil},
		{"POST", "/api/v1/quotas/recount", "system:manage-quotas", "quotas", nil},
		{"GET", "/api/v1/projects/{project}/quota", "quota:read", "project", nil},
		{"PUT", "/api/v1/projects/{project}/quota", "system:manage-quotas", "quotas", nil},
		{"DELETE", "/api/v1/projects/{project}/quota", "system:manage-quotas", "quotas", nil},
		{"GET", "/api/v1/scans/{artifact...}", "scan:read", "manifest", nil},
		{"POST", "/api/v1/scans/{artifact...}", "scan:create", "manifest", nil},
		{"GET", "/api/v1/sboms/{artifact...}", "sbom:read", "manifest", nil},
		{"POST", "/api/v1/sboms/{artifact...}", "sbom:create", "manifest", nil},
		{"GET", "/api/v1/security", "system:read-scans", "security", nil},
		{"POST", "/api/v1/security/scan", "system:manage-scans", "security", nil},
		{"GET", "/api/v1/security/artifacts", "system:read-scans", "security", nil},
		{"GET", "/api/v1/projects/{project}/vulnerable", "scan:read", "project", nil},
		{"GET", "/api/v1/security/vulnerabilities.csv", "system:read-scans", "security", nil},
		{"GET", "/api/v1/projects/{project}/vulnerabilities.csv", "export-cve:read", "project", nil},
		{"GET", "/api/v1/security/vulnerabilities/{vulnerability}", "system:read-scans", "security", nil},
		{"GET", "/api/v1/security/databases", "system:read-scans", "security", nil},
		{"PUT", "/api/v1/security/databases/{database}", "system:manage-scans", "security", nil},
		{"DELETE", "/api/v1/security/databases/{database}", "system:manage-scans", "security", nil},
		{"GET", "/api/v1/security/scanners", "system:read-scans", "security", nil},
		{"POST", "/api/v1/security/scanners", "system:manage-scans", "security", nil},
		{"GET", "/api/v1/security/scanners/{scanner}", "system:manage-scans", "security", nil},
		{"PUT", "/api/v1/security/scanners/{scanner}", "system:manage-scans", "security", nil},
		{"DELETE", "/api/v1/security/scanners/{scanner}", "system:manage-scans", "security", nil},
		{"POST", "/api/v1/security/scanners/{scanner}/test", "system:manage-scans", "security", nil},
		{"GET", "/api/v1/security/exceptions", "system:read-scans", "security", nil},
		{"PUT", "/api/v1/security/exceptions/{vulnerability}", "system:manage-scans", "security", nil},
		{"DELETE", "/api/v1/security/exceptions/{vulnerability}", "system:manage-scans", "security", nil},
		{"GET", "/api/v1/projects/{project}/scanning", "configuration:read", "project", nil},
		{"PUT", "/api/v1/projects/{project}/scanning", "configuration:update", "project", nil},
		{"GET", "/api/v1/projects/{project}/scanning/exceptions", "configuration:read", "project", nil},
		{"PUT", "/api/v1/projects/{project}/scanning/exceptions/{vulnerability}", "configuration:update", "project", nil},
		{"DELETE", "/api/v1/projects/{project}/scanning/exceptions/{vulnerability}", "configuration:update", "project", nil},
		{"GET", "/api/v1/signatures/{artifact...}", auth.Read, "manifest", nil},
		{"GET", "/api/v1/projects/{project}/signing", "configuration:read", "project", nil},
		{"PUT", "/api/v1/projects/{project}/signing", "configuration:update", "project", nil},
		{"POST", "/api/v1/projects/{project}/signing/keys", "configuration:update", "project", nil},
		{"DELETE", "/api/v1/projects/{project}/signing/keys/{key}", "configuration:update", "project", nil},
		{"GET", "/api/v1/projects/{project}/immutable", "immutable-tag:list", "project", nil},
		{"POST", "/api/v1/projects/{project}/immutable", "immutable-tag:create", "project", nil},
		{"DELETE", "/api/v1/projects/{project}/immutable/{rule}", "immutable-tag:delete", "project", nil},
		{"GET", "/api/v1/repositories/{repository...}", auth.Read, "repository", nil},
		{"GET", "/api/v1/descriptions/{repository...}", auth.Read, "repository", nil},
		{"PUT", "/api/v1/descriptions/{repository...}", "repository:update", "repository", nil},
		{"GET", "/api/v1/space/{artifact...}", auth.Pull, "manifest", nil},
		{"GET", "/api/v1/projects/{project}/labels", "label:list", "project", nil},
		{"POST", "/api/v1/projects/{project}/labels", "label:create", "project", nil},
		{"GET", "/api/v1/projects/{project}/labels/{label}", "label:list", "project", nil},
		{"PATCH", "/api/v1/projects/{project}/labels/{label}", "label:update", "project", nil},
		{"DELETE", "/api/v1/projects/{project}/labels/{label}", "label:delete", "project", nil},
		{"POST", "/api/v1/projects/{project}/labels/restore", "label:delete", "project", nil},
		{"POST", "/api/v1/labels/restore", "system:manage-labels", "labels", nil},
		{"GET", "/api/v1/labels", SignIn, "labels", nil},
		{"POST", "/api/v1/labels", "system:manage-labels", "labels", nil},
		{"GET", "/api/v1/labels/{label}", SignIn, "labels", nil},
		{"PATCH", "/api/v1/labels/{label}", "system:manage-labels", "labels", nil},
		{"DELETE", "/api/v1/labels/{label}", "system:manage-labels", "labels", nil},
		{"POST", "/api/v1/artifact-labels/{artifact...}", "artifact-label:create", "manifest", nil},
		{"DELETE", "/api/v1/artifact-labels/{artifact...}", "artifact-label:delete", "manifest", nil},
		{"GET", "/api/v1/projects/{project}/webhooks", "notification-policy:list", "project", nil},
		{"POST", "/api/v1/projects/{project}/webhooks", "notification-policy:create", "project", nil},
		{"GET", "/api/v1/projects/{project}/webhooks/{webhook}", "notification-policy:list", "project", nil},
		{"PATCH", "/api/v1/projects/{project}/webhooks/{webhook}", "notification-policy:update", "project", nil},
		{"DELETE", "/api/v1/projects/{project}/webhooks/{webhook}", "notification-policy:delete", "project", nil},
		{"POST", "/api/v1/projects/{project}/webhooks/{webhook}/test", "notification-policy:update", "project", nil},
		{"GET", "/api/v1/projects/{project}/webhooks/{webhook}/attempts", "notification-policy:list", "project", nil},
		{"GET", "/api/v1/projects/{project}/webhooks/{webhook}/deliveries", "notification-policy:list", "project", nil},
		{"POST", "/api/v1/projects/{project}/webhooks/{webhook}/deliveries/{delivery}/stop", "notification-policy:update", "project", nil},
		{"POST", "/api/v1/projects/{project}/webhooks/{webhook}/deliveries/{delivery}/retry", "notification-policy:update", "project", nil},
		{"GET", "/api/v1/projects", Open, "visible projects", nil},
		{"POST", "/api/v1/projects", SignIn, "projects", nil},
		{"GET", "/api/v1/projects/{project}", auth.ReadProject, "project", nil},
		{"PATCH", "/api/v1/projects/{project}", auth.SetVisibility, "project", nil},
		{"DELETE", "/api/v1/projects/{project}", auth.RemoveProject, "project", nil},
		{"POST", "/api/v1/projects/{project}/restore", SignIn, "projects", nil},
		{"GET", "/api/v1/projects/{project}/members", auth.ListMembers, "project", nil},
		{"PUT", "/api/v1/projects/{project}/members/{user}", auth.SetMembers, "project", nil},
		{"DELETE", "/api/v1/projects/{project}/members/{user}", auth.SetMembers, "project", nil},
		{"GET", "/api/v1/members", auth.ManageUsers, "users", nil},
		{"PUT", "/api/v1/members/{user}", auth.ManageUsers, "users", nil},
		{"GET", "/api/v1/groups", auth.ManageUsers, "users", nil},
		{"POST", "/api/v1/groups", auth.ManageUsers, "users", nil},
		{"DELETE", "/api/v1/groups/{group}", auth.ManageUsers, "users", nil},
		{"GET", "/api/v1/groups/{group}/users", auth.ManageUsers, "users", nil},
		{"PUT", "/api/v1/groups/{group}/users/{user}", auth.ManageUsers, "users", nil},
		{"DELETE", "/api/v1/groups/{group}/users/{user}", auth.ManageUsers, "users", nil},
		{"GET", "/api/v1/roles", SignIn, "roles", nil},
		{"PUT", "/api/v1/roles/{role}", auth.ManageRoles, "roles", nil},
		{"DELETE", "/api/v1/roles/{role}", auth.ManageRoles, "roles", nil},
		{"GET", "/api/v1/projects/{project}/robots", auth.ListRobots, "project", nil},
		{"POST", "/api/v1/projects/{project}/robots", auth.CreateRobots, "project", nil},
		{"GET", "/api/v1/projects/{project}/robots/{robot}", auth.ListRobots, "project", nil},
		{"PATCH", "/api/v1/projects/{project}/robots/{robot}", auth.ChangeRobots, "project", nil},
		{"POST", "/api/v1/projects/{project}/robots/{robot}/secret", auth.ChangeRobots, "project", nil},
		{"DELETE", "/api/v1/projects/{project}/robots/{robot}", auth.RemoveRobots, "project", nil},
		{"GET", "/api/v1/robots", auth.ManageUsers, "users", nil},
		{"POST", "/api/v1/robots", auth.ManageUsers, "users", nil},
		{"GET", "/api/v1/robots/{robot}", auth.ManageUsers, "users", nil},
		{"PATCH", "/api/v1/robots/{robot}", auth.ManageUsers, "users", nil},
		{"POST", "/api/v1/robots/{robot}/secret", auth.ManageUsers, "users", nil},
		{"DELETE", "/api/v1/robots/{robot}", auth.ManageUsers, "users", nil},
		{"GET", "/api/v1/projects/{project}/trust", auth.ListRobots, "project", nil},
		{"POST", "/api/v1/projects/{project}/trust", auth.CreateRobots, "project", nil},
		{"POST", "/api/v1/projects/{project}/trust/check", auth.ListRobots, "project", nil},
		{"GET", "/api/v1/projects/{project}/trust/{rule}", auth.ListRobots, "project", nil},
		{"PUT", "/api/v1/projects/{project}/trust/{rule}", auth.ChangeRobots, "project", nil},
		{"PATCH", "/api/v1/projects/{project}/trust/{rule}", auth.ChangeRobots, "project", nil},
		{"DELETE", "/api/v1/projects/{project}/trust/{rule}", auth.RemoveRobots, "project", nil},
		{"GET", "/api/v1/trust", auth.ManageUsers, "users", nil},
		{"POST", "/api/v1/trust", auth.ManageUsers, "users", nil},
		{"POST", "/api/v1/trust/check", auth.ManageUsers, "users", nil},
		{"GET", "/api/v1/trust/{rule}", auth.ManageUsers, "users", nil},
		{"PUT", "/api/v1/trust/{rule}", auth.ManageUsers, "users", nil},
		{"PATCH", "/api/v1/trust/{rule}", auth.ManageUsers, "users", nil},
		{"DELETE", "/api/v1/trust/{rule}", auth.ManageUsers, "users", nil},
		{"GET", "/api/v1/access", SignIn, "account", nil},
		{"GET", "/api/v1/me/tokens", SignIn, "account", nil},
		{"POST", "/api/v1/me/tokens", SignIn, "account", nil},
		{"DELETE", "/api/v1/me/tokens/{token}", SignIn, "account", nil},
		{"GET", "/api/v1/users/{user}/tokens", auth.ManageUsers, "users", nil},
		{"POST", "/api/v1/users/{user}/tokens", auth.ManageUsers, "users", nil},
		{"DELETE", "/api/v1/users/{user}/tokens/{token}", auth.ManageUsers, "users", nil},
		{"GET", "/api/v1/projects/{project}/repositories", auth.ReadProject, "project", nil},
		{"GET", "/api/v1/tags/{repository...}", auth.Read, "repository", nil},
		{"GET", "/api/v1/artifacts/{artifact...}", auth.Read, "manifest", nil},
		{"DELETE", "/api/v1/artifacts/{artifact...}", auth.Delete, "manifest", nil},
	}
}

func isAPI(rt Route) bool { return strings.HasPrefix(rt.Path, "/api/") }

// call sends a request of the API; the body is one that no operation takes, so that
// what is allowed changes nothing.
func (s *Server) call(rt Route, project, who, token string) *httptest.ResponseRecorder {
	path := strings.NewReplacer("{project}", project, "{repository...}", project+"/app", "{user}", "absent", "{group}", "absent", "{role}", "absent",
		"{robot}", "absent", "{token}", "absent",
		"{artifact...}", project+"/app@"+absentDigest, "{job}", "1", "{kind}", "webhook", "{rule}", "1", "{webhook}", "1", "{delivery}", "1").Replace(rt.Path)
	r := httptest.NewRequest(rt.Method, "http://registry.test"+path, strings.NewReader(`{"no such field": 1}`))
	r.Header.Set("Content-Type", "application/json")
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

// TestPolicyMatrixOfTheAPI asks for every operation as every principal, in every
// kind of project: with a password, and with tokens, which are for images alone.
func TestPolicyMatrixOfTheAPI(t *testing.T) {
	s, cases := newPolicyServer(t, "admins"), 0
	for _, who := range []string{"", "stranger", "limited-guest", "guest", "developer", "maintainer", "project-admin", "admin"} {
		token := s.tokenFor(t, who, "registry:catalog:*", "repository:open/app:*")
		for _, project := range []string{"open", "closed", "absent"} {
			for _, rt := range policyOfAPI() {
				if rt.Method == "DELETE" && rt.Right == auth.RemoveProject && hadOnPages(project, rt.Right, who) {
					continue // it would be done
				}
				want := "allowed"
				switch {
				case hadOnPages(project, rt.Right, who):
				case who == "":
					want = "401"
				default:
					want = "403"
				}
				for mode, answer := range map[string]*httptest.ResponseRecorder{
					"password": s.call(rt, project, who, ""), "token": s.call(rt, project, "", token),
				} {
					want := want
					if mode == "token" {
						want = "401"
					}
					got := "allowed"
					if answer.Code == http.StatusUnauthorized || answer.Code == http.StatusForbidden {
						got = fmt.Sprint(answer.Code)
					}
					if got != want || answer.Code >= 500 {
						t.Errorf("%s %s as %q with a %s in project %s: %d, want %s\n%s",
							rt.Method, rt.Path, who, mode, project, answer.Code, want, answer.Body)
					}
					if got != "allowed" && answer.Header().Get("Content-Type") != "application/problem+json" {
						t.Errorf("%s %s: refused as %s", rt.Method, rt.Path, answer.Header().Get("Content-Type"))
					}
					cases++
				}
			}
		}
	}
	t.Logf("%d cases", cases)
}

// TestDisabledUsersAreOut disables an account and tries every way in.
func TestDisabledUsersAreOut(t *testing.T) {
	s := newPolicyServer(t, "admins")
	token := s.tokenFor(t, "developer", "repository:closed/app:pull")
	ways := func() (codes []int) {
		for _, w := range []*httptest.ResponseRecorder{
			s.ask("GET", "/v2/closed/app/tags/list", "developer", "", nil), s.ask("GET", "/v2/closed/app/tags/list", "", token, nil),
			s.ask("GET", "/token", "developer", "", nil), s.ask("GET", "/api/v1/me", "developer", "", nil),
		} {
			codes = append(codes, w.Code)
		}
		return codes
	}
	if got := ways(); !slices.Equal(got, []int{404, 404, 200, 200}) {
		t.Fatalf("before: %v", got)
	}
	setDisabled(t, s, true)
	eventually(t, func() bool { return slices.Equal(ways(), []int{401, 401, 401, 401}) })
	setDisabled(t, s, false)
	eventually(t, func() bool { return slices.Equal(ways(), []int{404, 401, 200, 200}) }) // the old token stays ended
}

func setDisabled(t *testing.T, s *Server, disabled bool) {
	t.Helper()
	_, err := s.state.services.Accounts.Change(t.Context(), auth.Operator(), "developer", accounts.Change{Disabled: &disabled})
	if err != nil {
		t.Fatal(err)
	}
}

// eventually waits for what must hold within a second.
func eventually(t *testing.T, holds func() bool) {
	t.Helper()
	for begin := time.Now(); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Since(begin) > time.Second {
			t.Fatal("it does not hold after a second")
		}
	}
}
