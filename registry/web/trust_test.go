package web_test

import (
	"html"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"cove/registry/identity/jwttest"
	"cove/registry/server/config"
	"cove/registry/web/webtest"
)

// field is a part of a form that is filled in already.
var field = regexp.MustCompile(`(?s)<(?:input name="(\w+)"[^>]*? value="([^"]*)"|textarea name="(\w+)"[^>]*>(.*?)</textarea>|input type="checkbox" name="(\w+)" value="([^"]*)" checked)`)

// formOf are the fields of the page's last form, as a browser would send them untouched.
func formOf(body string) url.Values {
	form := url.Values{}
	for _, m := range field.FindAllStringSubmatch(body[strings.LastIndex(body, "/change\""):], -1) {
		name, value := m[1]+m[3]+m[5], m[2]+m[4]+m[6]
		form.Add(name, strings.ReplaceAll(html.UnescapeString(value), "\n", "\r\n"))
	}
	return form
}

// TestTrustPages makes a rule by its form, opens and saves it, which changes nothing, tries
// a token, and takes the rule away, in a project and for the registry as a whole.
func TestTrustPages(t *testing.T) {
	s := webtest.Start(t, config.Config{})
	s.Users(t, "boss", "reader")
	s.Project(t, "team", false, map[string]string{"boss": "project-admin", "reader": "guest"})
	issuer := jwttest.Start(t)
	for _, c := range []struct{ who, page, api, name string }{
		{"boss", "/projects/team/trust", "/projects/team/trust", "trust$team+ci"},
		{"admin", "/trust", "/trust", "trust$ci"},
	} {
		v := s.As(t, c.who)
		has := func(body string, texts ...string) {
			t.Helper()
			for _, text := range texts {
				if !strings.Contains(html.UnescapeString(body), text) {
					t.Errorf("%s: there is no %q in %s", c.page, text, body)
				}
			}
		}
		has(v.Get(c.page, 200), "There are no trust rules here", "Create the rule")
		rule := url.Values{
			"name": {"ci"}, "description": {"jobs"}, "issuer": {issuer.URL}, "audience": {"us"}, "keys": {issuer.Set()},
			"claims": {"repository=octo/app\r\nref=refs/heads/*\r\n\r\nrepository=octo/lib"}, "right": {"push"},
			"others": {"label:list"}, "repositories": {"app lib-*"}, "until": {"2099-12-31"},
		}
		for wrong, value := range map[string]string{"claims": "repository", "until": "soon", "issuer": "http://x.test", "others": "fly:high"} {
			bad := url.Values{}
			for k, values := range rule {
				bad[k] = slices.Clone(values)
			}
			bad.Set(wrong, value)
			has(v.Post(c.page, bad, 422), `role="alert"`, value, "lib-*", "Create the rule")
		}
		v.Post(c.page, rule, 303)
		has(v.Follow(200), c.name+" takes tokens now.", "label:list", "ref=refs/heads/*", "repository=octo/lib")

		before := s.API(t, "GET", c.api+"/ci", "", 200)
		page := v.Get(c.page+"/ci", 200)
		form := formOf(page)
		if form.Get("until") != "2099-12-31" || !slices.Equal(form["right"], []string{"pull", "push"}) || form.Get("others") != "label:list" {
			t.Errorf("the form of %s has %v", c.name, form)
		}
		v.Post(c.page+"/ci/change", form, 303)
		has(v.Follow(200), c.name+" is changed.")
		if after := s.API(t, "GET", c.api+"/ci", "", 200); string(after) != string(before) {
			t.Errorf("saved as it was opened, %s became %s", before, after)
		}
		form.Set("claims", "")
		has(v.Post(c.page+"/ci/change", form, 422), "at least one claim")

		token := issuer.Sign(t, jwttest.GitHub("us", nil))
		has(v.Post(c.page+"/check", url.Values{"token": {token}}, 200), c.name, "taken")
		has(v.Post(c.page+"/check", url.Values{"token": {"<b>"}}, 200), "refused", "that is no token")
		v.Post(c.page+"/ci/switch", url.Values{"disabled": {"1"}}, 303)
		has(v.Follow(200), c.name+" takes no token any more.")
		v.Post(c.page+"/ci/switch", url.Values{}, 303)
		has(v.Follow(200), c.name+" takes tokens again.")
		v.Post(c.page+"/ci/remove", url.Values{}, 303)
		has(v.Follow(200), c.name+" is removed.")
		v.Get(c.page+"/ci", 404)
		v.Post(c.page+"/ci/change", rule, 404)
	}
	reader := s.As(t, "reader")
	if body := reader.Get("/projects/team/trust", 200); strings.Contains(body, "Create the rule") {
		t.Error("a guest is offered to make a rule")
	}
	reader.Post("/projects/team/trust", url.Values{"name": {"mine"}}, 403)
	reader.Get("/trust", 403)
}
