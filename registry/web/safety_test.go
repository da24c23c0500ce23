package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/registry/server/config"
	"cove/registry/web/webtest"
)

// hostile texts end the tag, the attribute, the script or the comment that they
// might stand in.
var hostile = []string{
	`<script>document.title="XSS"</script>`, `"><img src=x onerror=alert(1)>`, `' onmouseover='alert(1)`,
	`javascript:alert(1)`, `</code></pre><svg/onload=alert(1)>`, `{{.FormToken}}`, `<!--`, "\u202eevil\x00", `</textarea><script>`,
	`" hx-on:load="alert(1)`, `" hx-get="https://evil.example/`, `<iframe srcdoc="<script>alert(1)</script>">`, `<base href=//evil.example/>`,
	`&lt;script&gt;`, `<a href="data:text/html,<script>alert(1)</script>">`, `<meta http-equiv=refresh content="0;url=//evil.example">`,
}

// assertInert fails if a page holds a hostile text as markup.
func assertInert(t *testing.T, where, body string) {
	t.Helper()
	if strings.Count(body, "</textarea") != strings.Count(body, "<textarea") {
		t.Errorf("%s: a text ends the field that it is in", where)
	}
	for _, live := range []string{
		"<script>", "<img", "<svg/onload", "<iframe", "<base", "<meta http-equiv=refresh", `" hx-on`, `="https://evil.example`,
		"' onmouseover='", `href="javascript:`, `href="data:`, "</textarea><",
	} {
		if strings.Contains(body, live) {
			i := strings.Index(body, live)
			t.Errorf("%s: %s is alive: …%s…", where, live, body[max(0, i-80):min(len(body), i+120)])
		}
	}
}

// TestHostileTextsAreInert puts each text wherever a pusher may choose one, and
// looks at every page that shows it (T14: XSS).
func TestHostileTextsAreInert(t *testing.T) {
	s := webtest.Start(t, config.Config{})
	v := s.As(t, "admin")
	for i, text := range hostile {
		clean := strings.ReplaceAll(text, "\x00", "")
		img := s.Push(t, "library/hostile", "v1", webtest.Image{
			Layers: []map[string]string{{"file": clean, "x" + clean: "x"}}, Steps: []string{clean},
			Config: ocispec.ImageConfig{
				Env: []string{clean + "=" + clean}, Cmd: []string{clean}, Entrypoint: []string{clean}, Labels: map[string]string{clean: clean},
				User: clean, WorkingDir: clean, StopSignal: clean, Volumes: map[string]struct{}{clean: {}},
				ExposedPorts: map[string]struct{}{clean: {}},
			},
			Annotations: map[string]string{clean: clean, ocispec.AnnotationTitle: clean},
		})
		s.Push(t, "library/hostile", "", webtest.Image{Subject: &img, Type: "application/x" + clean, Annotations: map[string]string{clean: clean}})
		img.Platform = &ocispec.Platform{OS: clean, Architecture: clean, Variant: clean}
		img.Annotations = map[string]string{"vnd.docker.reference.digest": clean}
		s.Index(t, "library/hostile", "index", img)
		for _, path := range []string{
			"/space/library/hostile:v1", "/files/library/hostile:v1", "/files/library/hostile:v1?path=" + url.QueryEscape("x"+clean), "/files/library/hostile:v1?path=file",
			"/artifacts/library/hostile:v1", "/artifacts/library/hostile:index", "/repositories/library/hostile",
			"/search?q=" + url.QueryEscape(clean), "/projects?match=" + url.QueryEscape(clean), "/repositories/library/hostile?match=" + url.QueryEscape(clean),
			"/repositories/library/hostile?order=" + url.QueryEscape(clean), "/projects/library?match=" + url.QueryEscape(clean),
			"/start?client=" + url.QueryEscape(clean), "/users?after=" + url.QueryEscape(clean), "/audit",
		} {
			assertInert(t, path, v.Get(path, 200))
		}
		v.Get("/artifacts/library/"+url.PathEscape(clean)+":v1", 400)
		assertInert(t, "an address", v.Body)
		v.Get("/projects", 200)
		v.Post("/projects", url.Values{"name": {clean}}, 422)
		assertInert(t, "a project's name", v.Body)
		v.Post("/users", url.Values{"name": {clean}, "password": {webtest.Password}}, 422)
		assertInert(t, "a user's name", v.Body)
		if i < 8 { // the throttle ends it
			out := s.Visitor(t)
			out.Get("/sign-in?next="+url.QueryEscape(clean), 200)
			assertInert(t, "next", out.Body)
			out.Post("/sign-in", url.Values{"name": {clean}, "password": {"x"}, "next": {clean}}, 401)
			assertInert(t, "a name at the sign-in", out.Body)
		}
	}
}

