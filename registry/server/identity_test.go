package server

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cove/registry/accounts"
	"cove/registry/auth"
	"cove/registry/identity"
	"cove/registry/identity/ldap"
	"cove/registry/identity/ldaptest"
	"cove/registry/identity/oidc"
	"cove/registry/identity/oidctest"
	"cove/registry/metadata"
	"cove/registry/robots"
	"cove/registry/server/config"
)

// TestDirectory signs people in by an LDAP directory, as docker does, beside an
// account of the registry's own.
func TestDirectory(t *testing.T) {
	dir := ldaptest.Start(t)
	s := newTestServer(t, config.Config{LDAP: &ldap.Config{
		URL: dir.TLS, CA: dir.CA, BaseDN: ldaptest.BaseDN, BindDN: ldaptest.BindDN, PasswordFile: dir.Secret,
		GroupBaseDN: "ou=groups," + ldaptest.BaseDN, Rules: identity.Rules{Admins: "admins"},
	}})
	inGroup := s.group(t, "dev")
	for _, who := range []struct {
		name, password string
		status         int
	}{
		{"admin", testPassword, 200},
		{"ada", ldaptest.Password, 200},
		{"ada", ldaptest.Password, 200}, // remembered
		{"ada", "wrong", 401},
		{"nobody", ldaptest.Password, 401},
		{"admin", ldaptest.Password, 401},
	} {
		r := httptest.NewRequest("GET", "/token?service=cove-registry", nil)
		r.SetBasicAuth(who.name, who.password)
		w := httptest.NewRecorder()
		s.handler.ServeHTTP(w, r)
		if w.Code != who.status {
			t.Errorf("%s with %q: %d %s", who.name, who.password, w.Code, w.Body)
		}
	}
	if got := inGroup(); got != "ada" {
		t.Errorf("in the group dev are %q", got)
	}
	s.othersSignIn(t)
	ada := s.account(t, "ada")
	if ada.Source != identity.LDAP || ada.Admin || ada.PasswordHash != "" {
		t.Errorf("%+v", ada)
	}
	err := s.state.services.Accounts.SetPassword(t.Context(), auth.Operator(), "ada", "a password of her own")
	if err == nil || !strings.Contains(err.Error(), "has no password here: ldap vouches for them") {
		t.Errorf("a password for whom a directory vouches: %v", err)
	}
}

// TestProvider signs people in by a provider of OpenID Connect, in a browser.
func TestProvider(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte(oidctest.ClientSecret), 0o600); err != nil {
		t.Fatal(err)
	}
	front := httptest.NewServer(nil)
	t.Cleanup(front.Close)
	provider := oidctest.Start(t, front.URL+"/sign-in/oidc/callback")
	provider.SetGroups(oidctest.First, "dev", "admins")
	s := newTestServer(t, config.Config{OIDC: &oidc.Config{
		Issuer: provider.Issuer, ClientID: oidctest.ClientID, SecretFile: secret, Title: "Example",
		Rules: identity.Rules{Admins: "admins"},
	}})
	front.Config.Handler = s.handler
	inGroup := s.group(t, "dev")
	// signIn is a whole sign-in with a browser of its own; it returns what the
	// browser shows then.
	signIn := func(user string) (int, string, *http.Client) {
		t.Helper()
		browser := oidctest.Browser(t)
		back := provider.SignIn(t, browser, front.URL+"/sign-in/oidc?next=/account", user)
		status, page := show(t, browser, back.String())
		return status, page, browser
	}
	if _, page := show(t, oidctest.Browser(t), front.URL+"/sign-in"); !strings.Contains(page, "Sign in with Example") {
		t.Errorf("the sign-in has no button:\n%s", page)
	}
	status, page, browser := signIn(oidctest.First)
	if status != 200 || !strings.Contains(page, oidctest.First) || !s.account(t, oidctest.First).Admin || inGroup() != oidctest.First {
		t.Fatalf("%d\n%.2000s", status, page)
	}
	// An answer is good for one sign-in.
	if status, page := show(t, browser, front.URL+"/sign-in/oidc/callback?state=x&code=y"); status != 401 ||
		!strings.Contains(page, "the sign-in took too long; begin again") {
		t.Errorf("an answer to nothing: %d\n%s", status, page)
	}
	s.tryProvider(t, provider, front.URL, browser)
	s.othersSignIn(t)
	// What the provider says at the next sign-in holds then.
	provider.SetGroups(oidctest.First)
	if status, _, _ := signIn(oidctest.First); status != 200 || s.account(t, oidctest.First).Admin || inGroup() != "" {
		t.Errorf("without groups: %d, %+v in %q", status, s.account(t, oidctest.First), inGroup())
	}
	// An account of the registry's own is not the provider's to give away.
	if err := s.state.services.Accounts.Add(t.Context(), auth.Operator(), oidctest.Second, testPassword, false); err != nil {
		t.Fatal(err)
	}
	if status, page, _ := signIn(oidctest.Second); status != 403 || !strings.Contains(page, "that name is another&#39;s account here") {
		t.Errorf("a name that is taken: %d\n%s", status, page)
	}
	disabled := true
	if _, err := s.state.services.Accounts.Change(t.Context(), auth.Operator(), oidctest.First, accounts.Change{Disabled: &disabled}); err != nil {
		t.Fatal(err)
	}
	if status, page, _ := signIn(oidctest.First); status != 403 || !strings.Contains(page, "is disabled") {
		t.Errorf("a disabled account: %d\n%s", status, page)
	}
}

