package oidc_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"cove/errdefs"
	"cove/registry/identity"
	"cove/registry/identity/jwttest"
	"cove/registry/identity/oidc"
)

// oddProvider signs whatever it is told to.
type oddProvider struct {
	*jwttest.Issuer
	token    string         // ID token
	userinfo map[string]any // nil has no such endpoint
}

func startOdd(t *testing.T) *oddProvider {
	t.Helper()
	p := &oddProvider{Issuer: jwttest.Start(t)}
	p.Answer(func(w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("Content-Type", "application/json")
		switch r.URL.Path {
		case "/.well-known/openid-configuration":
			say := map[string]any{
				"issuer": p.URL, "jwks_uri": p.URL + "/keys", "authorization_endpoint": p.URL + "/authorize", "token_endpoint": p.URL + "/token",
				"id_token_signing_alg_values_supported": []string{"RS256", "ES256", "HS256", "none"},
			}
			if p.userinfo != nil {
				say["userinfo_endpoint"] = p.URL + "/userinfo"
			}
			_ = json.NewEncoder(w).Encode(say)
		case "/token":
			_ = json.NewEncoder(w).Encode(map[string]any{"access_token": "x", "token_type": "Bearer", "id_token": p.token})
		case "/userinfo":
			_ = json.NewEncoder(w).Encode(p.userinfo)
		default:
			return false
		}
		return true
	})
	return p
}

// oddCase is an answer of the provider, and what becomes of it.
type oddCase struct {
	name     string
	claims   map[string]any // in place of those of ada; nil takes one away
	userinfo map[string]any
	cfg      func(*oidc.Config)
	sign     func(t *testing.T, p *oddProvider, claims map[string]any) string
	groups   []string // of who is let in
	says     string   // in the refusal; "" lets in
}

func groupsNumbered(n int) (list []string) {
	for i := range n {
		list = append(list, fmt.Sprint("g", i))
	}
	return list
}

func signedBy(algorithm jose.SignatureAlgorithm, key func(t *testing.T, p *oddProvider) any) func(*testing.T, *oddProvider, map[string]any) string {
	return func(t *testing.T, p *oddProvider, claims map[string]any) string {
		return jwttest.Sign(t, algorithm, key(t, p), p.Full(claims))
	}
}

var sources = map[string]any{"src1": map[string]any{"endpoint": "https://127.0.0.1:1/groups"}}