// TestRedirectsStayHere: T14, open redirects.
func TestRedirectsStayHere(t *testing.T) {
	s := webtest.Start(t, config.Config{})
	v := s.As(t, "admin")
	for _, next := range []string{
		"//evil.example", "https://evil.example", "/\\evil.example", "\\\\evil.example", "/\t/evil.example", "http:evil.example", "///evil.example",
		"javascript:alert(1)", "/%5cevil.example/..//evil.example\r\nSet-Cookie: x=y", "evil.example", "@evil.example", "", "?x", "//evil.example/%2f..",
		"http://[::1",
	} {
		v.Get("/sign-in?next="+url.QueryEscape(next), 303)
		if got := v.Last.Header.Get("Location"); got != "/" {
			t.Errorf("sign-in to %q leads to %q", next, got)
		}
		v.Get("/projects", 200)
		v.Post("/preferences", url.Values{"next": {next}, "language": {"en"}}, 303)
		if got := v.Last.Header.Get("Location"); got != "/" {
			t.Errorf("preferences to %q lead to %q", next, got)
		}
	}
	for _, next := range []string{"/projects/library", "/search?q=a//b", "/"} {
		v.Get("/sign-in?next="+url.QueryEscape(next), 303)
		if got := v.Last.Header.Get("Location"); got != next {
			t.Errorf("sign-in to %q leads to %q", next, got)
		}
	}
	out := s.Visitor(t)
	out.Get("/projects/library?match=x%26y", 303)
	if got := out.Last.Header.Get("Location"); got != "/sign-in?next=%2Fprojects%2Flibrary%3Fmatch%3Dx%2526y" {
		t.Errorf("who is not signed in is sent to %q", got)
	}
}

// TestEveryAnswerIsGuarded: T14, clickjacking, and what a page may load.
func TestEveryAnswerIsGuarded(t *testing.T) {
	s := webtest.Start(t, config.Config{})
	v := s.As(t, "admin")
	for _, path := range []string{"/sign-in", "/start", "/projects", "/projects/library", "/users", "/account", "/audit", "/search?q=x", "/nowhere", "/projects/none"} {
		r, err := http.NewRequestWithContext(t.Context(), "GET", s.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		v.Send(r)
		h := v.Last.Header
		policy := h.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "frame-ancestors 'none'", "form-action 'self'", "base-uri 'none'"} {
			if !strings.Contains(policy, want) {
				t.Errorf("%s: policy %q lacks %s", path, policy, want)
			}
		}
		if strings.Contains(policy, "unsafe") || h.Get("X-Frame-Options") != "DENY" || h.Get("X-Content-Type-Options") != "nosniff" ||
			h.Get("Cache-Control") != "no-store" || h.Get("Referrer-Policy") != "same-origin" {
			t.Errorf("%s: %v", path, h)
		}
		for _, inline := range []string{"style=", "onclick=", "onload=", "<style"} {
			if strings.Contains(v.Body, inline) {
				t.Errorf("%s has %s inline", path, inline)
			}
		}
	}
}

