package oidc_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cove/errdefs"
	"cove/registry/identity"
	"cove/registry/identity/oidc"
	"cove/registry/identity/oidctest"
)

const callback = "http://localhost:1/callback" // nobody is asked there: the test is the browser

func secretFile(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(oidctest.ClientSecret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestSignIn goes the whole way with a real provider, and then with answers that
// belong to something else.
func TestSignIn(t *testing.T) {
	provider := oidctest.Start(t, callback)
	provider.SetGroups(oidctest.First, "dev", "ops")
	secret := secretFile(t)
	// attempt signs the first user in, with what the rules and the test make of it.
	attempt := func(rules identity.Rules, change func(*oidc.Attempt, *oidc.Answer)) (identity.Person, oidc.Claims, error) {
		t.Helper()
		p, err := oidc.New(oidc.Config{Issuer: provider.Issuer, ClientID: oidctest.ClientID, SecretFile: secret, Rules: rules})
		if err != nil {
			t.Fatal(err)
		}
		a, begin, err := p.Begin(t.Context(), callback, "/next")
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(begin, "code_challenge_method=S256") {
			t.Errorf("without PKCE: %s", begin)
		}
		back := provider.SignIn(t, oidctest.Browser(t), begin, oidctest.First).Query()
		got := oidc.Answer{State: back.Get("state"), Code: back.Get("code")}
		if change != nil {
			change(&a, &got)
		}
		return p.Finish(t.Context(), callback, a, got)
	}
	person, claims, err := attempt(identity.Rules{Admins: "ops"}, nil)
	if err != nil || person.Name != oidctest.First || !slices.Equal(person.Groups, []string{"dev", "ops"}) || person.Admin == nil ||
		!*person.Admin || !strings.HasPrefix(person.Subject, provider.Issuer+" ") {
		t.Errorf("%+v, %v", person, err)
	}
	if claims["sub"] == "" || claims["preferred_username"] != oidctest.First {
		t.Errorf("claims %v", claims)
	}
	if person, _, err := attempt(identity.Rules{Allowed: []string{"x", "dev"}}, nil); err != nil || person.Admin != nil {
		t.Errorf("of an allowed group: %+v, %v", person, err)
	}
	for name, c := range map[string]struct {
		rules  identity.Rules
		change func(*oidc.Attempt, *oidc.Answer)
		kind   error
	}{
		"of no allowed group": {rules: identity.Rules{Allowed: []string{"x"}}, kind: errdefs.ErrDenied},
		"another's answer":    {change: func(a *oidc.Attempt, _ *oidc.Answer) { a.State = "other" }, kind: errdefs.ErrUnauthenticated},
		"no attempt at all":   {change: func(a *oidc.Attempt, g *oidc.Answer) { *a, g.State = oidc.Attempt{}, "" }, kind: errdefs.ErrUnauthenticated},
		"another's token":     {change: func(a *oidc.Attempt, _ *oidc.Answer) { a.Nonce = "other" }, kind: errdefs.ErrUnauthenticated},
		"a stolen code":       {change: func(a *oidc.Attempt, _ *oidc.Answer) { a.Verifier = strings.Repeat("x", 43) }, kind: errdefs.ErrUnauthenticated},
		"no code":             {change: func(_ *oidc.Attempt, g *oidc.Answer) { g.Code = "" }, kind: errdefs.ErrUnauthenticated},
		"refused there": {change: func(_ *oidc.Attempt, g *oidc.Answer) {
			g.Error, g.Description = "access_denied", strings.Repeat("x", 10_000)
		}, kind: errdefs.ErrUnauthenticated},
	} {
		if person, _, err := attempt(c.rules, c.change); !errors.Is(err, c.kind) || person.Name != "" || len(err.Error()) > 1000 {
			t.Errorf("%s: %+v, %v", name, person, err)
		}
	}
}

// TestUnreachable: a provider that is down is no reason not to start, and is
// asked again.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	p, err := oidc.New(oidc.Config{Issuer: "http://127.0.0.1:1", ClientID: "x"})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, _, err := p.Begin(t.Context(), callback, "/"); !errors.Is(err, errdefs.ErrUnavailable) {
			t.Errorf("%v", err)
		}
	}
	if p.Title() != "127.0.0.1:1" {
		t.Errorf("the button says %q", p.Title())
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		cfg oidc.Config
		ok  bool
	}{
		{oidc.Config{Issuer: "https://id.example", ClientID: "x"}, true},
		{oidc.Config{Issuer: "http://id.example", ClientID: "x"}, false},
		{oidc.Config{Issuer: "https://id.example"}, false},
		{oidc.Config{ClientID: "x"}, false},
	} {
		if err := c.cfg.Check(); (err == nil) != c.ok {
			t.Errorf("%+v: %v", c.cfg, err)
		}
	}
}
