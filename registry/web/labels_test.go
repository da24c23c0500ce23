package web_test

import (
	"net/url"
	"regexp"
	"strings"
	"testing"

	"cove/registry/server/config"
	"cove/registry/web/webtest"
)

// TestLabelsOnPages makes labels, puts them on an artifact, finds it by them and takes them
// off again.
func TestLabelsOnPages(t *testing.T) {
	s := webtest.Start(t, config.Config{})
	s.Users(t, "ada", "grace", "linus")
	s.Project(t, "team", true, map[string]string{"ada": "maintainer", "grace": "developer", "linus": "guest"})
	img := s.Push(t, "team/app", "v1", webtest.Image{})
	s.Push(t, "team/app", "v2", webtest.Image{Layers: []map[string]string{{"n": "2"}}})
	admin, ada, grace, linus := s.As(t, "admin"), s.As(t, "ada"), s.As(t, "grace"), s.As(t, "linus")
	admin.Get("/labels", 200)
	admin.Post("/labels", url.Values{"name": {"stable"}, "color": {"#1a7f37"}, "description": {"for everyone"}}, 303)
	admin.Follow(200)
	ada.Get("/projects/team/labels", 200)
	ada.Post("/projects/team/labels", url.Values{"name": {"needs <review>"}, "color": {"#cf222e"}}, 303)
	body := ada.Follow(200)
	if !strings.Contains(body, "needs &lt;review&gt;") || strings.Contains(body, ">stable<") {
		t.Errorf("labels of the project: %s", body)
	}
	ada.Post("/projects/team/labels", url.Values{"name": {"needs <review>"}, "color": {"#cf222e"}}, 422)
	if !strings.Contains(ada.Body, `value="needs &lt;review&gt;"`) || !strings.Contains(ada.Body, `role="alert"`) {
		t.Errorf("what was typed is lost: %s", ada.Body)
	}
	grace.Get("/projects/team/labels", 200)
	grace.Post("/projects/team/labels", url.Values{"name": {"x"}, "color": {"#cf222e"}}, 403)
	if strings.Contains(grace.Get("/projects/team/labels", 200), `action="/projects/team/labels"`) && strings.Contains(grace.Body, `name="color"`) {
		t.Error("who makes no labels has the form for it")
	}
	page := "/artifacts/team/app@" + img.Digest.String()
	put := formIn(t, grace.Get(page, 200), "/artifacts/label/team/app@"+img.Digest.String())
	grace.Post("/artifacts/label/team/app@"+img.Digest.String(), put, 303)
	if body := grace.Follow(200); !strings.Contains(body, `href="/repositories/team/app?label=needs%20%3creview%3e"`) {
		t.Errorf("no chip leads to others of the label: %s", body)
	}
	for path, want := range map[string]bool{
		"/repositories/team/app?label=needs+%3Creview%3E": false, "/repositories/team/app": true,
		"/repositories/team/app?label=absent": false, "/repositories/team/app?label=needs+%3Creview%3E&order=name": false,
	} {
		for _, v := range []*webtest.Visitor{linus, s.Visitor(t)} {
			body := v.Get(path, 200)
			if got := strings.Contains(body, `/artifacts/team/app:v2"`); got != want {
				t.Errorf("%s shows v2: %v", path, got)
			}
			if has := strings.Contains(body, `/artifacts/team/app:v1"`); has == strings.Contains(path, "absent") {
				t.Errorf("%s shows v1: %v", path, has)
			}
		}
	}
	for _, path := range []string{"/repositories/team/app?label=absent", "/repositories/team/app?match=absent"} {
		if body := linus.Get(path, 200); !strings.Contains(body, "/team/app:v2</code>") {
			t.Errorf("%s says how to pull a tag that there is not: %s", path, body)
		}
	}
	if strings.Contains(linus.Get(page, 200), "/artifacts/label/") {
		t.Error("a guest has the form of labels")
	}
	linus.Post("/artifacts/unlabel/team/app@"+img.Digest.String(), put, 403)
	grace.Get(page, 200)
	grace.Post("/artifacts/unlabel/team/app@"+img.Digest.String(), put, 303)
	if body := grace.Follow(200); strings.Contains(body, "?label=") || !strings.Contains(body, "/artifacts/label/") {
		t.Errorf("the label is on it, or it cannot be undone: %s", body)
	}
}

// TestJobsHaveNames: of what runs by a schedule the page tells more than the word of a program.
func TestJobsHaveNames(t *testing.T) {
	s := webtest.Start(t, config.Config{})
	body := s.As(t, "admin").Get("/jobs", 200)
	if _, schedules, _ := strings.Cut(body, "proxy"); !strings.Contains(schedules, "* * *") {
		t.Fatalf("no schedules: %s", body)
	}
	for _, m := range regexp.MustCompile(`<t[dh][^>]*>\s*([a-z]+(?:-[a-z]+)+)`).FindAllStringSubmatch(body, -1) {
		t.Errorf("%s has no name for people", m[1])
	}
}
