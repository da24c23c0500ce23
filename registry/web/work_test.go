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
	for strings.Contains(keeper.Get(path, 200), "/remove\"") {
		_, rest, _ := strings.Cut(keeper.Body, "/projects/team/immutable/")
		rule, _, _ := strings.Cut(rest, "/remove")
		keeper.Post("/projects/team/immutable/"+rule+"/remove", url.Values{}, 303)
	}
	keeper.Get("/repositories/team/app", 200)
	keeper.Post("/tags/delete/team/app", url.Values{"tag": {"v1"}}, 303)
}
