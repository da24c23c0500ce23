package webtest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"cove/registry/jobs"
	"cove/registry/metadata"
)

// Change changes the database of a site, as a command on its machine does.
func (s *Site) Change(t testing.TB, do func(ctx context.Context, tx *metadata.Tx) error) {
	t.Helper()
	db, err := metadata.Open(context.Background(), metadata.Config{DSN: s.dsn})
	if err == nil {
		err = db.Update(context.Background(), do)
	}
	if err == nil {
		err = db.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Job asks for a job and returns the path of its page.
func (s *Site) Job(t testing.TB) (path string) {
	t.Helper()
	s.Change(t, func(ctx context.Context, tx *metadata.Tx) error {
		id, _, err := jobs.Add(ctx, tx, jobs.New{
			Kind: "audit-retention", Project: "payments", By: "ada.lovelace", Args: map[string]string{"why": "for a look"},
		})
		path = fmt.Sprint("/jobs/", id)
		return err
	})
	return path
}

// Replication adds an endpoint that is this registry itself and two rules, runs one to
// its end, and returns the path of that run.
func (s *Site) Replication(t testing.TB) (path string) {
	t.Helper()
	host := strings.TrimPrefix(s.URL, "http://")
	s.API(t, "POST", "/endpoints", `{"name":"self","address":"`+host+`","user":"admin","password":"`+Password+`"}`, 201)
	s.API(t, "POST", "/replication/rules", `{"name":"copies","endpoint":"self","direction":"push",
		"repositories":"payments/checkout/**","tags":"v*","namespace":"copies","flatten":1,"schedule":"0 3 * * *"}`, 201)
	s.API(t, "POST", "/replication/rules", `{"name":"off","endpoint":"self","direction":"pull","onEvent":false,"enabled":false}`, 201)
	var run struct{ ID, State string }
	if err := json.Unmarshal(s.API(t, "POST", "/replication/rules/copies/runs", "", 201), &run); err != nil {
		t.Fatal(err)
	}
	for range 400 {
		if err := json.Unmarshal(s.API(t, "GET", "/replication/runs/"+run.ID, "", 200), &run); err != nil {
			t.Fatal(err)
		}
		if run.State == "done" {
			return "/replication/runs/" + run.ID
		}
		time.Sleep(25 * time.Millisecond)
	}
	t.Fatalf("the run does not end: %+v", run)
	return ""
}

// Renamed renames a repository and its project, and returns the path of the page that says so.
func (s *Site) Renamed(t testing.TB) (path string) {
	t.Helper()
	s.Project(t, "shops", false, nil)
	s.Push(t, "shops/till", "v1", Image{})
	s.API(t, "POST", "/rename/shops/till", `{"to":"shops/counter"}`, 200)
	s.API(t, "POST", "/projects/shops/rename", `{"to":"stores"}`, 200)
	return "/projects/stores/settings"
}

// Policies gives a project some of every policy and returns the path of their page.
func (s *Site) Policies(t testing.TB, project string) (path string) {
	t.Helper()
	admin := s.As(t, "admin")
	path = "/projects/" + project + "/policies"
	for _, form := range []struct {
		to     string
		fields url.Values
	}{
		{"/projects/" + project + "/immutable", url.Values{"tags": {"v*"}, "repositories": {"checkout/**"}}},
		{"/projects/" + project + "/immutable", url.Values{"tags": {"{nightly,build}-*"}, "except_tags": {"1"}}},
		{"/projects/" + project + "/retention", url.Values{"template": {"latestPushedK"}, "n": {"10"}, "tags": {"build-*"}}},
		{"/projects/" + project + "/retention", url.Values{"template": {"nDaysSinceLastPull"}, "n": {"90"}, "untagged": {"1"}}},
		{"/projects/" + project + "/retention/schedule", url.Values{"cron": {"30 3 * * 0"}, "zone": {"Europe/Berlin"}}},
	} {
		admin.Get(path, 200)
		admin.Post(form.to, form.fields, 303)
	}
	return path
}

// Webhook gives a project a webhook at an address and returns the path of its page.
func (s *Site) Webhook(t testing.TB, project, address string) (path string) {
	t.Helper()
	admin := s.As(t, "admin")
	admin.Get("/projects/"+project+"/webhooks", 200)
	admin.Post("/projects/"+project+"/webhooks", url.Values{
		"name": {"deploy"}, "url": {address}, "format": {"cloudevents"}, "event": {"PUSH_ARTIFACT", "DELETE_ARTIFACT"}, "secret": {"canary-secret"},
	}, 303)
	admin.Follow(200)
	return admin.Last.Request.URL.Path
}

// Scans brings a database of vulnerabilities, has an image of a project scanned that
// has one, and gives the project a gate. It returns the path of the project's page.
func (s *Site) Scans(t testing.TB, project string) (path string) {
	t.Helper()
	const flaws = `{"id":"GHSA-xvch-5gv4-984h","aliases":["CVE-2021-44906"],"summary":"Prototype pollution in minimist",` +
		`"details":"Before 1.2.6 a crafted argument adds properties to Object.prototype.","severity":[{"type":"CVSS_V3",` +
		`"score":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}],"affected":[{"package":{"ecosystem":"npm","name":"minimist"},` +
		`"ranges":[{"type":"SEMVER","events":[{"introduced":"0"},{"fixed":"1.2.6"}]}]}],` +
		`"references":[{"type":"WEB","url":"https://example.com/minimist"}]}`
	s.Do(t, Call{Method: "PUT", Path: "/api/v1/security/databases/osv", Body: []byte(flaws)}, 200)
	s.Push(t, project+"/vulnerable", "v1", Image{Layers: []map[string]string{
		{"app/node_modules/minimist/package.json": `{"name":"minimist","version":"1.2.5"}`},
	}})
	path = "/projects/" + project + "/scanning"
	admin := s.As(t, "admin")
	admin.Get(path, 200)
	admin.Post(path, url.Values{"severity": {"critical"}, "unscanned": {"allow"}, "on_push": {"1"}}, 303)
	admin.Post("/projects/"+project+"/exceptions", url.Values{
		"vulnerability": {"CVE-2021-3807"}, "until": {"2036-01-01"}, "reason": {"not reachable from outside"},
	}, 303)
	for range 400 {
		if strings.Contains(admin.Get("/scans/"+project+"/vulnerable:v1", 200), "minimist") {
			return path
		}
		time.Sleep(25 * time.Millisecond)
	}
	t.Fatal("the image is not scanned")
	return path
}