var oddCases = []oddCase{
	{name: "a list of groups", claims: map[string]any{"groups": []string{"dev", "ops"}}, groups: []string{"dev", "ops"}},
	{name: "one group, as a text", claims: map[string]any{"groups": "dev"}, groups: []string{"dev"}},
	{name: "300 groups", claims: map[string]any{"groups": groupsNumbered(300)}, groups: groupsNumbered(300)},
	{name: "groups that are no texts", claims: map[string]any{"groups": []any{1, "dev", map[string]any{"x": 1}, nil}}, groups: []string{"dev"}},
	{name: "groups that are an object", claims: map[string]any{"groups": map[string]any{"dev": true}}},
	{
		name: "nested", claims: map[string]any{"groups": nil, "realm_access": map[string]any{"roles": []string{"dev"}}},
		cfg: func(c *oidc.Config) { c.GroupsClaim = "realm_access/roles" }, groups: []string{"dev"},
	},
	{
		name: "a name with a slash that is one", claims: map[string]any{"https://id.example/groups": []string{"dev"}},
		cfg: func(c *oidc.Config) { c.GroupsClaim = "https://id.example/groups" }, groups: []string{"dev"},
	},
	{name: "no groups, and no endpoint", claims: map[string]any{"groups": nil}},
	{
		name: "groups of the endpoint", claims: map[string]any{"groups": nil}, userinfo: map[string]any{"sub": "1", "groups": []string{"dev"}},
		groups: []string{"dev"},
	},
	{
		name: "an endpoint that lies about who it is", claims: map[string]any{"groups": nil},
		userinfo: map[string]any{"sub": "2", "groups": []string{"dev"}}, says: "somebody else",
	},
	{
		name: "an endpoint that gives another name", claims: map[string]any{"groups": nil},
		userinfo: map[string]any{"sub": "1", "preferred_username": "admin", "groups": []string{"dev"}}, groups: []string{"dev"},
	},
	{name: "more than a token holds, and nobody needs one", claims: map[string]any{
		"groups": nil, "_claim_names": map[string]any{"groups": "src1"}, "_claim_sources": sources,
	}},
	{
		name: "more than a token holds", claims: map[string]any{
			"groups": nil, "_claim_names": map[string]any{"groups": "src1"},
			"_claim_sources": sources,
		},
		cfg: func(c *oidc.Config) { c.Allowed = []string{"dev"} }, says: "more groups than",
	},
	{name: "of no allowed group", cfg: func(c *oidc.Config) { c.Allowed = []string{"ops"} }, says: "none of the groups"},
	{
		name: "a group that begins so", claims: map[string]any{"groups": []string{"admins-of-nothing", "ADMINS"}},
		cfg: func(c *oidc.Config) { c.Allowed = []string{"admins"} }, says: "none of the groups",
	},
	{name: "no name", claims: map[string]any{"preferred_username": nil}, says: "preferred_username"},
	{name: "a name that is a list", claims: map[string]any{"preferred_username": []string{"admin"}}, says: "preferred_username"},
	{
		name: "an address that nobody verified", claims: map[string]any{"email": "ada@example.org", "email_verified": false},
		cfg: func(c *oidc.Config) { c.NameClaim = "email" }, says: "verified",
	},
	{
		name: "the same, as a text", claims: map[string]any{"email": "ada@example.org", "email_verified": "false"},
		cfg: func(c *oidc.Config) { c.NameClaim = "email" }, says: "verified",
	},
	{
		name: "an address of which nothing is said", claims: map[string]any{"preferred_username": nil, "email": "ada"},
		cfg: func(c *oidc.Config) { c.NameClaim = "email" },
	},
	{name: "another audience", claims: map[string]any{"aud": "other"}, says: "ID token"},
	{name: "several audiences, for another", claims: map[string]any{"aud": []string{"cove", "other"}, "azp": "other"}, says: "other"},
	{name: "another issuer", claims: map[string]any{"iss": "https://id.example"}, says: "ID token"},
	{name: "the issuer with a slash", claims: map[string]any{"iss": "+/"}, says: "ID token"},
	{name: "another sign-in's", claims: map[string]any{"nonce": "x"}, says: "another sign-in"},
	{name: "no nonce", claims: map[string]any{"nonce": nil}, says: "another sign-in"},
	{name: "expired", claims: map[string]any{"exp": time.Now().Add(-time.Minute).Unix()}, says: "expired"},
	{name: "from the future", claims: map[string]any{"iat": time.Now().Add(time.Minute).Unix()}, says: "clocks"},
	{name: "a clock that is 20 s fast", claims: map[string]any{"iat": time.Now().Add(20 * time.Second).Unix()}, groups: []string{"dev"}},
	{name: "not signed", says: "ID token", sign: func(t *testing.T, p *oddProvider, claims map[string]any) string {
		_, rest, _ := strings.Cut(p.Sign(t, claims), ".")
		body, _, _ := strings.Cut(rest, ".")
		return "eyJhbGciOiJub25lIn0." + body + "." // {"alg":"none"}
	}},
	{name: "signed with the public key as a secret", says: "ID token", sign: signedBy(jose.HS256, func(_ *testing.T, p *oddProvider) any {
		return []byte(p.Set())
	})},
	{name: "signed by a key that it does not have", says: "ID token", sign: signedBy(jose.ES256, func(t *testing.T, _ *oddProvider) any {
		return jose.JSONWebKey{Key: jwttest.EC(t), KeyID: "first"}
	})},
	{name: "no token at all", says: "ID token", sign: func(*testing.T, *oddProvider, map[string]any) string { return "" }},
	{name: "a token that is none", says: "ID token", sign: func(*testing.T, *oddProvider, map[string]any) string { return "x.y" }},
}