// TestNothingChangesFromElsewhere sends every form as another site would: T14, CSRF.
func TestNothingChangesFromElsewhere(t *testing.T) {
	s := webtest.Start(t, config.Config{})
	s.Users(t, "ada")
	desc := s.Push(t, "library/app", "v1", webtest.Image{})
	v := s.As(t, "admin")
	forms := map[string]url.Values{
		"/projects":                    {"name": {"evil"}},
		"/projects/library/members":    {"user": {"ada"}, "role": {"project-admin"}},
		"/projects/library/visibility": {"public": {"1"}},
		"/projects/library/remove":     {"name": {"library"}},
		"/tags/delete/library/app":     {"tag": {"v1"}},
		"/tags/restore/library/app":    {"after": {"0"}, "until": {"9"}},
		"/users":                       {"name": {"evil"}, "password": {webtest.Password}, "admin": {"1"}},
		"/users/ada/password":          {"password": {"evil evil evil"}},
		"/users/ada/remove":            {},
		"/account/password":            {"old": {webtest.Password}, "new": {"evil evil"}, "again": {"evil evil"}},
		"/account/sessions":            {},
		"/sign-out":                    {},
		"/sign-in":                     {"name": {"ada"}, "password": {webtest.Password}},
		"/preferences":                 {"language": {"zh"}},
		"/artifacts/delete/library/app@" + desc.Digest.String(): {},
	}
	send := func(path string, form url.Values, headers map[string]string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), "POST", s.URL+path, strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		for name, value := range headers {
			r.Header.Set(name, value)
		}
		if v.Send(r); v.Last.StatusCode != 403 {
			t.Errorf("%s with %v: %d", path, headers, v.Last.StatusCode)
		}
	}
	for path, form := range forms {
		v.Get("/account", 200)
		token := v.Token()
		send(path, form, map[string]string{"Sec-Fetch-Site": "same-origin"}) // no token
		form.Set("form_token", strings.Repeat("A", len(token)))
		send(path, form, nil)
		form.Set("form_token", token) // as if it had leaked
		send(path, form, map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"})
		send(path, form, map[string]string{"Origin": "https://evil.example"})
		send(path, form, map[string]string{"Origin": "null"})
	}
	v.Get("/account", 200)
	if body := v.Get("/projects", 200); strings.Contains(body, "evil") || strings.Contains(body, `class="badge open"`) {
		t.Errorf("something changed: %s", body)
	}
	s.Do(t, webtest.Call{Method: "GET", Path: "/v2/library/app/manifests/v1"}, 200)
	s.As(t, "ada")
}

