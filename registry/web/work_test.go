package web_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"cove/registry/server/config"
	"cove/registry/web/webtest"
)

// TestJobsAreShownStoppedAndRepeated goes through the pages of jobs.
func TestJobsAreShownStoppedAndRepeated(t *testing.T) {
	s := webtest.Start(t, config.Config{})
	admin := s.As(t, "admin")
	path := s.Job(t)
	for deadline := time.Now().Add(10 * time.Second); !strings.Contains(admin.Get(path, 200), ">Done<"); {
		if time.Now().After(deadline) {
			t.Fatalf("the job does not end: %s", admin.Body)
		}
		time.Sleep(50 * time.Millisecond)
	}
	if body := admin.Get("/jobs", 200); !strings.Contains(body, "Remove old lines of the audit log") ||
		!strings.Contains(body, "ada.lovelace") || !strings.Contains(body, "removed 0 lines") || !strings.Contains(body, "40 2 * * *") {
		t.Errorf("jobs: %s", body)
	}
	admin.Get(path, 200)
	admin.Post(path+"/stop", url.Values{}, 303)
	if body := admin.Follow(200); !strings.Contains(body, "has ended (done)") {
		t.Errorf("a stop of what has ended: %s", body)
	}
	admin.Post(path+"/retry", url.Values{}, 303)
	if body := admin.Follow(200); admin.Last.Request.URL.Path == path || !strings.Contains(body, "begins again") {
		t.Errorf("again: %s", body)
	}
	admin.Get("/jobs/7", 404)
	admin.Get("/jobs/x", 404)
	admin.Get("/jobs?state=odd", 400)
	admin.Get("/jobs?after=x", 400)
}

// TestTagsGoBackAndRepositoriesReturn goes through the page of a repository's
// history.
func TestTagsGoBackAndRepositoriesReturn(t *testing.T) {
	s := webtest.Start(t, config.Config{})
	s.Users(t, "dev", "reader")
	s.Project(t, "team", false, map[string]string{"dev": "maintainer", "reader": "guest"})
	first := s.Push(t, "team/app", "v1", webtest.Image{})
	s.Push(t, "team/app", "v1", webtest.Image{Layers: []map[string]string{{"n": "2"}}})
	dev, reader := s.As(t, "dev"), s.As(t, "reader")
	if body := reader.Get("/history/team/app", 200); !strings.Contains(body, "nothing") || strings.Contains(body, "Set back") {
		t.Errorf("a guest's history: %s", body)
	}
	dev.Get("/history/team/app?tag=v1", 200)
	dev.Post("/restore/team/app", url.Values{"tag": {"v1"}, "digest": {first.Digest.String()}}, 303)
	if body := dev.Follow(200); !strings.Contains(body, "v1 names that again.") {
		t.Errorf("set back: %s", body)
	}
	dev.Post("/repositories/delete/team/app", url.Values{"name": {"team/ap"}}, 303)
	if body := dev.Follow(200); !strings.Contains(body, "is another one") {
		t.Errorf("another name: %s", body)
	}
	dev.Post("/repositories/delete/team/app", url.Values{"name": {"team/app"}}, 303)
	if body := dev.Follow(200); !strings.Contains(body, "2 artifacts of team/app are deleted.") || !strings.Contains(body, "Restore all") {
		t.Errorf("deleted: %s", body)
	}
	dev.Post("/restore/team/app", url.Values{}, 303)
	dev.Follow(200)
	if body := dev.Get("/repositories/team/app", 200); !strings.Contains(body, "team/app:v1") {
		t.Errorf("not back: %s", body)
	}
	dev.Get("/history/team/app?after=x", 400)
}

