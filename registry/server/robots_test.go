package server

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"cove/errdefs"
	"cove/registry/accounts"
	"cove/registry/auth"
	"cove/registry/metadata/metadatatest"
	"cove/registry/robots"
	"cove/registry/server/config"
)

// as sends a request with a name and a secret.
func (s *Server) as(name, secret, method, path string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://registry.test"+path, strings.NewReader("{}"))
	r.Header.Set("Content-Type", "application/json")
	r.SetBasicAuth(name, secret)
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	return w
}

// TestRobotsMayWhatTheySay lets robots and access tokens of every scope ask for what
// is theirs and what is not.
func TestRobotsMayWhatTheySay(t *testing.T) {
	s := newPolicyServer(t, "everyone")
	op := auth.Operator()
	for _, tc := range []struct {
		spec robots.Spec
		want map[string]int
	}{
		{robots.Spec{Project: "closed", Name: "pull", Rights: []string{"pull"}}, map[string]int{
			"GET /v2/closed/app/tags/list": 404, "POST /v2/closed/app/blobs/uploads/": 403, "GET /v2/elsewhere/app/tags/list": 403,
			"DELETE /v2/closed/app/manifests/x": 403, "GET /api/v1/projects/closed": 403, "POST /v2/new/app/blobs/uploads/": 403,
		}},
		{robots.Spec{Project: "closed", Name: "narrow", Rights: []string{"push"}, Repositories: []string{"a-*", "b"}}, map[string]int{
			"POST /v2/closed/a-x/blobs/uploads/": 202, "POST /v2/closed/b/blobs/uploads/": 202, "POST /v2/closed/bb/blobs/uploads/": 403,
			"GET /v2/closed/c/tags/list": 403, "GET /v2/open/c/tags/list": 404, "POST /v2/open/b/blobs/uploads/": 403,
		}},
		{robots.Spec{Name: "mirror", Rights: []string{"push", "delete"}, Repositories: []string{"closed/*"}}, map[string]int{
			"POST /v2/closed/any/blobs/uploads/": 202, "DELETE /v2/closed/any/manifests/x": 404, "POST /v2/open/any/blobs/uploads/": 403,
			"GET /api/v1/users": 403, "GET /api/v1/me": 200,
		}},
	} {
		made, secret, err := s.state.services.Robots.Create(t.Context(), op, tc.spec)
		if err != nil {
			t.Fatal(err)
		}
		for asked, want := range tc.want {
			method, path, _ := strings.Cut(asked, " ")
			if w := s.as(made.Name, secret, method, path); w.Code != want {
				t.Errorf("%s of %s: %d, want %d\n%s", asked, made.Name, w.Code, want, w.Body)
			}
		}
		if _, err := s.state.db.UserByName(t.Context(), made.Name); err != nil {
			t.Error(err)
		}
	}
}

// TestWhatIsEndedIsOut ends a robot and an access token in every way, and holds every
// path to it: passwords and tokens of the protocol, and the API.
func TestWhatIsEndedIsOut(t *testing.T) {
	s := newTestServer(t, config.Config{})
	op, ctx := auth.Operator(), t.Context()
	yes, past := true, time.Now().Add(-time.Hour)
	bots, users := s.state.services.Robots, s.state.services.Accounts
	for name, end := range map[string]func(name string) error{
		"disabled": func(name string) error { return bots.Change(ctx, op, name, robots.Change{Disabled: &yes}) },
		"expired":  func(name string) error { return bots.Change(ctx, op, name, robots.Change{ExpiresAt: &past}) },
		"rotated":  func(name string) error { _, err := bots.Rotate(ctx, op, name); return err },
		"removed":  func(name string) error { return bots.Remove(ctx, op, name) },
		"token":    func(name string) error { return users.RemoveToken(ctx, op, "admin", "x") },
	} {
		made, secret, err := bots.Create(ctx, op, robots.Spec{Project: "library", Name: name, Rights: []string{"pull"}})
		who := made.Name
		if name == "token" {
			who = "admin"
			secret, err = users.CreateToken(ctx, op, who, accounts.TokenSpec{Name: "x", Rights: []string{"pull"}})
		}
		if err != nil {
			t.Fatal(err)
		}
		token := s.tokenBy(t, who, secret, "repository:library/app:pull,push")
		ways := func() []int {
			return []int{
				s.as(who, secret, "GET", "/v2/library/app/tags/list").Code, s.as(who, secret, "GET", "/token").Code,
				s.as(who, secret, "GET", "/api/v1/me").Code, s.ask("GET", "/v2/library/app/tags/list", "", token, nil).Code,
			}
		}
		if got := ways(); !slices.Equal(got, []int{404, 200, 200, 404}) {
			t.Errorf("%s, before: %v", name, got)
		}
		if got := s.ask("POST", "/v2/library/app/blobs/uploads/", "", token, nil).Code; got != http.StatusForbidden {
			t.Errorf("%s: a token pushes more than it may: %d", name, got)
		}
		if err := end(who); err != nil {
			t.Fatal(err)
		}
		eventually(t, func() bool { return slices.Equal(ways(), []int{401, 401, 401, 401}) })
	}
}

