package server

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"cove/registry/auth"
)

// policyOfHarbor is the part of the policy that is about the façade of Harbor's API. A GET
// is a HEAD too.
func policyOfHarbor() []Route {
	const (
		project    = "/api/v2.0/projects/{project}"
		repository = project + "/repositories/{repository}"
		artifact   = repository + "/artifacts/{reference}"
		keeps      = "/api/v2.0/retentions/{retention}"
		copies     = "/api/v2.0/replication/"
	)
	return []Route{
		{"GET", "/api/v2.0/ping", Open, "process", nil},
		{"GET", "/api/v2.0/health", Open, "process", nil},
		{"GET", "/api/v2.0/systeminfo", Open, "registry", nil},
		{"GET", "/api/v2.0/configurations", SignIn, "registry", nil},
		{"GET", "/api/v2.0/statistics", SignIn, "visible projects", nil},
		{"GET", "/api/v2.0/search", Open, "visible projects", nil},
		{"GET", "/api/v2.0/audit-logs", auth.ReadAudit, "audit log", nil},
		{"GET", "/api/v2.0/users/current", SignIn, "account", nil},
		{"GET", "/api/v2.0/users", auth.ManageUsers, "users", nil},
		{"POST", "/api/v2.0/users", auth.ManageUsers, "users", nil},
		{"GET", "/api/v2.0/users/{user}", auth.ManageUsers, "users", nil},
		{"PUT", "/api/v2.0/users/{user}", auth.ManageUsers, "users", nil},
		{"DELETE", "/api/v2.0/users/{user}", auth.ManageUsers, "users", nil},
		{"PUT", "/api/v2.0/users/{user}/sysadmin", auth.ManageUsers, "users", nil},
		{"PUT", "/api/v2.0/users/{user}/password", SignIn, "account", nil},
		{"GET", "/api/v2.0/usergroups", auth.ManageUsers, "users", nil},
		{"POST", "/api/v2.0/usergroups", auth.ManageUsers, "users", nil},
		{"GET", "/api/v2.0/usergroups/search", auth.ManageUsers, "users", nil},
		{"GET", "/api/v2.0/usergroups/{group}", auth.ManageUsers, "users", nil},
		{"PUT", "/api/v2.0/usergroups/{group}", auth.ManageUsers, "users", nil},
		{"DELETE", "/api/v2.0/usergroups/{group}", auth.ManageUsers, "users", nil},
		{"GET", "/api/v2.0/projects", Open, "visible projects", nil},
		{"POST", "/api/v2.0/projects", SignIn, "projects", nil},
		{"GET", project, auth.ReadProject, "project", nil},
		{"PUT", project, auth.SetVisibility, "project", nil},
		{"DELETE", project, auth.RemoveProject, "project", nil},
		{"GET", project + "/_deletable", auth.RemoveProject, "project", nil},
		{"GET", project + "/summary", auth.ReadProject, "project", nil},
		{"GET", project + "/logs", auth.ReadLog, "project", nil},
		{"GET", project + "/metadatas/", auth.ReadProject, "project", nil},
		{"GET", project + "/metadatas/{meta}", auth.ReadProject, "project", nil},
		{"PUT", project + "/metadatas/{meta}", auth.SetVisibility, "project", nil},
		{"GET", "/api/v2.0/repositories", Open, "visible repositories", nil},
		{"GET", project + "/repositories", auth.ReadProject, "project", nil},
		{"GET", repository, auth.Read, "repository", nil},
		{"PUT", repository, "repository:update", "repository", nil},
		{"DELETE", repository, "repository:delete", "repository", nil},
		{"GET", repository + "/artifacts", auth.Read, "repository", nil},
		{"POST", repository + "/artifacts", auth.Push, "repository", nil},
		{"GET", artifact, auth.Read, "manifest", nil},
		{"DELETE", artifact, auth.Delete, "manifest", nil},
		{"GET", artifact + "/accessories", auth.Read, "manifest", nil},
		{"GET", artifact + "/additions/build_history", auth.Read, "manifest", nil},
		{"GET", artifact + "/additions/vulnerabilities", "scan:read", "manifest", nil},
		{"POST", artifact + "/scan", "scan:create", "manifest", nil},
		{"GET", artifact + "/tags", auth.Read, "manifest", nil},
		{"POST", artifact + "/tags", auth.Push, "manifest", nil},
		{"DELETE", artifact + "/tags/{tag}", auth.Delete, "manifest", nil},
		{"GET", project + "/members", auth.ListMembers, "project", nil},
		{"POST", project + "/members", auth.SetMembers, "project", nil},
		{"GET", project + "/members/{member}", auth.ListMembers, "project", nil},
		{"PUT", project + "/members/{member}", auth.SetMembers, "project", nil},
		{"DELETE", project + "/members/{member}", auth.SetMembers, "project", nil},
		{"GET", "/api/v2.0/robots", SignIn, "visible robots", nil},
		{"POST", "/api/v2.0/robots", SignIn, "robots", nil},
		{"GET", "/api/v2.0/robots/{robot}", SignIn, "robots", nil},
		{"PUT", "/api/v2.0/robots/{robot}", SignIn, "robots", nil},
		{"PATCH", "/api/v2.0/robots/{robot}", SignIn, "robots", nil},
		{"DELETE", "/api/v2.0/robots/{robot}", SignIn, "robots", nil},
		{"GET", project + "/robots", auth.ListRobots, "project", nil},
		{"GET", project + "/immutabletagrules", "immutable-tag:list", "project", nil},
		{"POST", project + "/immutabletagrules", "immutable-tag:create", "project", nil},
		{"PUT", project + "/immutabletagrules/{rule}", "immutable-tag:update", "project", nil},
		{"DELETE", project + "/immutabletagrules/{rule}", "immutable-tag:delete", "project", nil},
		{"GET", "/api/v2.0/labels", SignIn, "visible labels", nil},
		{"POST", "/api/v2.0/labels", SignIn, "labels", nil},
		{"GET", "/api/v2.0/labels/{label}", SignIn, "labels", nil},
		{"PUT", "/api/v2.0/labels/{label}", SignIn, "labels", nil},
		{"DELETE", "/api/v2.0/labels/{label}", SignIn, "labels", nil},
		{"POST", artifact + "/labels", "artifact-label:create", "manifest", nil},
		{"DELETE", artifact + "/labels/{label}", "artifact-label:delete", "manifest", nil},
		{"GET", "/api/v2.0/quotas", "system:manage-quotas", "quotas", nil},
		{"GET", "/api/v2.0/quotas/{quota}", "system:manage-quotas", "quotas", nil},
		{"PUT", "/api/v2.0/quotas/{quota}", "system:manage-quotas", "quotas", nil},
		{"GET", project + "/webhook/events", "notification-policy:list", "project", nil},
		{"GET", project + "/webhook/policies", "notification-policy:list", "project", nil},
		{"POST", project + "/webhook/policies", "notification-policy:create", "project", nil},
		{"GET", project + "/webhook/policies/{hook}", "notification-policy:list", "project", nil},
		{"PUT", project + "/webhook/policies/{hook}", "notification-policy:update", "project", nil},
		{"DELETE", project + "/webhook/policies/{hook}", "notification-policy:delete", "project", nil},
		{"GET", "/api/v2.0/retentions/metadatas", SignIn, "words", nil},
		{"POST", "/api/v2.0/retentions", SignIn, "projects", nil},
		{"GET", keeps, "tag-retention:list", "project", nil},
		{"PUT", keeps, "tag-retention:update", "project", nil},
		{"DELETE", keeps, "tag-retention:update", "project", nil},
		{"GET", keeps + "/executions", "tag-retention:list", "project", nil},
		{"POST", keeps + "/executions", "tag-retention:operate", "project", nil},
		{"PATCH", keeps + "/executions/{execution}", "tag-retention:operate", "project", nil},
		{"GET", keeps + "/executions/{execution}/tasks", "tag-retention:list", "project", nil},
		{"GET", keeps + "/executions/{execution}/tasks/{task}", "tag-retention:list", "project", nil},
		{"GET", "/api/v2.0/registries", auth.ManageRegistries, "registries", nil},
		{"POST", "/api/v2.0/registries", auth.ManageRegistries, "registries", nil},
		{"POST", "/api/v2.0/registries/ping", auth.ManageRegistries, "registries", nil},
		{"GET", "/api/v2.0/registries/{registry}", auth.ManageRegistries, "registries", nil},
		{"PUT", "/api/v2.0/registries/{registry}", auth.ManageRegistries, "registries", nil},
		{"DELETE", "/api/v2.0/registries/{registry}", auth.ManageRegistries, "registries", nil},
		{"GET", "/api/v2.0/registries/{registry}/info", auth.ManageRegistries, "registries", nil},
		{"GET", copies + "adapters", auth.ManageRegistries, "registries", nil},
		{"GET", copies + "policies", auth.ManageRegistries, "replication", nil},
		{"POST", copies + "policies", auth.ManageRegistries, "replication", nil},
		{"GET", copies + "policies/{policy}", auth.ManageRegistries, "replication", nil},
		{"PUT", copies + "policies/{policy}", auth.ManageRegistries, "replication", nil},
		{"DELETE", copies + "policies/{policy}", auth.ManageRegistries, "replication", nil},
		{"GET", copies + "executions", auth.ManageRegistries, "replication", nil},
		{"POST", copies + "executions", auth.ManageRegistries, "replication", nil},
		{"GET", copies + "executions/{execution}", auth.ManageRegistries, "replication", nil},
		{"PUT", copies + "executions/{execution}", auth.ManageRegistries, "replication", nil},
		{"GET", copies + "executions/{execution}/tasks", auth.ManageRegistries, "replication", nil},
		{"GET", copies + "executions/{execution}/tasks/{task}/log", auth.ManageRegistries, "replication", nil},
	}
}

