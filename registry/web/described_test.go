package web_test

import (
	"net/url"
	"strings"
	"testing"

	"cove/registry/describe"
	"cove/registry/server/config"
	"cove/registry/web/webtest"
)

// TestDescriptionsOnPages says what a repository is for, by a form that shows what it was
// filled with, loses nothing that is refused, and overwrites nobody's words.
func TestDescriptionsOnPages(t *testing.T) {
	s := webtest.Start(t, config.Config{})
	s.Users(t, "grace", "linus")
	s.Project(t, "team", true, map[string]string{"grace": "developer", "linus": "guest"})
	s.Push(t, "team/app", "v1", webtest.Image{})
	const page, action = "/repositories/team/app", "/repositories/describe/team/app"
	grace, linus, admin := s.As(t, "grace"), s.As(t, "linus"), s.As(t, "admin")
	if strings.Contains(linus.Get(page, 200), action) {
		t.Error("who may not describe it has the form")
	}
	linus.Post(action, url.Values{"description": {"x"}}, 403)
	form := formIn(t, grace.Get(page, 200), action)
	old := formIn(t, admin.Get(page, 200), action)
	const text = "# The shop\r\n\r\n- of *all* <script>alert(1)</script>\r\n- [docs](javascript:alert(1)) [here](https://example.com/)\r\n\r\n![x](https://example.com/x.png)"
	form.Set("description", text)
	grace.Post(action, form, 303)
	shown := grace.Follow(200)
	for want, has := range map[string]bool{
		"The shop</h": true, "<em>all</em>": true, `href="https://example.com/"`: true, "<script>alert": false, `href="javascript`: false, "<img": false,
	} {
		if strings.Contains(shown, want) != has {
			t.Errorf("%q is there: %v\n%s", want, !has, shown)
		}
	}
	if again := formIn(t, shown, action); again.Get("description") != text {
		t.Errorf("the form shows %q", again.Get("description"))
	}
	old.Set("description", "mine")
	admin.Post(action, old, 422)
	if again := formIn(t, admin.Body, action); again.Get("description") != "mine" || !strings.Contains(admin.Body, `role="alert"`) {
		t.Errorf("what somebody else wrote meanwhile:\n%s", admin.Body)
	}
	long := formIn(t, grace.Get(page, 200), action)
	long.Set("description", strings.Repeat("x", describe.Longest+1))
	grace.Post(action, long, 422)
	if again := formIn(t, grace.Body, action); len(again.Get("description")) != describe.Longest+1 {
		t.Error("what was refused is lost")
	}
	if !strings.Contains(s.Visitor(t).Get(page, 200), "The shop</h") {
		t.Error("who looks at a public project does not see what it is for")
	}
	none := formIn(t, grace.Get(page, 200), action)
	none.Set("description", " \r\n")
	grace.Post(action, none, 303)
	if strings.Contains(grace.Follow(200), `class="prose"`) {
		t.Error("an empty description takes room")
	}
}

// TestSpaceOnPages shows the largest files of an image, and those that nobody sees.
func TestSpaceOnPages(t *testing.T) {
	s := webtest.Start(t, config.Config{})
	s.Project(t, "team", false, nil)
	s.Push(t, "team/app", "v1", webtest.Image{
		Layers: []map[string]string{{"cache/<big>": strings.Repeat("b", 50_000), "etc/conf": "1"}, {"cache/.wh.<big>": "", "etc/conf": "22"}},
		Steps:  []string{"RUN make", "RUN rm cache/*"},
	})
	admin := s.As(t, "admin")
	if !strings.Contains(admin.Get("/artifacts/team/app:v1", 200), `href="/space/team/app@sha256:`) {
		t.Error("nothing leads there")
	}
	shown := admin.Get("/space/team/app:v1", 200)
	for _, want := range []string{"cache/&lt;big&gt;", "deleted", "replaced", "RUN rm cache/*", "99% of all", "Layer 1", "Layer 2", "etc/conf"} {
		if !strings.Contains(shown, want) {
			t.Errorf("no %q in\n%s", want, shown)
		}
	}
	s.Push(t, "team/app", "v2", webtest.Image{Layers: []map[string]string{{"a": "1"}}})
	if shown := admin.Get("/space/team/app:v2", 200); !strings.Contains(shown, "No layer hides files") {
		t.Errorf("nothing is hidden:\n%s", shown)
	}
	s.Visitor(t).Get("/space/team/app:v1", 303)
	s.Chart(t, "team/chart", "1.0.0")
	admin.Get("/space/team/chart:1.0.0", 200)
	bySize := admin.Get("/repositories/team/app?order=size", 200)
	if first, second := strings.Index(bySize, "/artifacts/team/app:v1\""), strings.Index(bySize, "/artifacts/team/app:v2\""); first < 0 || second < first {
		t.Errorf("by size v1 is at %d, v2 at %d", first, second)
	}
}
