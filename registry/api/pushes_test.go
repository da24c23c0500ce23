package api_test

import (
	"encoding/json"
	"slices"
	"testing"

	"cove/registry/server/config"
	"cove/registry/web/webtest"
)

// TestPushesAreNoted: what is pushed, tagged, moved and deleted by the protocol is in the
// audit log, also a tag that comes to name what was there before.
func TestPushesAreNoted(t *testing.T) {
	s := webtest.Start(t, config.Config{})
	s.Project(t, "team", false, nil)
	first := s.Push(t, "team/app", "v1", webtest.Image{Layers: []map[string]string{{"a": "1"}}})
	second := s.Push(t, "team/app", "v2", webtest.Image{Layers: []map[string]string{{"a": "2"}}})
	body := s.Do(t, webtest.Call{Method: "GET", Path: "/v2/team/app/manifests/" + first.Digest.String()}, 200)
	s.Manifest(t, "team/app", "v2", first.MediaType, body) // moved back
	s.Manifest(t, "team/app", "v2", first.MediaType, body) // and again, which changes nothing
	s.Do(t, webtest.Call{Method: "DELETE", Path: "/v2/team/app/manifests/v2"}, 202)
	s.Do(t, webtest.Call{Method: "DELETE", Path: "/v2/team/app/manifests/" + second.Digest.String()}, 202)
	var page struct {
		Items []struct{ Action, Object, Actor, Detail string }
	}
	if err := json.Unmarshal(s.API(t, "GET", "/audit?limit=100", "", 200), &page); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, l := range slices.Backward(page.Items) {
		if l.Actor == "admin" && slices.Contains([]string{"manifest.push", "manifest.delete", "tag.set", "tag.delete"}, l.Action) {
			got = append(got, l.Action+" "+l.Object)
		}
	}
	a, b := "team/app@"+first.Digest.String(), "team/app@"+second.Digest.String()
	if want := []string{
		"manifest.push " + a, "tag.set team/app:v1", "manifest.push " + b, "tag.set team/app:v2", "tag.set team/app:v2",
		"tag.delete team/app:v2", "manifest.delete " + b,
	}; !slices.Equal(got, want) {
		t.Errorf("the log has\n%q, want\n%q", got, want)
	}
}