// TestSignInTellsNobodyWhoIsThere: the same answer, and no faster, for a name
// that does not exist; and a guesser is slowed down.
func TestSignInTellsNobodyWhoIsThere(t *testing.T) {
	s := webtest.Start(t, config.Config{})
	answers := map[string]string{}
	took := map[string]time.Duration{}
	for _, name := range []string{"admin", "nobody"} {
		v := s.Visitor(t)
		v.Get("/sign-in", 200)
		begun := time.Now()
		body := v.Post("/sign-in", url.Values{"name": {name}, "password": {"wrong"}}, 401)
		took[name] = time.Since(begun)
		answers[name] = strings.ReplaceAll(strings.ReplaceAll(body, name, "NAME"), v.Token(), "TOKEN")
		if v.Cookie("cove_session") != "" {
			t.Error("a wrong password signs in")
		}
	}
	if answers["admin"] != answers["nobody"] {
		t.Errorf("the answers differ:\n%s\n%s", answers["admin"], answers["nobody"])
	}
	if a, b := took["admin"], took["nobody"]; b < a/4 {
		t.Errorf("a name that is not there is answered in %v, one that is in %v", b, a)
	}
	v := s.Visitor(t)
	v.Get("/sign-in", 200)
	for i := 0; ; i++ {
		r := url.Values{"name": {"admin"}, "password": {"guess"}, "form_token": {v.Token()}}
		req, err := http.NewRequestWithContext(t.Context(), "POST", s.URL+"/sign-in", strings.NewReader(r.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if v.Send(req); v.Last.StatusCode == http.StatusTooManyRequests {
			if !strings.Contains(v.Body, "Too many wrong passwords.") {
				t.Errorf("the page does not say why: %s", v.Body)
			}
			break
		}
		if i == 15 {
			t.Fatal("guessing is not slowed down")
		}
	}
}

// TestAccount changes a password: the other sessions end, this one goes on.
func TestAccount(t *testing.T) {
	s := webtest.Start(t, config.Config{})
	s.Users(t, "ada")
	here, elsewhere := s.As(t, "ada"), s.As(t, "ada")
	if body := here.Get("/account", 200); !strings.Contains(body, "this browser") || !strings.Contains(body, "Sign out everywhere else") {
		t.Error(body)
	}
	change := func(old, new, again string, want int) string {
		t.Helper()
		return here.Post("/account/password", url.Values{"old": {old}, "new": {new}, "again": {again}}, want)
	}
	for text, body := range map[string]string{
		"two new passwords differ": change(webtest.Password, "one password", "other password", 422),
		"not your password":        change("guess", "new password", "new password", 422),
		"at least 8 characters":    change(webtest.Password, "short", "short", 422),
	} {
		if !strings.Contains(body, text) {
			t.Errorf("no %q in %s", text, body)
		}
	}
	before := here.Cookie("cove_session")
	change(webtest.Password, "new password", "new password", 303)
	if body := here.Follow(200); !strings.Contains(body, "Your password is changed.") || here.Cookie("cove_session") == before {
		t.Errorf("after the change: %s", body)
	}
	elsewhere.Get("/account", 303)

	time.Sleep(600 * time.Millisecond) // so long a sign-in may take the account as it was
	other := s.Visitor(t)
	other.Get("/sign-in", 200)
	other.Post("/sign-in", url.Values{"name": {"ada"}, "password": {"new password"}}, 303)
	here.Get("/account", 200)
	here.Post("/account/sessions", url.Values{}, 303)
	other.Get("/account", 303)
	stolen := here.Cookie("cove_session")
	here.Follow(200)
	here.Post("/sign-out", url.Values{}, 303)
	thief := s.Visitor(t)
	thief.SetCookie("cove_session", stolen)
	thief.Get("/account", 303)
}

func TestUsers(t *testing.T) {
	s := webtest.Start(t, config.Config{})
	s.Users(t, "ada")
	v := s.As(t, "admin")
	v.Get("/users", 200)
	v.Post("/users", url.Values{"name": {"ada"}, "password": {webtest.Password}}, 422)
	v.Post("/users", url.Values{"name": {"bob"}, "password": {"short"}}, 422)
	v.Post("/users/ada/password", url.Values{"password": {"another one"}}, 303)
	v.Follow(200)
	v.Post("/users/nobody/password", url.Values{"password": {"another one"}}, 422)
	v.Post("/users/ada/remove", url.Values{}, 303)
	if body := v.Follow(200); !strings.Contains(body, "User ada is removed.") || strings.Contains(body, `action="/users/ada/`) {
		t.Error(body)
	}
	v.Post("/users/admin/remove", url.Values{}, 422) // the last administrator
	v.Post("/users/admin/password", url.Values{"password": {"my new password"}}, 303)
	v.Follow(200) // still signed in
	if body := v.Get("/audit", 200); !strings.Contains(body, "user.remove") || !strings.Contains(body, "session.begin") {
		t.Error(body)
	}
}

// TestLanguageOfAFormThatWasRefused: who chooses another language, or colours, on the page that
// answers a form comes back to the page of the form: the address of the form itself is no page.
func TestLanguageOfAFormThatWasRefused(t *testing.T) {
	s := webtest.Start(t, config.Config{})
	s.Push(t, "library/app", "v1", webtest.Image{})
	v := s.As(t, "admin")
	v.Get("/repositories/library/app", 200)
	r, err := http.NewRequestWithContext(t.Context(), "POST", s.URL+"/repositories/describe/library/app",
		strings.NewReader(url.Values{"form_token": {v.Token()}, "version": {"stale"}, "description": {"text"}}.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"Content-Type": "application/x-www-form-urlencoded", "Origin": s.URL, "Referer": s.URL + "/repositories/library/app?match=v",
	} {
		r.Header.Set(name, value)
	}
	v.Send(r)
	if v.Last.StatusCode != 422 || !strings.Contains(v.Body, `name="next" value="/repositories/library/app?match=v"`) {
		t.Fatalf("%d\n%s", v.Last.StatusCode, v.Body)
	}
}
