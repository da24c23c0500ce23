package web_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/registry/server/config"
	"cove/registry/web/webtest"
)

// TestCompare: the page tells which layers, settings and files differ, whose content too
// where size and rights are the same, and shows nothing that one may not pull.
func TestCompare(t *testing.T) {
	s := webtest.Start(t, config.Config{})
	s.Users(t, "ada")
	s.Project(t, "team", false, map[string]string{"ada": "guest"})
	shared := map[string]string{"etc/base": "same", "opt/old/a": "x", "opt/old/b": "y"}
	s.Push(t, "team/app", "v1", webtest.Image{
		Layers: []map[string]string{shared, {"bin/app": "version 1", "etc/gone": "1", "etc/kept": "k"}},
		Config: ocispec.ImageConfig{Env: []string{"A=1", "B=2"}, User: "app", Labels: map[string]string{"l": "<b>1</b>"}},
	})
	s.Push(t, "team/app", "v2", webtest.Image{
		Layers: []map[string]string{shared, {"bin/app": "version 2", "etc/kept": "k", "etc/more": "22", "opt/.wh.old": ""}},
		Config: ocispec.ImageConfig{Env: []string{"A=1", "B=3", "C=4"}, User: "app", Entrypoint: []string{"/bin/app"}},
	})
	s.Push(t, "library/secret", "v1", webtest.Image{Layers: []map[string]string{shared}})
	s.Chart(t, "team/chart", "1.0.0")
	ada := s.As(t, "ada")
	if page := ada.Get("/artifacts/team/app:v1", 200); !strings.Contains(page, `action="/compare/team/app@sha256:`) {
		t.Error("an artifact's page does not lead to a comparison")
	}
	page := ada.Get("/compare/team/app:v1?with=v2", 200)
	for _, want := range []string{
		"1 layer is in both.", "/bin/app", "/etc/gone", "/etc/more", "/opt/old", ">content<", "Variable <code>B</code>", "Variable <code>C</code>",
		"Entrypoint", "&lt;b&gt;1&lt;/b&gt;", "team/app:v2",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("%q is not shown: %s", want, page)
		}
	}
	for _, not := range []string{"/etc/kept", "/etc/base", "/opt/old/a", "Variable <code>A</code>", "<b>1</b>"} {
		if strings.Contains(page, not) {
			t.Errorf("%q is shown", not)
		}
	}
	if page := ada.Get("/compare/team/app:v1?with=team/app:v1", 200); !strings.Contains(page, "They do not differ.") {
		t.Errorf("with itself: %s", page)
	}
	ada.Get("/compare/team/app:v1?with=team/chart:1.0.0", 200)
	ada.Get("/compare/team/app:v1?with=", 400)
	ada.Get("/compare/team/app:v1?with=no:such:thing", 400)
	ada.Get("/compare/team/app:v1?with=absent", 404)
	ada.Get("/compare/team/app:v1?with=library/secret:v1", 403)
	ada.Get("/compare/library/secret:v1?with=team/app:v1", 403)
}

// TestCollectorByPage: a dry run lists what would go and removes nothing, and the button has
// a server collect.
func TestCollectorByPage(t *testing.T) {
	cfg := config.Config{}
	cfg.GC.Grace, cfg.GC.Lease = 1, 1
	cfg.GC.Interval = 1 << 50 // not by itself
	s := webtest.Start(t, cfg)
	img := s.Push(t, "library/app", "v1", webtest.Image{Layers: []map[string]string{{"a": "bytes of it"}}})
	admin := s.As(t, "admin")
	if page := admin.Get("/gc?dry=1", 200); !strings.Contains(page, "Nothing would go now.") {
		t.Errorf("before a delete: %s", page)
	}
	s.Do(t, webtest.Call{Method: "DELETE", Path: "/v2/library/app/manifests/" + img.Digest.String()}, 202)
	page := admin.Get("/gc?dry=1", 200)
	if !strings.Contains(page, "contents would go") || !strings.Contains(page, img.Digest.Encoded()[:12]) {
		t.Errorf("a dry run: %s", page)
	}
	if admin.Get("/gc?dry=1", 200) != page && !strings.Contains(admin.Body, "contents would go") {
		t.Error("a dry run removes something")
	}
	admin.Post("/gc", url.Values{}, 303)
	job := admin.Last.Header.Get("Location")
	for range 1200 {
		if page = admin.Get(job, 200); strings.Contains(page, "removed ") {
			break
		}
		time.Sleep(25 * time.Millisecond)
	}
	if !strings.Contains(page, "removed 3 contents") {
		t.Errorf("the job says %s", page)
	}
	if page := admin.Get("/gc?dry=1", 200); !strings.Contains(page, "Nothing would go now.") || !strings.Contains(page, job) {
		t.Errorf("after it: %s", page)
	}
}
