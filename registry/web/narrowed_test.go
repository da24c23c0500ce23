package web_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"cove/registry/auth/rights"
	"cove/registry/server/config"
	"cove/registry/web/webtest"
)

// TestNarrowedMembersSeeTheirRepositories: whoever has a role in some repositories of a
// project reads nothing of the others, by any operation of the API, page or path of
// Harbor's API that is about the project or about all that one may see.
func TestNarrowedMembersSeeTheirRepositories(t *testing.T) {
	s := webtest.Start(t, config.Config{})
	roles := slices.DeleteFunc(rights.BuiltIn(), func(r string) bool { return !rights.InProject(r) })
	s.Users(t, roles...)
	s.Project(t, "team", false, nil)
	flawed := webtest.Image{Layers: []map[string]string{
		{"app/node_modules/left-pad/package.json": `{"name":"left-pad","version":"1.2.0"}`},
	}}
	s.Push(t, "team/seen", "v1", flawed)
	flawed.Layers[0]["secret"] = "of the other image"
	s.Push(t, "team/hidden-thing", "v1", flawed)
	s.Do(t, webtest.Call{Method: http.MethodPut, Path: "/api/v1/security/databases/osv", Body: []byte(flaws)}, 200)
	for _, role := range roles {
		s.API(t, "PUT", "/projects/team/members/"+role, fmt.Sprintf(`{"role":%q,"repositories":"seen"}`, role), 204)
	}
	s.API(t, "PUT", "/descriptions/team/hidden-thing", `{"text":"of what is hidden"}`, 200)
	s.API(t, "POST", "/projects/team/labels", `{"name":"stable"}`, 201)
	s.API(t, "POST", "/artifact-labels/team/hidden-thing:v1", `{"name":"stable"}`, 204)
	for _, name := range []string{"seen", "hidden-thing"} {
		s.API(t, "POST", "/scans/team/"+name+":v1", "", 202)
	}
	admin := s.As(t, "admin")
	for range 400 {
		if strings.Count(admin.Get("/projects/team/scanning", 200), "team/hidden-thing@") > 0 &&
			strings.Contains(admin.Body, "team/seen@") {
			break
		}
		time.Sleep(25 * time.Millisecond)
	}
	paths := []string{
		"/projects/team", "/projects/team/scanning", "/projects/team/usage", "/projects/team/policies", "/projects/team/members",
		"/projects/team/vulnerabilities.csv", "/projects/team/webhooks", "/projects/team/retention", "/projects/team/settings",
		"/projects/team/signing", "/projects/team/labels", "/projects/team/robots", "/projects/team/trust", "/start", "/projects",
		"/search?q=hidden", "/search?q=team", "/usage", "/audit", "/jobs",
		"/api/v2.0/projects", "/api/v2.0/projects/team", "/api/v2.0/projects/team/repositories", "/api/v2.0/repositories",
		"/api/v2.0/projects/team/logs", "/api/v2.0/audit-logs", "/api/v2.0/search?q=hidden", "/api/v2.0/statistics",
		"/api/v2.0/projects/team/summary", "/api/v2.0/quotas", "/v2/_catalog", "/v2/team/hidden-thing/tags/list",
	}
	var doc struct {
		Paths map[string]map[string]any `json:"paths"`
	}
	if err := json.Unmarshal(s.Do(t, webtest.Call{Method: http.MethodGet, Path: "/api/v1/openapi.json"}, 200), &doc); err != nil {
		t.Fatal(err)
	}
	for path, methods := range doc.Paths {
		path = strings.ReplaceAll(path, "{project}", "team")
		if _, reads := methods["get"]; reads && !strings.Contains(path, "{") {
			paths = append(paths, "/api/v1"+path)
		}
	}
	for _, role := range roles {
		session := s.As(t, role).Cookie("cove_session")
		for _, path := range paths {
			// What was asked for is said again, and what one looks for.
			body := strings.ReplaceAll(read(t, s.URL+path, role, session), "q=hidden", "")
			if strings.Contains(body, "hidden-thing") && !strings.HasPrefix(path, "/v2/team/hidden") {
				at := strings.Index(body, "hidden-thing")
				t.Errorf("%s reads of the other repository at %s: …%s", role, path, body[max(0, at-100):min(len(body), at+60)])
			}
		}
	}
	for _, path := range []string{"/projects/team/vulnerabilities.csv", "/security/vulnerabilities.csv"} {
		if csv := read(t, s.URL+path, "", admin.Cookie("cove_session")); strings.Count(csv, "CVE-2024-1") != 2 {
			t.Errorf("the export of an administrator: %s", csv)
		}
	}
	if csv := read(t, s.URL+"/api/v1/projects/team/vulnerabilities.csv", "developer", ""); strings.Count(csv, "\n") != 2 ||
		!strings.Contains(csv, "\nteam/seen,") {
		t.Errorf("the export of a developer of one repository: %s", csv)
	}
}

// read is what a user reads at an address, by Basic authentication and by a session.
func read(t *testing.T, address, user, session string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth(user, webtest.Password)
	req.AddCookie(&http.Cookie{Name: "cove_session", Value: session})
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
