package server

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"cove/registry/audit"
	"cove/registry/auth"
	"cove/registry/identity/jwt"
	"cove/registry/identity/jwttest"
	"cove/registry/robots"
	"cove/registry/server/config"
	"cove/registry/trust"
)

const trustAudience = "https://registry.test"

// take makes a rule for tokens of an issuer whose keys are asked for.
func (s *Server) take(t *testing.T, i *jwttest.Issuer, project, name string, rights []string, claims jwt.Conditions) string {
	t.Helper()
	made, err := s.state.services.Trust.Create(t.Context(), auth.Operator(), trust.Spec{
		Spec:      robots.Spec{Project: project, Name: name, Rights: rights},
		Condition: trust.Condition{Issuer: i.URL, CA: i.CA, Audience: trustAudience, Claims: claims},
	})
	if err != nil {
		t.Fatal(err)
	}
	return made.Name
}

// bearing sends a request with a token as Bearer.
func (s *Server) bearing(token, method, path string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://registry.test"+path, strings.NewReader("{}"))
	r.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	return w
}

func trustServer(t *testing.T) *Server {
	t.Helper()
	s := newTestServer(t, config.Config{Outbound: config.Outbound{Allow: []string{"127.0.0.0/8"}}})
	for _, project := range []string{"team", "other"} {
		if err := s.state.services.Projects.Create(t.Context(), auth.Operator(), project, false); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// TestTrustOnEveryPath comes in with the tokens of the three kinds of issuers, as the
// password and as Bearer, and with what was issued for them; and not where people sign
// in.
func TestTrustOnEveryPath(t *testing.T) {
	s := trustServer(t)
	for name, c := range map[string]struct {
		claims map[string]any
		asked  jwt.Conditions
	}{
		"github":     {jwttest.GitHub(trustAudience, nil), jwt.Conditions{"repository": {"octo/*"}, "ref": {"refs/heads/main"}}},
		"gitlab":     {jwttest.GitLab(trustAudience, nil), jwt.Conditions{"project_path": {"group/app"}, "ref_protected": {"true"}}},
		"kubernetes": {jwttest.Kubernetes(trustAudience, nil), jwt.Conditions{"kubernetes.io/namespace": {"team"}}},
	} {
		issuer := jwttest.Start(t)
		account := s.take(t, issuer, "team", name, []string{"push"}, c.asked)
		token := issuer.Sign(t, c.claims)
		for asked, want := range map[string]int{
			"POST /v2/team/app/blobs/uploads/": 202, "GET /v2/team/absent/tags/list": 404, "POST /v2/other/app/blobs/uploads/": 403,
			"GET /v2/other/app/tags/list": 403, "GET /v2/": 200, "DELETE /v2/team/app/manifests/x": 403, "GET /api/v1/users": 403,
			"GET /api/v1/projects/team": 403, "GET /api/v1/me": 200,
		} {
			method, path, _ := strings.Cut(asked, " ")
			for way, w := range map[string]*httptest.ResponseRecorder{
				"password": s.as("any", token, method, path), "name of the rule": s.as(account, token, method, path),
				"bearer": s.bearing(token, method, path),
			} {
				if w.Code != want {
					t.Errorf("%s: %s as %s: %d, want %d\n%s", name, asked, way, w.Code, want, w.Body)
				}
			}
		}
		const scope = "/token?service=cove-registry&scope=repository:team/app:pull,push,delete"
		for way, w := range map[string]*httptest.ResponseRecorder{
			"password": s.as("x", token, "GET", scope), "bearer": s.bearing(token, "GET", scope),
		} {
			var issued struct{ Token string }
			if err := json.Unmarshal(w.Body.Bytes(), &issued); err != nil || w.Code != 200 {
				t.Fatalf("%s: a token by %s: %d %s", name, way, w.Code, w.Body)
			}
			if w := s.bearing(issued.Token, "POST", "/v2/team/app/blobs/uploads/"); w.Code != 202 {
				t.Errorf("%s: with what was issued by %s: %d", name, way, w.Code)
			}
			if w := s.bearing(issued.Token, "GET", scope); w.Code != 401 {
				t.Errorf("%s: a token of this registry is good for another: %d", name, w.Code)
			}
		}
		form := url.Values{"grant_type": {"password"}, "username": {"x"}, "password": {token}, "service": {"cove-registry"}}
		r := httptest.NewRequest("POST", "http://registry.test/token", strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		if s.handler.ServeHTTP(w, r); w.Code != 200 {
			t.Errorf("%s: by OAuth: %d %s", name, w.Code, w.Body)
		}
	}
}

// TestTrustedAreNamed: the log says whom the issuer named, and the account of the rule
// that counted, also where another project's rule takes the same token.
func TestTrustedAreNamed(t *testing.T) {
	s := trustServer(t)
	issuer := jwttest.Start(t)
	anything := jwt.Conditions{"sub": {"**"}}
	s.take(t, issuer, "other", "a-grab", []string{"push"}, anything) // first by name
	s.take(t, issuer, "team", "ci", []string{"push"}, anything)
	token := issuer.Sign(t, jwttest.GitHub(trustAudience, nil))
	for _, w := range []*httptest.ResponseRecorder{
		s.as("x", token, "POST", "/v2/team/app/blobs/uploads/"), s.bearing(token, "POST", "/v2/team/app/blobs/uploads/"),
		s.as("trust$team+ci", token, "POST", "/v2/team/app/blobs/uploads/"),
	} {
		if w.Code != 202 {
			t.Errorf("where two rules take a token: %d %s", w.Code, w.Body)
		}
	}
	if w := s.as("trust$other+a-grab", token, "POST", "/v2/team/app/blobs/uploads/"); w.Code != 403 {
		t.Errorf("as the rule of the other project: %d", w.Code)
	}
	var issued struct{ Token string }
	w := s.as("x", token, "GET", "/token?scope=repository:team/app:pull,push")
	if err := json.Unmarshal(w.Body.Bytes(), &issued); err != nil {
		t.Fatal(err)
	}
	if w := s.bearing(issued.Token, "POST", "/v2/team/app/blobs/uploads/"); w.Code != 202 {
		t.Errorf("with the token that was issued: %d %s", w.Code, w.Body)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	s.recorder.Run(ended) // writes what it heard
	lines, err := s.state.services.Audit.Newest(t.Context(), auth.Operator(), 100)
	if err != nil {
		t.Fatal(err)
	}
	var seen []audit.Event
	for _, e := range lines {
		if e.Action == "sign-in" && e.Actor == "trust$team+ci" && e.Object == "repo:octo/app:ref:refs/heads/main" {
			seen = append(seen, e)
		}
	}
	if len(seen) != 1 {
		t.Errorf("sign-ins of the rule that counted: %+v of\n%+v", seen, lines)
	}
}

// TestTrustEnds ends rules in every way, and holds every path to it within a second.
func TestTrustEnds(t *testing.T) {
	s := trustServer(t)
	issuer := jwttest.Start(t)
	rules, op := s.state.services.Trust, auth.Operator()
	asked := func(name string) jwt.Conditions { return jwt.Conditions{"workflow": {name}} }
	for name, end := range map[string]func(full string, now trust.Spec) error{
		"removed":  func(full string, _ trust.Spec) error { return rules.Remove(t.Context(), op, full) },
		"disabled": func(full string, _ trust.Spec) error { return rules.Disable(t.Context(), op, full, true) },
		"expired": func(_ string, now trust.Spec) error {
			now.ExpiresAt = time.Now().Add(-time.Second)
			_, err := rules.Set(t.Context(), op, now, false, nil)
			return err
		},
		"narrowed": func(_ string, now trust.Spec) error {
			now.Claims = maps.Clone(now.Claims)
			now.Claims["ref"] = []string{"refs/tags/*"}
			_, err := rules.Set(t.Context(), op, now, false, nil)
			return err
		},
		"another audience": func(_ string, now trust.Spec) error {
			now.Audience = "https://elsewhere.test"
			_, err := rules.Set(t.Context(), op, now, false, nil)
			return err
		},
		"switched off": func(_ string, now trust.Spec) error { _, err := rules.Set(t.Context(), op, now, true, nil); return err },
	} {
		full := s.take(t, issuer, "library", strings.ReplaceAll(name, " ", "-"), []string{"push"}, asked(name))
		token := issuer.Sign(t, jwttest.GitHub(trustAudience, map[string]any{"workflow": name}))
		var issued struct{ Token string }
		w := s.as("x", token, "GET", "/token?scope=repository:library/app:pull,push")
		if err := json.Unmarshal(w.Body.Bytes(), &issued); err != nil {
			t.Fatal(err)
		}
		const uploads = "/v2/library/app/blobs/uploads/"
		ways := map[string]func() int{
			"password": func() int { return s.as(name, token, "POST", uploads).Code },
			"bearer":   func() int { return s.bearing(token, "POST", uploads).Code },
			"issued":   func() int { return s.bearing(issued.Token, "POST", uploads).Code },
			"API":      func() int { return s.as(name, token, "GET", "/api/v1/me").Code },
			"endpoint": func() int { return s.bearing(token, "GET", "/token").Code },
		}
		for way, ask := range ways {
			if got := ask(); got >= 400 {
				t.Errorf("%s: before, by %s: %d", name, way, got)
			}
		}
		rule, err := rules.Find(t.Context(), op, full)
		if err != nil {
			t.Fatal(err)
		}
		if err := end(full, trust.Spec{
			Spec:      robots.Spec{Project: "library", Name: rule.Short(), Rights: rule.Rights()},
			Condition: rule.Condition,
		}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(600 * time.Millisecond) // a change holds within a second
		for way, ask := range ways {
			if got := ask(); got != 401 && got != 429 { // where many guess, they are slowed down
				t.Errorf("%s: after, by %s: %d", name, way, got)
			}
		}
	}
}

// TestTrustTellsNothing: who has no good token hears the same as who guesses a password,
// and who has one of the issuer's not what the rules ask for.
func TestTrustTellsNothing(t *testing.T) {
	s := trustServer(t)
	issuer, stranger := jwttest.Start(t), jwttest.Start(t)
	s.take(t, issuer, "team", "secret-rule", []string{"push"}, jwt.Conditions{"repository": {"hidden/app"}})
	guess := s.as("ann", "wrong", "GET", "/v2/").Body.String()
	for name, text := range map[string]string{
		"unknown issuer": stranger.Sign(t, jwttest.GitHub(trustAudience, nil)),
		"forged":         jwttest.Sign(t, "ES256", jwttest.EC(t), issuer.Full(jwttest.GitHub(trustAudience, nil))),
	} {
		if w := s.as("bob", text, "GET", "/v2/"); w.Code != http.StatusUnauthorized || w.Body.String() != guess {
			t.Errorf("%s: %d %s\nand a wrong password %s", name, w.Code, w.Body, guess)
		}
	}
	w := s.as("eve", issuer.Sign(t, jwttest.GitHub(trustAudience, nil)), "GET", "/v2/")
	if body := w.Body.String(); w.Code != 401 || strings.Contains(body, "hidden") || strings.Contains(body, "secret-rule") {
		t.Errorf("a token that no rule takes: %d %s", w.Code, body)
	}
	for range 15 { // guesses of it are slowed down as others are
		w = s.as("eve", issuer.Sign(t, jwttest.GitHub(trustAudience, map[string]any{"jti": time.Now().String()})), "GET", "/v2/")
		if w.Code == http.StatusTooManyRequests {
			return
		}
	}
	t.Errorf("15 tokens that no rule takes are not slowed down: %d", w.Code)
}

// TestNobodyTrustsMoreThanHeHas: rules give rights, so they are given as roles are.
func TestNobodyTrustsMoreThanHeHas(t *testing.T) {
	s := newPolicyServer(t, "admins")
	issuer := jwttest.Start(t)
	create := func(who, project string, rights ...string) error {
		u, err := s.state.db.UserByName(t.Context(), who)
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.state.services.Trust.Create(t.Context(), auth.Caller{UserID: u.ID, Name: u.Name, Admin: u.Admin, Kind: u.Kind}, trust.Spec{
			Spec: robots.Spec{Project: project, Name: who, Rights: rights},
			Condition: trust.Condition{
				Issuer: issuer.URL, KeySet: issuer.Set(), Audience: "x", Claims: jwt.Conditions{"sub": {"x"}},
			},
		})
		return err
	}
	for who, ok := range map[string]bool{"maintainer": false, "developer": false, "stranger": false, "project-admin": true} {
		if err := create(who, "closed", "pull"); (err == nil) != ok {
			t.Errorf("%s: %v", who, err)
		}
	}
	if err := create("project-admin", "", "pull"); err == nil {
		t.Error("who administers a project makes a rule for all")
	}
	if err := s.state.services.Trust.Remove(t.Context(), auth.Operator(), "trust$closed+project-admin"); err != nil {
		t.Error(err)
	}
}