// TestPolicyMatrixOfHarbor asks for every path of the façade as every principal, in every
// kind of project, by its name and by its number.
func TestPolicyMatrixOfHarbor(t *testing.T) {
	s, cases := newPolicyServer(t, "admins"), 0
	number := map[string]string{"absent": "12345"}
	for _, name := range []string{"open", "closed"} {
		p, err := s.state.db.Project(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		number[name] = s.numberOf(p.ID)
	}
	for _, who := range []string{"", "stranger", "limited-guest", "guest", "developer", "maintainer", "project-admin", "admin"} {
		token := s.tokenFor(t, who, "registry:catalog:*", "repository:open/app:*")
		for _, project := range []string{"open", "closed", "absent"} {
			for _, rt := range policyOfHarbor() {
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
					"password": s.askHarbor(rt, project, who, ""), "number": s.askHarbor(rt, number[project], who, ""),
					"token": s.askHarbor(rt, project, "", token),
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
					if got != "allowed" && !strings.Contains(answer.Body.String(), `{"errors":[{"code":`) {
						t.Errorf("%s %s: refused with %s", rt.Method, rt.Path, answer.Body)
					}
					cases++
				}
			}
		}
	}
	t.Logf("%d cases", cases)
}

// numberOf is the number of a project to Harbor's clients.
func (s *Server) numberOf(id int64) (number string) {
	row := s.state.db.Querier().Row(context.Background(), "SELECT CAST(number AS TEXT) FROM projects WHERE id = $1", id)
	if err := row.Scan(&number); err != nil {
		panic(err)
	}
	return number
}

// askHarbor sends a request of the façade; the body is one that no operation takes, so that
// what is allowed changes nothing.
func (s *Server) askHarbor(rt Route, project, who, token string) *httptest.ResponseRecorder {
	number := project
	if p, err := s.state.db.Project(context.Background(), project); err == nil {
		number = s.numberOf(p.ID)
	} else if project == "absent" {
		number = "12345"
	}
	path := strings.NewReplacer("{project}", project, "{retention}", number, "{execution}", "1", "{task}", "1",
		"{registry}", "1", "{policy}", "1", "{hook}", "1", "{quota}", "1", "{repository}", "app", "{reference}", absentDigest, "{user}", "1",
		"{robot}", "1", "{member}", "1", "{rule}", "1", "{tag}", "absent", "{meta}", "public").Replace(rt.Path)
	if strings.HasSuffix(path, "/search") {
		path += "?q=app"
	}
	r := httptest.NewRequest(rt.Method, "http://registry.test"+path, strings.NewReader(`{"no such field": 1}`))
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
