// Package oidctest runs a provider of OpenID Connect for tests: the one of
// github.com/zitadel/oidc with two users in memory.
package oidctest

import (
	"context"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// The client, and the users of the provider with their password.
const (
	ClientID, ClientSecret = "cove", "client's secret"
	First, Second          = "test-user@localhost", "test-user2"
	Password               = "verysecure"
)

// Provider is one that runs.
type Provider struct {
	Issuer string
	store  *claiming
}

// Start runs a provider that sends browsers back to redirect.
func Start(t *testing.T, redirect string) *Provider {
	t.Helper()
	server := httptest.NewServer(nil)
	t.Cleanup(server.Close)
	p := &Provider{Issuer: strings.Replace(server.URL, "127.0.0.1", "localhost", 1)}
	storage.RegisterClients(storage.WebClient(ClientID, ClientSecret, redirect))
	p.store = &claiming{Storage: storage.NewStorage(storage.NewUserStore(p.Issuer)), groups: map[string][]string{}}
	server.Config.Handler = exampleop.SetupServer(p.Issuer, p.store, nil, false, op.WithAllowInsecure())
	return p
}

// Register has the provider send browsers back to redirect from now on: for a registry whose
// address is known when it runs, and which is configured with the provider.
func (p *Provider) Register(redirect string) {
	storage.RegisterClients(storage.WebClient(ClientID, ClientSecret, redirect))
}

// SetGroups says which groups the provider says of a user from now on.
func (p *Provider) SetGroups(user string, groups ...string) {
	p.store.mu.Lock()
	defer p.store.mu.Unlock()
	p.store.groups[user] = slices.Clone(groups)
}

// claiming adds groups to what the provider says of its users.
type claiming struct {
	*storage.Storage
	mu     sync.Mutex
	groups map[string][]string
}

func (c *claiming) claim(info *oidc.UserInfo) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if groups, ok := c.groups[info.PreferredUsername]; ok {
		info.AppendClaims("groups", groups)
	}
}

// SetUserinfoFromRequest is what gets into ID tokens.
func (c *claiming) SetUserinfoFromRequest(
	ctx context.Context, info *oidc.UserInfo, token op.IDTokenRequest, scopes []string,
) error {
	err := c.Storage.SetUserinfoFromRequest(ctx, info, token, scopes)
	c.claim(info)
	return err
}

// SetUserinfoFromToken is what the userinfo endpoint answers.
func (c *claiming) SetUserinfoFromToken(ctx context.Context, info *oidc.UserInfo, token, subject, origin string) error {
	err := c.Storage.SetUserinfoFromToken(ctx, info, token, subject, origin)
	c.claim(info)
	return err
}

// Browser follows redirects and keeps cookies.
func Browser(t *testing.T) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Jar: jar}
}

// SignIn has a browser go to a URL that leads to the provider, and a user sign in
// there. It stops at the last redirect that leads away from the provider, whose
// address it returns.
func (p *Provider) SignIn(t *testing.T, browser *http.Client, begin, user string) *url.URL {
	t.Helper()
	stops := *browser
	stops.CheckRedirect = func(r *http.Request, via []*http.Request) error {
		if at := via[len(via)-1].URL; strings.HasPrefix(at.String(), p.Issuer) && !strings.HasPrefix(r.URL.String(), p.Issuer) {
			return http.ErrUseLastResponse
		}
		return nil
	}
	resp, err := stops.Get(begin)
	if err != nil {
		t.Fatal(err)
	}
	id := resp.Request.URL.Query().Get("authRequestID")
	if body, _ := io.ReadAll(resp.Body); id == "" {
		t.Fatalf("%s leads to %s: %d\n%.500s", begin, resp.Request.URL, resp.StatusCode, body)
	}
	resp.Body.Close()
	resp, err = stops.PostForm(p.Issuer+"/login/username", url.Values{"id": {id}, "username": {user}, "password": {Password}})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	back, err := resp.Location()
	if err != nil {
		body, _ := io.ReadAll(resp.Body)
		t.Fatalf("signing in as %s at the provider: %d\n%.500s", user, resp.StatusCode, body)
	}
	return back
}
