package web_test

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"cove/registry/metadata/metadatatest"
	"cove/registry/server/config"
	"cove/registry/web/webtest"
)

// TestManyTags deletes all tags that a filter matches, far more than the page shows, and
// takes it back: those that do not match, those that are immutable and those of later stay.
func TestManyTags(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { manyTags(t, webtest.Start(t, config.Config{})) })
	t.Run("postgres", func(t *testing.T) {
		manyTags(t, webtest.Start(t, config.Config{Database: metadatatest.Postgres(t).New(t)}))
	})
}

func manyTags(t *testing.T, s *webtest.Site) {
	s.Users(t, "ada", "eve")
	s.Project(t, "team", false, map[string]string{"ada": "maintainer", "eve": "guest"})
	one := s.Push(t, "team/app", "stable", webtest.Image{})
	body := s.Do(t, webtest.Call{Method: "GET", Path: "/v2/team/app/manifests/" + one.Digest.String()}, 200)
	const many = 1203 // more than one request chooses, and than a job asks for at once
	for i := range many {
		s.Manifest(t, "team/app", fmt.Sprintf("Build_%d", i), one.MediaType, body)
	}
	s.Manifest(t, "team/app", "buildx", one.MediaType, body) // an underscore is no pattern
	s.API(t, "POST", "/projects/team/immutable", `{"tags":"Build_7","repositories":"**"}`, 201)

	ada := s.As(t, "ada")
	page := ada.Get("/repositories/team/app?match=build_", 200)
	if !strings.Contains(page, `name="all"`) || !strings.Contains(page, `name="match" value="build_"`) {
		t.Fatalf("nothing chooses all tags:\n%s", page)
	}
	form := func() url.Values { return url.Values{"all": {"1"}, "match": {"build_"}, "label": {""}} }
	eve := s.As(t, "eve")
	eve.Get("/repositories/team/app", 200)
	eve.Post("/tags/delete/team/app", form(), 403)
	ada.Post("/tags/delete/team/app", form(), 303)
	wait(t, ada, "1202 tags are deleted, 1 stay, as immutable")
	page = ada.Get("/repositories/team/app", 200)
	for _, stays := range []string{":stable", ":buildx", ":Build_7"} {
		if !strings.Contains(page, `href="/artifacts/team/app`+stays+`"`) {
			t.Errorf("%s is gone", stays)
		}
	}
	if !strings.Contains(page, "3 tags") {
		t.Errorf("the page says:\n%s", page)
	}
	s.Manifest(t, "team/app", "Build_9", one.MediaType, body) // named again: it stays as it is
	job := regexp.MustCompile(`name="job" value="(\d+)"`).FindStringSubmatch(page)
	if job == nil {
		t.Fatal("nothing takes it back")
	}
	eve.Post("/tags/restore/team/app", url.Values{"job": {job[1]}}, 403)
	ada.Post("/tags/restore/team/app", url.Values{"job": {"12"}}, 404)
	ada.Get("/repositories/team/app", 200)
	ada.Post("/tags/restore/team/app", url.Values{"job": {job[1]}}, 303)
	wait(t, ada, "1201 tags are back, 0 lost to a collection")
	if page = ada.Get("/repositories/team/app", 200); !strings.Contains(page, "1205 tags") {
		t.Errorf("not all are back:\n%s", page)
	}
}

// wait looks at the page until a job has ended and says a text.
func wait(t *testing.T, v *webtest.Visitor, text string) {
	t.Helper()
	var page string
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		page = v.Get("/repositories/team/app", 200)
		if strings.Contains(page, text) && strings.Contains(page, "badge good") {
			return
		}
	}
	t.Fatalf("it never says %q:\n%s", text, page)
}
