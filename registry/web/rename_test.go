package web_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"cove/registry/metadata/metadatatest"
	"cove/registry/server/config"
	"cove/registry/web/webtest"
)

// asked is an answer of the protocol.
type asked struct {
	code    int
	warning string
	body    string
}

// v2 sends a request with a password, or with a token that was issued for a scope.
func v2(t *testing.T, s *webtest.Site, user, method, path, scope string) asked {
	t.Helper()
	send := func(r *http.Request) asked {
		t.Helper()
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return asked{resp.StatusCode, resp.Header.Get("Warning"), string(body)}
	}
	request := func(method, path string) *http.Request {
		t.Helper()
		r, err := http.NewRequestWithContext(context.Background(), method, s.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if user != "" {
			r.SetBasicAuth(user, webtest.Password)
		}
		return r
	}
	r := request(method, path)
	if scope != "" {
		var issued struct{ Token string }
		got := send(request("GET", "/token?service=cove-registry&scope="+scope))
		if err := json.Unmarshal([]byte(got.body), &issued); err != nil || got.code != 200 {
			t.Fatalf("a token for %s: %+v", scope, got)
		}
		r.Header.Set("Authorization", "Bearer "+issued.Token)
	}
	return send(r)
}

// TestFormerNames: who renames a repository on its page, and its project in the settings,
// sees where they are; pulls by the old names go on and are told, pushes are refused with
// the new name, and nobody may by an old name what he may not by the new one.
func TestFormerNames(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { formerNames(t, config.Config{}) })
	t.Run("postgres", func(t *testing.T) { formerNames(t, config.Config{Database: metadatatest.Postgres(t).New(t)}) })
}

func formerNames(t *testing.T, cfg config.Config) {
	s := webtest.Start(t, cfg)
	s.Users(t, "ada", "bob")
	s.Project(t, "team", false, map[string]string{"ada": "developer"})
	s.Project(t, "other", false, map[string]string{"bob": "developer"})
	s.Project(t, "shown", true, nil)
	img := s.Push(t, "team/app", "v1", webtest.Image{Layers: []map[string]string{{"a": "b"}}})
	s.Push(t, "shown/app", "v1", webtest.Image{Layers: []map[string]string{{"a": "b"}}})
	v := s.As(t, "admin")
	if got := v2(t, s, "ada", "GET", "/v2/team/app/manifests/v1", ""); got.code != 200 || got.warning != "" {
		t.Fatalf("before: %+v", got)
	}

	form := formIn(t, v.Get("/history/team/app", 200), "/repositories/rename/team/app")
	form.Set("to", "team/web")
	v.Post("/repositories/rename/team/app", form, 303)
	if page := v.Follow(200); !strings.Contains(page, "team/app is called team/web now.") {
		t.Errorf("the page after a rename: %s", page)
	}
	form = formIn(t, v.Get("/projects/team/settings", 200), "/projects/team/rename")
	form.Set("to", "crew")
	v.Post("/projects/team/rename", form, 303)
	v.Follow(200)
	form = formIn(t, v.Get("/history/shown/app", 200), "/repositories/rename/shown/app")
	form.Set("to", "other/shown")
	v.Post("/repositories/rename/shown/app", form, 303)

	for _, old := range []string{"team/app", "team/web"} {
		for _, scope := range []string{"", "repository:" + old + ":pull,push"} {
			for _, path := range []string{"/manifests/v1", "/manifests/" + img.Digest.String(), "/tags/list", "/referrers/" + img.Digest.String()} {
				got := v2(t, s, "ada", "GET", "/v2/"+old+path, scope)
				if got.code != 200 || !strings.Contains(got.warning, old+" is called crew/web now") {
					t.Errorf("%s of %s with %q: %+v", path, old, scope, got)
				}
			}
			for method, path := range map[string]string{"POST": "/blobs/uploads/", "PUT": "/manifests/v2"} {
				got := v2(t, s, "ada", method, "/v2/"+old+path, scope)
				if got.code != 403 && got.code != 400 || method == "POST" && !strings.Contains(got.body, "push to crew/web") {
					t.Errorf("%s %s of %s: %+v", method, path, old, got)
				}
			}
		}
		for who, want := range map[string]int{"": 401, "bob": 403} {
			if got := v2(t, s, who, "GET", "/v2/"+old+"/manifests/v1", ""); got.code != want || strings.Contains(got.body+got.warning, "crew") {
				t.Errorf("%q reads %s: %+v", who, old, got)
			}
		}
	}
	var doc struct{ Layers []struct{ Digest string } }
	manifest := v2(t, s, "ada", "GET", "/v2/team/app/manifests/v1", "")
	if err := json.Unmarshal([]byte(manifest.body), &doc); err != nil || len(doc.Layers) == 0 {
		t.Fatal(manifest)
	}
	blob := "/blobs/" + doc.Layers[0].Digest
	for _, method := range []string{"GET", "HEAD"} {
		if got := v2(t, s, "ada", method, "/v2/team/app"+blob, "repository:team/app:pull"); got.code != 200 {
			t.Errorf("%s of a layer: %+v", method, got)
		}
	}
	if got := v2(t, s, "ada", "POST", "/v2/crew/new/blobs/uploads/?from=team/app&mount="+doc.Layers[0].Digest, ""); got.code != 201 {
		t.Errorf("a mount from an old name: %+v", got)
	}
	// it was public where it was, and is not where it is
	if got := v2(t, s, "", "GET", "/v2/shown/app/manifests/v1", ""); got.code != 401 {
		t.Errorf("a visitor reads what moved to a private project: %+v", got)
	}
	if got := v2(t, s, "bob", "GET", "/v2/shown/app/manifests/v1", ""); got.code != 200 {
		t.Errorf("a member there reads it by its old name: %+v", got)
	}

	// pages by old names lead to those of today, if one may see them
	v.Get("/repositories/team/app?order=name", 303)
	if to := v.Last.Header.Get("Location"); to != "/repositories/crew/web?order=name" {
		t.Errorf("the page of the old name leads to %q", to)
	}
	v.Get("/artifacts/team/web:v1", 303)
	v.Follow(200)
	v.Get("/projects/team", 303)
	v.Follow(200)
	bob := s.As(t, "bob")
	bob.Get("/repositories/team/app", 403)
	ada := s.As(t, "ada")
	ada.Get("/repositories/team/app", 303)

	// an old name is nobody else's until it is released
	s.API(t, "POST", "/projects", `{"name":"team"}`, 409)
	page := v.Get("/projects/crew/settings", 200)
	if !strings.Contains(page, "team/app") {
		t.Errorf("the settings do not show the former names: %s", page)
	}
	v.Post("/projects/crew/release", url.Values{"name": {"team"}}, 303)
	if got := v2(t, s, "ada", "GET", "/v2/team/web/manifests/v1", ""); got.code != 403 && got.code != 404 {
		t.Errorf("a released name: %+v", got)
	}
	s.API(t, "POST", "/projects", `{"name":"team"}`, 201)
}
