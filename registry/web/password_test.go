package web_test

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"cove/registry/server/config"
	"cove/registry/web/webtest"
)

var passwordLink = regexp.MustCompile(`http://[^"\s]+(/password\?token=[A-Z2-7]{26})`)

// TestPasswordLinkPages: an administrator gives somebody a link, who sets a password by it,
// once.
func TestPasswordLinkPages(t *testing.T) {
	s := webtest.Start(t, config.Config{})
	s.Users(t, "ann", "bob")
	admin, ann := s.As(t, "admin"), s.As(t, "ann")
	has := func(body string, texts ...string) {
		t.Helper()
		for _, text := range texts {
			if !strings.Contains(html.UnescapeString(body), text) {
				t.Errorf("there is no %q in %s", text, body)
			}
		}
	}
	admin.Get("/users", 200)
	made := passwordLink.FindStringSubmatch(html.UnescapeString(admin.Post("/users/ann/link", url.Values{}, 200)))
	if made == nil {
		t.Fatalf("there is no link in %s", admin.Body)
	}
	v, path := s.Visitor(t), made[1]
	for range 2 { // looking at it changes nothing
		has(v.Get(path, 200), "Choose the password of ann")
	}
	if got := v.Last.Header.Get("Referrer-Policy"); got != "no-referrer" {
		t.Errorf("the address of the page goes along: Referrer-Policy is %q", got)
	}
	form := url.Values{"token": {path[len("/password?token="):]}, "new": {"a new password"}, "again": {"a new passwort"}}
	has(v.Post("/password", form, 422), "The two new passwords differ.")
	form["new"], form["again"] = []string{"short"}, []string{"short"}
	has(v.Post("/password", form, 422), `role="alert"`)
	form["new"], form["again"] = []string{"a new password"}, []string{"a new password"}
	v.Post("/password", form, 303)
	has(v.Follow(200), "The password of ann is set.")
	v.Post("/password", form, 404)
	has(v.Get(path, 404), "not good any more")
	v.Get("/password", 404)
	for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		r, err := http.NewRequestWithContext(t.Context(), "GET", s.URL+"/account", nil)
		if err != nil {
			t.Fatal(err)
		}
		if ann.Send(r); ann.Last.StatusCode == 303 {
			break // her session of before has ended
		}
		if time.Now().After(end) {
			t.Fatal("a session goes on after the password was set by a link")
		}
	}
	v.Get("/sign-in", 200)
	v.Post("/sign-in", url.Values{"name": {"ann"}, "password": {"a new password"}}, 303)

	again := passwordLink.FindStringSubmatch(html.UnescapeString(admin.Post("/users/bob/link", url.Values{}, 200)))
	admin.Post("/users/bob/unlink", url.Values{}, 303)
	has(admin.Follow(200), "The link of bob works no more.")
	v.Get(again[1], 404)
	admin.Post("/users/bob/change", url.Values{"disabled": {"1"}}, 303)
	has(admin.Follow(200), "bob may not sign in any more.")
	admin.Post("/users/bob/change", url.Values{}, 303)
	has(admin.Follow(200), "bob may sign in again.")
	bob := s.As(t, "bob")
	bob.Get("/projects", 200)
	bob.Post("/users/ann/link", url.Values{}, 403)
}

// TestRegistration: strangers make accounts where the configuration says so, not too many,
// and learn no names by it.
func TestRegistration(t *testing.T) {
	closed := webtest.Start(t, config.Config{})
	v := closed.Visitor(t)
	if body := v.Get("/sign-in", 200); strings.Contains(body, "/register") {
		t.Error("a registry that makes no accounts offers them")
	}
	v.Get("/register", 404)
	v.Post("/register", url.Values{"name": {"zed"}, "new": {"a password"}, "again": {"a password"}}, 404)

	for how, text := range map[string]string{
		config.RegistrationOpen: "the account is yours", config.RegistrationApproval: "An administrator has to let you in",
	} {
		s := webtest.Start(t, config.Config{Accounts: config.Accounts{Registration: how}})
		s.Users(t, "qux")
		v := s.Visitor(t)
		if body := v.Get("/sign-in", 200); !strings.Contains(body, "/register") {
			t.Errorf("%s: no way leads to a new account", how)
		}
		v.Get("/register", 200)
		form := url.Values{"name": {"zed"}, "new": {"a new password"}, "again": {"another password"}}
		v.Post("/register", form, 422)
		form.Set("again", "a new password")
		var said []string
		for _, name := range []string{"zed", "qux"} { // one that is free, and one that is not
			form.Set("name", name)
			v.Post("/register", form, 303)
			body := html.UnescapeString(v.Follow(200))
			if !strings.Contains(body, text) {
				t.Errorf("%s: %s", how, body)
			}
			notice := body[strings.Index(body, `id="notice"`):strings.Index(body, "<h1>")]
			said = append(said, strings.ReplaceAll(notice, name, "NAME"))
		}
		if said[0] != said[1] {
			t.Errorf("who asks learns a name: %q and %q", said[0], said[1])
		}
		want := map[string]int{config.RegistrationOpen: 303, config.RegistrationApproval: 401}[how]
		v.Post("/sign-in", url.Values{"name": {"zed"}, "password": {"a new password"}}, want)
		other := s.Visitor(t)
		other.Get("/register", 200)
		for i := range 8 {
			form.Set("name", "more"+string(rune('a'+i)))
			other.Post("/register", form, 303)
		}
		if other.Post("/register", form, 429); other.Last.Header.Get("Retry-After") == "" {
			t.Error("who asks too often is not told how long to wait")
		}
	}
}