// TestRobotsAreCalledOtherwise has names of robots begin as the configuration says, for
// who signs in and who lists them; by what they are stored as they sign in, too, so that
// nothing ends when the setting changes. A user whose name begins so is himself.
func TestRobotsAreCalledOtherwise(t *testing.T) {
	for engine, dsn := range map[string]string{"sqlite": "", "postgres": metadatatest.Postgres(t).New(t)} {
		t.Run(engine, func(t *testing.T) {
			s := newTestServer(t, config.Config{Database: dsn, Accounts: config.Accounts{RobotPrefix: "bot-"}})
			op := auth.Operator()
			if err := errors.Join(s.state.services.Projects.Create(t.Context(), op, "closed", false),
				s.state.services.Accounts.Add(t.Context(), op, "bot-ann", testPassword, false)); err != nil {
				t.Fatal(err)
			}
			made, secret, err := s.state.services.Robots.Create(t.Context(), op,
				robots.Spec{Project: "closed", Name: "ci", Rights: []string{"pull"}})
			if err != nil || made.Called() != "bot-closed+ci" || made.Name != "robot$closed+ci" || made.Short() != "ci" {
				t.Fatalf("%q %q %q %v", made.Called(), made.Name, made.Short(), err)
			}
			for _, tc := range []struct {
				name, secret, path string
				want               int
				says               string
			}{
				{"bot-closed+ci", secret, "/v2/closed/app/tags/list", 404, ""},
				{"robot$closed+ci", secret, "/v2/closed/app/tags/list", 404, ""},
				{"bot-closed+ci", "wrong", "/v2/closed/app/tags/list", 401, ""},
				{"bot-closed+absent", secret, "/v2/closed/app/tags/list", 401, ""},
				{"bot-ann", testPassword, "/api/v1/me", 200, `"bot-ann"`},
				{"admin", testPassword, "/api/v1/projects/closed/robots", 200, `"bot-closed+ci"`},
				{"admin", testPassword, "/api/v1/projects/closed/robots/ci", 200, `"bot-closed+ci"`},
				{"admin", testPassword, "/api/v2.0/projects/closed/robots?q=name%3Dbot-closed%2Bci", 200, `"bot-closed+ci"`},
				{"admin", testPassword, "/api/v2.0/configurations", 200, `"robot_name_prefix":{"value":"bot-"`},
			} {
				if w := s.as(tc.name, tc.secret, "GET", tc.path); w.Code != tc.want || !strings.Contains(w.Body.String(), tc.says) {
					t.Errorf("%s as %s: %d, want %d and %q\n%s", tc.path, tc.name, w.Code, tc.want, tc.says, w.Body)
				}
			}
		})
	}
	bad := config.Config{Root: t.TempDir(), Accounts: config.Accounts{RobotPrefix: "a:b"}}
	if _, err := New(t.Context(), bad); !errors.Is(err, errdefs.ErrInvalid) {
		t.Errorf("a prefix with a colon, which ends a name in Basic authentication: %v", err)
	}
}
