package web_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"cove/registry/server/config"
	"cove/registry/web/webtest"
)

// TestReplicationByPages adds another registry and a rule, runs it, and watches it.
func TestReplicationByPages(t *testing.T) {
	far := webtest.Start(t, config.Config{})
	s := webtest.Start(t, config.Config{})
	s.Push(t, "team/app", "v1", webtest.Image{})
	admin := s.As(t, "admin")
	post := func(path, says string, fields url.Values) {
		t.Helper()
		admin.Get("/replication", 200)
		admin.Post(path, fields, 303)
		if body := admin.Follow(200); !strings.Contains(body, says) {
			t.Errorf("%s does not say %q: %s", path, says, body)
		}
	}
	if body := admin.Get("/replication", 200); !strings.Contains(body, "No rule yet") || strings.Contains(body, `action="/replication/rules"`) {
		t.Errorf("without another registry: %s", body)
	}
	address := strings.TrimPrefix(far.URL, "http://")
	post("/replication/endpoints", "a name is lower-case", url.Values{"name": {"F"}, "address": {address}})
	post("/replication/endpoints", "far is added", url.Values{
		"name": {"far"}, "address": {address}, "user": {"admin"}, "password": {webtest.Password},
	})
	if strings.Contains(admin.Body, webtest.Password) {
		t.Error("the page shows the password")
	}
	post("/replication/endpoints/test", "far answers", url.Values{"name": {"far"}})
	rule := url.Values{
		"name": {"all"}, "direction": {"push"}, "endpoint": {"far"}, "repositories": {"team/**"}, "override": {"1"},
		"namespace": {"copies"}, "flatten": {"1"}, "rate": {"100MB"}, "schedule": {"0 3 * * *"}, "zone": {"Asia/Shanghai"},
	}
	post("/replication/rules", "The rule all is added", rule)
	if !strings.Contains(admin.Body, "a/b/c → copies/b/c") || !strings.Contains(admin.Body, "0 3 * * *") {
		t.Errorf("the rule: %s", admin.Body)
	}
	post("/replication/rules", "already", rule)
	rule.Set("rate", "fast")
	post("/replication/rules", "use bytes a second", rule)
	post("/replication/endpoints/remove", "is used by the replication rules all", url.Values{"name": {"far"}})
	post("/replication/rules/enable", "runs only when it is asked to", url.Values{"name": {"all"}, "on": {"0"}})
	post("/replication/rules/enable", "works again", url.Values{"name": {"all"}, "on": {"1"}})
	post("/replication/rules/run", "The run begins", url.Values{"name": {"all"}})
	path := admin.Last.Request.URL.Path
	for deadline := time.Now().Add(10 * time.Second); !strings.Contains(admin.Get(path, 200), ">Done<"); {
		if time.Now().After(deadline) {
			t.Fatalf("the run does not end: %s", admin.Body)
		}
		time.Sleep(50 * time.Millisecond)
	}
	if !strings.Contains(admin.Body, "1 of 1 tag ") || !strings.Contains(admin.Body, "copies/app") || strings.Contains(admin.Body, "hx-trigger=\"every 1s") {
		t.Errorf("the run: %s", admin.Body)
	}
	if got := far.Status(t, "admin", webtest.Password, "HEAD", "/v2/copies/app/manifests/v1"); got != 200 {
		t.Errorf("the copy: %d", got)
	}
	if body := admin.Get(path+"?state=failed", 200); !strings.Contains(body, "no such tag") {
		t.Errorf("of those that failed: %s", body)
	}
	admin.Get(path+"?state=odd", 400)
	admin.Get("/replication/runs/7", 404)
	admin.Get("/replication/runs/x", 404)
	admin.Get(path, 200)
	admin.Post(path+"/stop", url.Values{}, 303)
	if body := admin.Follow(200); !strings.Contains(body, "has ended") {
		t.Errorf("a stop of what has ended: %s", body)
	}
	admin.Get(path, 200)
	admin.Post(path+"/retry", url.Values{}, 303)
	if body := admin.Follow(200); !strings.Contains(body, "nothing of run") {
		t.Errorf("again: %s", body)
	}
	post("/replication/rules/remove", "what it has copied stays", url.Values{"name": {"all"}})
	post("/replication/endpoints/remove", "far is removed", url.Values{"name": {"far"}})
}