// TestOddClaims has a provider say what providers should not, and what some do.
func TestOddClaims(t *testing.T) {
	t.Parallel()
	for _, c := range oddCases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			provider := startOdd(t)
			person, err := c.attempt(t, provider, newOdd(t, provider, c))
			if c.says != "" {
				if err == nil || !strings.Contains(err.Error(), c.says) || person.Name != "" ||
					!errors.Is(err, errdefs.ErrUnauthenticated) && !errors.Is(err, errdefs.ErrDenied) {
					t.Errorf("%+v, %v", person, err)
				}
				return
			}
			if err != nil || person.Name != "ada" || person.Subject != provider.URL+" 1" || !slices.Equal(person.Groups, c.want()) {
				t.Errorf("%+v, %v", person, err)
			}
		})
	}
}

// want are the groups of who is let in: where a case says none, those that it has.
func (c oddCase) want() []string {
	if _, changed := c.claims["groups"]; c.groups == nil && !changed && c.cfg == nil {
		return []string{"dev"}
	}
	if c.groups == nil && c.claims["email"] != nil {
		return []string{"dev"}
	}
	return c.groups
}

func newOdd(t *testing.T, provider *oddProvider, c oddCase) *oidc.Provider {
	t.Helper()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, []byte(provider.CA), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := oidc.Config{Issuer: provider.URL, ClientID: "cove", CA: ca}
	if c.cfg != nil {
		c.cfg(&cfg)
	}
	p, err := oidc.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// attempt signs ada in, as far as the provider's answer lets her.
func (c oddCase) attempt(t *testing.T, provider *oddProvider, p *oidc.Provider) (identity.Person, error) {
	t.Helper()
	provider.userinfo = c.userinfo
	a, _, err := p.Begin(t.Context(), callback, "/")
	if err != nil {
		t.Fatal(err)
	}
	claims := map[string]any{"sub": "1", "aud": "cove", "preferred_username": "ada", "groups": []string{"dev"}, "nonce": a.Nonce}
	maps.Copy(claims, c.claims)
	if claims["iss"] == "+/" {
		claims["iss"] = provider.URL + "/"
	}
	if provider.token = ""; c.sign != nil {
		provider.token = c.sign(t, provider, claims)
	} else {
		provider.token = provider.Sign(t, claims)
	}
	person, _, err := p.Finish(t.Context(), callback, a, oidc.Answer{State: a.State, Code: "x"})
	return person, err
}

// TestKeysChange: a provider that signs by a new key is asked for its keys again, and
// what a key signed that it has dropped is nothing any more; somebody whose sub is
// another is another, whatever the name.
func TestKeysChange(t *testing.T) {
	t.Parallel()
	provider := startOdd(t)
	p := newOdd(t, provider, oddCase{})
	first, err := oddCase{}.attempt(t, provider, p)
	if err != nil {
		t.Fatal(err)
	}
	provider.Rotate(jwttest.EC(t), "second", false)
	if _, err := (oddCase{}).attempt(t, provider, p); err != nil {
		t.Errorf("by the new key: %v", err)
	}
	old := signedBy(jose.RS256, func(t *testing.T, _ *oddProvider) any { return jose.JSONWebKey{Key: jwttest.RSA(t), KeyID: "first"} })
	if person, err := (oddCase{sign: old}).attempt(t, provider, p); !errors.Is(err, errdefs.ErrUnauthenticated) {
		t.Errorf("by the key that was dropped: %+v, %v", person, err)
	}
	other, err := oddCase{claims: map[string]any{"sub": "2"}}.attempt(t, provider, p)
	if err != nil || other.Name != first.Name || other.Subject == first.Subject {
		t.Errorf("of another sub: %+v beside %+v, %v", other, first, err)
	}
}