// TestImmutableTagsOnPages adds and removes rules, and meets one.
func TestImmutableTagsOnPages(t *testing.T) {
	s := webtest.Start(t, config.Config{})
	s.Users(t, "dev", "keeper")
	s.Project(t, "team", false, map[string]string{"dev": "developer", "keeper": "maintainer"})
	s.Push(t, "team/app", "v1", webtest.Image{})
	keeper := s.As(t, "keeper")
	path := s.Policies(t, "team")
	if body := s.As(t, "dev").Get(path, 200); strings.Contains(body, "checkout/**") {
		t.Errorf("a developer sees the rules: %s", body)
	}
	keeper.Get(path, 200)
	keeper.Post("/projects/team/immutable", url.Values{"tags": {"[v"}}, 303)
	if body := keeper.Follow(200); !strings.Contains(body, "use a glob") || !strings.Contains(body, "checkout/**") {
		t.Errorf("no glob: %s", body)
	}
	keeper.Get("/repositories/team/app", 200)
	keeper.Post("/tags/delete/team/app", url.Values{"tag": {"v1"}}, 403)
	if !strings.Contains(keeper.Body, "is immutable: rule") {
		t.Errorf("the refusal: %s", keeper.Body)
	}
	for strings.Contains(keeper.Get(path, 200), "/projects/team/immutable/") {
		_, rest, _ := strings.Cut(keeper.Body, "/projects/team/immutable/")
		rule, _, _ := strings.Cut(rest, "/remove")
		keeper.Post("/projects/team/immutable/"+rule+"/remove", url.Values{}, 303)
	}
	keeper.Get("/repositories/team/app", 200)
	keeper.Post("/tags/delete/team/app", url.Values{"tag": {"v1"}}, 303)
}

// TestUsageOnPages limits projects and shows what they use.
func TestUsageOnPages(t *testing.T) {
	s := webtest.Start(t, config.Config{})
	s.Users(t, "dev")
	s.Project(t, "team", false, map[string]string{"dev": "developer"})
	s.Push(t, "team/app", "v1", webtest.Image{})
	admin, dev := s.As(t, "admin"), s.As(t, "dev")
	if body := dev.Get("/projects/team/usage", 200); !strings.Contains(body, "No limit") || strings.Contains(body, "/projects/team/quota") {
		t.Errorf("a developer: %s", body)
	}
	dev.Get("/usage", 403)
	for path, want := range map[string]string{
		"/projects/team/usage": "/usage/team/app", "/usage/team/app": "Nothing else in the registry has it",
		"/usage/team/app?tag=v1": "together with what only it lists",
	} {
		if body := dev.Get(path, 200); !strings.Contains(body, want) {
			t.Errorf("%s lacks %q: %s", path, want, body)
		}
	}
	dev.Get("/usage/team/app?tag=absent", 404)
	admin.Get("/usage", 200)
	admin.Post("/quota", url.Values{"limit": {"2GiB"}}, 303)
	if body := admin.Follow(200); !strings.Contains(body, `value="2GiB"`) || !strings.Contains(body, "2.0 GiB") {
		t.Errorf("the default: %s", body)
	}
	admin.Get("/projects/team/usage", 200)
	admin.Post("/projects/team/quota", url.Values{"limit": {"much"}}, 303)
	if body := admin.Follow(200); !strings.Contains(body, "use a size as 10GiB") || !strings.Contains(body, "as for all projects") {
		t.Errorf("no limit: %s", body)
	}
	admin.Post("/projects/team/quota", url.Values{"limit": {"1KiB"}}, 303)
	if body := admin.Follow(200); !strings.Contains(body, `value="1KiB"`) || !strings.Contains(body, "The limit is set.") {
		t.Errorf("its own: %s", body)
	}
	if body := dev.Get("/projects/team/usage", 200); !strings.Contains(body, "1.0 KiB") {
		t.Errorf("a developer sees the limit: %s", body)
	}
	admin.Get("/projects/team/usage", 200)
	admin.Post("/projects/team/quota", url.Values{"limit": {"default"}}, 303)
	if body := admin.Follow(200); !strings.Contains(body, `value="default"`) {
		t.Errorf("as all: %s", body)
	}
}