// tryProvider has an administrator try out sign-ins, which sign nobody in.
func (s *Server) tryProvider(t *testing.T, provider *oidctest.Provider, front string, admin *http.Client) {
	t.Helper()
	if status, page := show(t, admin, front+"/sign-in/oidc/test"); status != 200 || !strings.Contains(page, "Try a sign-in at Example") {
		t.Errorf("the page to try from: %d\n%s", status, page)
	}
	try := func(browser *http.Client, user string, want int, texts ...string) {
		t.Helper()
		status, page := show(t, browser, provider.SignIn(t, browser, front+"/sign-in/oidc?test=1", user).String())
		if status != want {
			t.Errorf("%s is tried: %d\n%s", user, status, page)
		}
		for _, text := range texts {
			if !strings.Contains(page, text) {
				t.Errorf("%s is tried, without %q:\n%s", user, text, page)
			}
		}
	}
	try(admin, oidctest.First, 200, oidctest.First+" comes in", "has an account", "Administrator", "has no role in a project",
		"no group of this name here", "&#34;preferred_username&#34;: &#34;"+oidctest.First)
	// The provider keeps who is signed in there; another user needs another browser.
	try(oidctest.Browser(t), oidctest.Second, 200, "Sign in") // who may not look is sent to sign in
	if _, err := s.state.db.UserByName(t.Context(), oidctest.Second); err == nil {
		t.Error("a sign-in that was tried out made an account")
	}
}

func show(t *testing.T, browser *http.Client, at string) (int, string) {
	t.Helper()
	resp, err := browser.Get(at)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// group makes a group, and returns who tells its users.
func (s *Server) group(t *testing.T, name string) func() string {
	t.Helper()
	services := s.state.services.Accounts
	if err := services.AddGroup(t.Context(), auth.Operator(), name); err != nil {
		t.Fatal(err)
	}
	return func() string {
		t.Helper()
		users, _, err := services.GroupUsers(t.Context(), auth.Operator(), name, "", 10)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(users, " ")
	}
}

func (s *Server) account(t *testing.T, name string) metadata.User {
	t.Helper()
	u, err := s.state.db.UserByName(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// othersSignIn signs in who nobody else vouches for: an account of the registry's own, and
// robots of a project and of all.
func (s *Server) othersSignIn(t *testing.T) {
	t.Helper()
	accounts := map[string]string{"admin": testPassword}
	if err := s.state.services.Projects.Create(t.Context(), auth.Operator(), "beside", false); err != nil {
		t.Fatal(err)
	}
	for _, spec := range []robots.Spec{
		{Project: "beside", Name: "ci", Rights: []string{"push"}},
		{Name: "mirror", Rights: []string{"pull"}},
	} {
		made, secret, err := s.state.services.Robots.Create(t.Context(), auth.Operator(), spec)
		if err != nil {
			t.Fatal(err)
		}
		accounts[made.Name] = secret
	}
	for name, secret := range accounts {
		for password, want := range map[string]int{secret: 200, secret + "x": 401} {
			r := httptest.NewRequest("GET", "/token?service=cove-registry", nil)
			r.SetBasicAuth(name, password)
			w := httptest.NewRecorder()
			s.handler.ServeHTTP(w, r)
			if w.Code != want {
				t.Errorf("%s: %d, want %d: %s", name, w.Code, want, w.Body)
			}
		}
	}
}
