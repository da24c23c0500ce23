package web_test

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"cove/registry/jobs"
	"cove/registry/metadata"
	"cove/registry/server/config"
	"cove/registry/web/webtest"
)

// form sends a form of a page as it is there, with some fields over it.
func form(t *testing.T, v *webtest.Visitor, page, action string, over url.Values) {
	t.Helper()
	fields := formIn(t, v.Get(page, 200), action)
	for name, values := range over {
		fields[name] = values
	}
	v.Post(action, fields, 303)
}

// undone sends the form by which the notice of the last answer takes it back.
func undone(t *testing.T, v *webtest.Visitor, action string) {
	t.Helper()
	v.Post(action, formIn(t, v.Follow(200), action), 303)
}

// silent listens and never answers.
func silent(t *testing.T) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String()
}

// TestEveryFormIsNoted sends the forms that no other test of this package sends: each is to
// write its line of the audit log (TestMain).
func TestEveryFormIsNoted(t *testing.T) {
	s := webtest.Start(t, config.Config{Outbound: config.Outbound{Allow: []string{"127.0.0.0/8"}}})
	v := s.As(t, "admin")
	s.Users(t, "ann")
	s.Project(t, "team", false, nil)
	s.Project(t, "gone", false, nil)
	s.Push(t, "team/app", "v1", webtest.Image{Layers: []map[string]string{{"a": "b"}}})
	for _, page := range []string{"/projects/team/robots", "/robots"} {
		fields := formIn(t, v.Get(page, 200), page)
		fields["name"], fields["right"] = []string{"ci"}, []string{"pull"}
		v.Post(page, fields, 200) // the secret is shown once
		v.Post(page+"/ci/secret", formIn(t, v.Get(page, 200), page+"/ci/secret"), 200)
		form(t, v, page, page+"/ci/change", nil)
		form(t, v, page, page+"/ci/remove", nil)
	}
	v.Get("/account/tokens", 200)
	v.Post("/account/tokens", url.Values{"name": {"laptop"}, "right": {"pull"}, "days": {"7"}}, 200)
	form(t, v, "/account/tokens", "/account/tokens/remove", nil)
	form(t, v, "/groups", "/groups", url.Values{"name": {"backend"}})
	form(t, v, "/groups", "/groups/users", url.Values{"user": {"ann"}})
	v.Get("/groups", 200)
	v.Post("/groups/users", url.Values{"group": {"backend"}, "user": {"ann"}}, 303)
	form(t, v, "/groups", "/groups/remove", nil)
	s.API(t, "PUT", "/roles/deployer", `{"rights":["pull"]}`, 204)
	form(t, v, "/roles", "/roles/remove", nil)
	for _, page := range []string{"/labels", "/projects/team/labels"} {
		form(t, v, page, page, url.Values{"name": {"good"}})
		remove := regexp.MustCompile(page + `/\d+/remove`).FindString(v.Get(page, 200))
		form(t, v, page, remove, nil)
		undone(t, v, page+"/restore")
	}
	v.Get("/projects/gone/settings", 200)
	gone := s.Push(t, "gone/app", "v1", webtest.Image{})
	s.API(t, "DELETE", "/artifacts/gone/app@"+gone.Digest.String(), "", 204)
	v.Post("/projects/gone/remove", url.Values{"name": {"gone"}, "confirm": {"gone"}}, 303)
	undone(t, v, "/restore-project")
	v.Get("/repositories/team/app", 200)
	v.Post("/tags/delete/team/app", url.Values{"tag": {"v1"}}, 303)
	undone(t, v, "/tags/restore/team/app")
	forms{t, s, v}.stops()
}

// forms are sent by the administrator.
type forms struct {
	*testing.T
	*webtest.Site
	*webtest.Visitor
}

// stops stops what waits and what does not end by itself.
func (f forms) stops() {
	var job string
	f.Change(f.T, func(ctx context.Context, tx *metadata.Tx) error {
		id, _, err := jobs.Add(ctx, tx, jobs.New{Kind: "audit-retention", By: "ann", Due: time.Now().Add(time.Hour)})
		job = fmt.Sprint("/jobs/", id)
		return err
	})
	form(f.T, f.Visitor, job, job+"/stop", nil)
	form(f.T, f.Visitor, "/jobs", "/queues/webhook/pause", nil)
	form(f.T, f.Visitor, "/jobs", "/queues/webhook/resume", nil)
	nobody := silent(f.T)
	f.API(f.T, "POST", "/endpoints", `{"name":"far","address":"`+nobody+`"}`, 201)
	f.API(f.T, "POST", "/replication/rules", `{"name":"copies","endpoint":"far","direction":"push","repositories":"team/**"}`, 201)
	f.API(f.T, "POST", "/projects/team/webhooks", `{"name":"ci","url":"http://`+nobody+`/x","events":["PUSH_ARTIFACT"]}`, 201)
	f.API(f.T, "POST", "/replication/rules/copies/runs", "", 201)
	f.Push(f.T, "team/app", "v2", webtest.Image{})
	run := f.found("/replication", `/replication/runs/\d+`)
	f.found(run, "0 of [1-9]") // what is stopped before it has looked has nothing to be tried again
	form(f.T, f.Visitor, run, run+"/stop", nil)
	f.found(run, "(?i)stopped")
	f.Post(run+"/retry", url.Values{}, 303)
	hook := f.found("/projects/team/webhooks", `/projects/team/webhooks/\d+`)
	form(f.T, f.Visitor, hook, f.found(hook, hook+`/deliveries/\d+/stop`), nil)
}

// found waits for a link of a page.
func (f forms) found(page, link string) string {
	f.Helper()
	for range 200 {
		if at := regexp.MustCompile(link).FindString(f.Get(page, 200)); at != "" {
			return at
		}
		time.Sleep(25 * time.Millisecond)
	}
	f.Fatalf("%s has no %s:\n%s", page, link, strings.Join(strings.Fields(f.Body), " "))
	return ""
}
