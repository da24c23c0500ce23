package web_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"cove/registry/server/config"
	"cove/registry/web/webtest"
)

// TestProxiesByPages makes a project a proxy of another registry, pulls through it,
// and reads how that stands; a wrong password is told, and one that is left out stays.
func TestProxiesByPages(t *testing.T) {
	far := webtest.Start(t, config.Config{})
	far.Push(t, "team/app", "v1", webtest.Image{})
	s := webtest.Start(t, config.Config{})
	admin := s.As(t, "admin")
	post := func(path, says string, fields url.Values) {
		t.Helper()
		admin.Get("/replication", 200)
		admin.Post(path, fields, 303)
		if body := admin.Follow(200); !strings.Contains(body, says) {
			t.Errorf("%s does not say %q: %s", path, says, body)
		}
	}
	shows := func(path string, want ...string) {
		t.Helper()
		body := admin.Get(path, 200)
		for _, text := range want {
			if !strings.Contains(body, text) {
				t.Errorf("%s does not show %q: %s", path, text, body)
			}
		}
		if strings.Contains(body, webtest.Password) || strings.Contains(body, "wrong horse") {
			t.Error("the page shows a password")
		}
	}
	address := strings.TrimPrefix(far.URL, "http://")
	set := url.Values{
		"project": {"far"}, "upstream": {address}, "user": {"admin"}, "password": {webtest.Password}, "insecure": {"1"},
		"repositories": {"team/**"}, "fresh": {"0s"}, "keep": {"720h"}, "rate": {"100MB"}, "connections": {"4"},
	}
	for field, wrong := range map[string]string{"fresh": "soon", "keep": "-1h", "rate": "fast", "connections": "many", "upstream": "", "project": "A B"} {
		bad := url.Values{}
		for k, v := range set {
			bad[k] = v
		}
		bad.Set(field, wrong)
		post("/replication/proxies", `role="alert"`, bad)
	}
	post("/replication/proxies", "far shows what "+address+" has", set)
	shows("/replication", "not asked yet")
	pull := func(want int) {
		t.Helper()
		if got := s.Status(t, "admin", webtest.Password, "GET", "/v2/far/team/app/manifests/v1"); got != want {
			t.Errorf("pull: %d, want %d", got, want)
		}
	}
	pull(200)
	pull(200)
	shows("/replication", "answered")
	shows("/replication?proxy=far", `value="team/**"`, `value="0s"`, `value="720h0m0s"`, `value="100MB"`, "Change far")

	// Without a password the one that is there stays; a wrong one is told.
	set.Del("password")
	set.Set("keep", "")
	set.Set("version", formIn(t, admin.Get("/replication?proxy=far", 200), "/replication/proxies").Get("version"))
	post("/replication/proxies", "far shows what", set)
	pull(200)
	shows("/replication", "answered")
	set.Set("password", "wrong horse")
	set.Set("version", formIn(t, admin.Get("/replication?proxy=far", 200), "/replication/proxies").Get("version"))
	post("/replication/proxies", "far shows what", set)
	for deadline := time.Now().Add(time.Minute); !strings.Contains(admin.Get("/replication", 200), "failed"); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("a password that is refused is not told: %s", admin.Body)
		}
		pull(200) // what is here is served; settings may be a second old
	}
	shows("/replication", "failed")

	body := s.API(t, "GET", "/proxies", "", 200)
	var all struct {
		Items []struct {
			Project string
			State   struct {
				Failure             string
				Hits, Misses, Stale int64
				FailedAt            string
			}
		}
	}
	if err := json.Unmarshal(body, &all); err != nil || len(all.Items) != 1 {
		t.Fatalf("%s: %v", body, err)
	}
	if st := all.Items[0].State; st.Failure == "" || st.FailedAt == "" || st.Hits == 0 || strings.Contains(string(body), "horse") {
		t.Errorf("the state by the API: %s", body)
	}
	post("/replication/proxies/remove", "far is an ordinary project now", url.Values{"project": {"far"}})
	post("/replication/proxies/remove", `role="alert"`, url.Values{"project": {"far"}})
}