// TestRetentionOnPages adds rules, looks at what would go, has it go and gets it back.
func TestRetentionOnPages(t *testing.T) {
	s := webtest.Start(t, config.Config{})
	s.Users(t, "dev", "reader")
	s.Project(t, "team", false, map[string]string{"dev": "developer", "reader": "guest"})
	s.Push(t, "team/app", "v1", webtest.Image{})
	s.Push(t, "team/app", "v2", webtest.Image{Layers: []map[string]string{{"n": "2"}}})
	dev, reader := s.As(t, "dev"), s.As(t, "reader")
	const policies = "/projects/team/policies"
	if body := reader.Get(policies, 200); strings.Contains(body, "Retention") {
		t.Errorf("a guest sees the rules: %s", body)
	}
	reader.Get("/projects/team/retention", 403)
	if body := dev.Get("/projects/team/retention", 200); !strings.Contains(body, "Nothing would go.") {
		t.Errorf("without rules: %s", body)
	}
	for _, tc := range []struct {
		to     string
		fields url.Values
		want   string
	}{
		{"", url.Values{"template": {"odd"}}, "use one of"},
		{"", url.Values{"template": {"latestPushedK"}, "n": {"0"}}, "takes a number"},
		{"", url.Values{"template": {"latestPushedK"}, "n": {"1"}, "tags": {"v*"}}, "<strong>the last pushed</strong>"},
		{"/schedule", url.Values{"cron": {"sometimes"}}, "sometimes"},
		{"/schedule", url.Values{"cron": {"30 3 * * 0"}, "zone": {"Asia/Shanghai"}}, `value="Asia/Shanghai"`},
	} {
		dev.Get(policies, 200)
		dev.Post("/projects/team/retention"+tc.to, tc.fields, 303)
		if body := dev.Follow(200); !strings.Contains(body, tc.want) {
			t.Errorf("%s %v lacks %q: %s", tc.to, tc.fields, tc.want, body)
		}
	}
	body := dev.Get("/projects/team/retention", 200)
	if !strings.Contains(body, "it is number 2 of the last pushed") || !strings.Contains(body, "1 artifact<") {
		t.Errorf("the plan: %s", body)
	}
	dev.Post("/projects/team/retention/run", url.Values{}, 303)
	for deadline := time.Now().Add(10 * time.Second); strings.Contains(dev.Get("/repositories/team/app", 200), "team/app:v1"); {
		if time.Now().After(deadline) {
			t.Fatalf("v1 does not go: %s", dev.Body)
		}
		time.Sleep(50 * time.Millisecond)
	}
	dev.Get("/history/team/app", 200)
	dev.Post("/restore/team/app", url.Values{}, 303)
	dev.Follow(200)
	if body := dev.Get("/repositories/team/app", 200); !strings.Contains(body, "team/app:v1") {
		t.Errorf("v1 is not back: %s", body)
	}
	_, rest, _ := strings.Cut(dev.Get(policies, 200), "/projects/team/retention/")
	for !strings.Contains(rest[:min(30, len(rest))], "/remove") { // the schedule's form is there too
		if _, rest, _ = strings.Cut(rest, "/projects/team/retention/"); rest == "" {
			t.Fatalf("no rule: %s", dev.Body)
		}
	}
	dev.Post("/projects/team/retention", url.Values{"template": {"always"}, "labels": {"in use\r\n rel-* \n"}, "except_labels": {"1"}}, 303)
	if body := dev.Follow(200); !strings.Contains(body, "<em>all but these</em> <code>in use</code> <code>rel-*</code>") {
		t.Errorf("a rule with labels: %s", body)
	}
	_, labelled, _ := strings.Cut(dev.Body, "<code>rel-*</code>")
	_, labelled, _ = strings.Cut(labelled, `action="/projects/team/retention/`)
	labelled, _, _ = strings.Cut(labelled, "/remove")
	dev.Post("/projects/team/retention/"+labelled+"/remove", url.Values{}, 303)
	if body := dev.Follow(200); !strings.Contains(body, `name="labels" value="in use`+"\n"+`rel-*"`) || !strings.Contains(body, `name="except_labels" value="1"`) {
		t.Errorf("no undo of a rule with labels: %s", body)
	}
	rule, _, _ := strings.Cut(rest, "/remove")
	dev.Post("/projects/team/retention/"+rule+"/remove", url.Values{}, 303)
	if body := dev.Follow(200); !strings.Contains(body, "Everything is kept.") {
		t.Errorf("the rule stays: %s", body)
	}
}
