package web_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"cove/registry/metadata"
	"cove/registry/server/config"
	"cove/registry/web/webtest"
)

// TestWebhooksOnPages makes a webhook, tests it, changes it and opens it again.
func TestWebhooksOnPages(t *testing.T) {
	receiver := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(receiver.Close)
	s := webtest.Start(t, config.Config{Outbound: config.Outbound{Allow: []string{"127.0.0.1"}}})
	s.Users(t, "keeper", "reader")
	s.Project(t, "team", false, map[string]string{"keeper": "maintainer", "reader": "guest"})
	path := s.Webhook(t, "team", receiver.URL)
	admin, keeper := s.As(t, "admin"), s.As(t, "keeper")
	keeper.Get(path, 200)
	keeper.Post(path+"/test", url.Values{}, 403)
	if body := keeper.Get("/projects/team/webhooks", 200); !strings.Contains(body, "deploy") || strings.Contains(body, "New webhook") {
		t.Errorf("a maintainer's list: %s", body)
	}
	s.As(t, "reader").Get(path, 403)

	if body := admin.Get(path, 200); strings.Contains(body, "canary") || !strings.Contains(body, `value="PUSH_ARTIFACT" checked`) ||
		!strings.Contains(body, `value="cloudevents" selected`) || strings.Contains(body, `value="PULL_ARTIFACT" checked`) {
		t.Errorf("the form: %s", body)
	}
	admin.Post(path+"/test", url.Values{}, 303)
	if body := admin.Follow(200); !strings.Contains(body, "A test is on its way.") {
		t.Errorf("test: %s", body)
	}
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(admin.Get(path, 200), "answered 200"); {
		if time.Now().After(deadline) {
			t.Fatalf("it is not delivered: %s", admin.Body)
		}
		time.Sleep(50 * time.Millisecond)
	}
	s.Change(t, func(ctx context.Context, tx *metadata.Tx) error { // as after receivers that were away
		_, err := tx.Tx.Exec(ctx, "UPDATE jobs SET attempts = 3 WHERE kind = 'webhook'")
		return err
	})
	if body := admin.Get(path, 200); !strings.Contains(body, "3 attempts") {
		t.Errorf("the attempts are not told: %s", body)
	}
	_, rest, _ := strings.Cut(admin.Body, path+"/deliveries/")
	delivery, _, _ := strings.Cut(rest, "/")
	admin.Post(path+"/deliveries/"+delivery+"/stop", url.Values{}, 303)
	if body := admin.Follow(200); !strings.Contains(body, "has ended (done)") {
		t.Errorf("a stop of what has ended: %s", body)
	}
	admin.Post(path+"/deliveries/"+delivery+"/retry", url.Values{}, 303)
	admin.Follow(200)

	admin.Post(path, url.Values{"name": {"cd"}, "url": {receiver.URL}, "format": {"slack"}, "event": {"PULL_ARTIFACT"}, "no_secret": {"1"}, "insecure": {"1"}}, 303)
	if body := admin.Follow(200); !strings.Contains(body, `value="PULL_ARTIFACT" checked`) || strings.Contains(body, `value="PUSH_ARTIFACT" checked`) ||
		!strings.Contains(body, `value="slack" selected`) || !strings.Contains(body, `name="insecure" value="1" checked`) ||
		strings.Contains(body, `name="enabled" value="1" checked`) || strings.Contains(body, "no_secret") {
		t.Errorf("opened again: %s", body)
	}
	admin.Post(path, url.Values{"name": {"cd"}, "url": {"http://10.0.0.1/"}, "format": {"slack"}, "event": {"PULL_ARTIFACT"}}, 303)
	if body := admin.Follow(200); !strings.Contains(body, "is a private address") {
		t.Errorf("a private address: %s", body)
	}
	admin.Post(path, url.Values{"name": {"cd"}, "url": {receiver.URL}}, 303)
	if body := admin.Follow(200); !strings.Contains(body, "at least one event") {
		t.Errorf("no event: %s", body)
	}
	admin.Get(path+"?after=x", 400)
	admin.Get("/projects/team/webhooks/x", 404)
	admin.Get(path, 200)
	admin.Post(path+"/remove", url.Values{}, 303)
	admin.Get(path, 404)
}
