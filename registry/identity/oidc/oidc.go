// Package oidc has people signed in by a provider of OpenID Connect: the
// authorization code flow with PKCE (RFC 7636), as a confidential client.
package oidc

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"maps"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"cove/errdefs"
	"cove/registry/identity"
)

// Config is the provider. Issuer and ClientID are required.
type Config struct {
	Issuer   string `yaml:"issuer"`
	ClientID string `yaml:"client_id"`
	// SecretFile holds the client's secret; a public client has none.
	SecretFile string `yaml:"client_secret_file"`
	// Title is what the button says; "" is the host of the issuer.
	Title string `yaml:"title"`
	// Scopes are asked for besides openid; none: profile, email.
	Scopes []string `yaml:"scopes"`
	// NameClaim is the name of the account; "" is preferred_username.
	NameClaim string `yaml:"name_claim"`
	// GroupsClaim lists groups; "" is groups. A name with a slash reaches into a claim
	// that is an object, as realm_access/roles.
	GroupsClaim string `yaml:"groups_claim"`
	// CA is a file of the authority of the provider's certificate, when the system
	// does not know it.
	CA string `yaml:"ca"`
	// Now is the clock that tokens are checked by; nil is time.Now.
	Now func() time.Time `yaml:"-"`

	identity.Rules `yaml:",inline"`
}

// Check refuses what cannot be.
func (c Config) Check() error {
	if !strings.HasPrefix(c.Issuer, "https://") && !strings.HasPrefix(c.Issuer, "http://127.0.0.1:") &&
		!strings.HasPrefix(c.Issuer, "http://localhost:") {
		return errdefs.Errorf(errdefs.ErrInvalid, "config: oidc: issuer %q is not https://…", c.Issuer)
	}
	if c.ClientID == "" {
		return errdefs.Errorf(errdefs.ErrInvalid, "config: oidc: client_id is missing")
	}
	return nil
}

// Provider signs people in. It is asked for its keys and addresses at the first
// sign-in, so that a registry starts without it. It is safe for concurrent use.
type Provider struct {
	cfg    Config
	secret string
	client *http.Client

	mu     sync.Mutex
	found  *oidc.Provider
	failed time.Time // when it was asked in vain
	why    error
}

// patience is how long a provider that did not answer is not asked again: those who
// want to sign in meanwhile would wait for it one after the other.
const patience = 5 * time.Second

// Leeway is how far the provider's clock may be from this registry's, in either
// direction.
const Leeway = 30 * time.Second

// timeout bounds a question to the provider.
const timeout = 15 * time.Second

// New reads the files of a configuration.
func New(cfg Config) (*Provider, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	p := &Provider{cfg: cfg, client: &http.Client{Timeout: timeout}}
	if cfg.SecretFile != "" {
		secret, err := os.ReadFile(cfg.SecretFile)
		if err != nil {
			return nil, fmt.Errorf("oidc: the client's secret: %w", err)
		}
		p.secret = strings.TrimSpace(string(secret))
	}
	if cfg.CA == "" {
		return p, nil
	}
	pem, err := os.ReadFile(cfg.CA)
	if err != nil {
		return nil, fmt.Errorf("oidc: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "oidc: %s holds no certificate", cfg.CA)
	}
	p.client.Transport = &http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
	}
	return p, nil
}

// Title is what the button says.
func (p *Provider) Title() string {
	if p.cfg.Title != "" {
		return p.cfg.Title
	}
	_, host, _ := strings.Cut(p.cfg.Issuer, "://")
	host, _, _ = strings.Cut(host, "/")
	return host
}

// Attempt is one sign-in on its way, which the browser carries there and back.
type Attempt struct {
	State    string `json:"s"`
	Nonce    string `json:"n"`
	Verifier string `json:"v"`
	Next     string `json:"x"`           // where to go after it
	Test     bool   `json:"t,omitempty"` // it signs nobody in, and shows what would follow
}

// Begin is a new attempt and the URL that it begins at; callback is where the
// provider sends the browser back.
func (p *Provider) Begin(ctx context.Context, callback, next string) (Attempt, string, error) {
	flow, err := p.flow(ctx, callback)
	if err != nil {
		return Attempt{}, "", err
	}
	a := Attempt{State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier(), Next: next}
	return a, flow.AuthCodeURL(a.State, oidc.Nonce(a.Nonce), oauth2.S256ChallengeOption(a.Verifier)), nil
}

// Claims are what the provider says of somebody, by its own names.
type Claims map[string]any

// Answer is what the provider sends the browser back with.
type Answer struct{ State, Code, Error, Description string }

// Finish takes the provider's answer to an attempt. What is wrong with it is
// errdefs.ErrUnauthenticated; whom the rules do not let in errdefs.ErrDenied, with
// the claims all the same.
func (p *Provider) Finish(
	ctx context.Context, callback string, a Attempt, got Answer,
) (identity.Person, Claims, error) {
	switch {
	case a.State == "" || subtle.ConstantTimeCompare([]byte(a.State), []byte(got.State)) != 1:
		return identity.Person{}, nil, refused("the answer belongs to another sign-in; begin again")
	case got.Error != "":
		return identity.Person{}, nil, refused("the provider says %s: %s", clip(got.Error), clip(got.Description))
	}
	flow, err := p.flow(ctx, callback)
	if err != nil {
		return identity.Person{}, nil, err
	}
	ctx = oidc.ClientContext(ctx, p.client)
	token, err := flow.Exchange(ctx, got.Code, oauth2.VerifierOption(a.Verifier))
	if err != nil {
		return identity.Person{}, nil, refused("the provider does not take its own code: %w", err)
	}
	claims, subject, err := p.verify(ctx, token, a.Nonce)
	if err != nil {
		return identity.Person{}, nil, err
	}
	if err := p.complete(ctx, token, subject, claims); err != nil {
		return identity.Person{}, claims, err
	}
	person, err := p.person(subject, claims)
	return person, claims, err
}

// verify checks the ID token, and that it is the answer to this attempt.
func (p *Provider) verify(ctx context.Context, token *oauth2.Token, nonce string) (Claims, string, error) {
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return nil, "", refused("the provider sends no ID token; is openid among its scopes?")
	}
	// Times are checked below: the library forgives an expired token nothing, and one
	// that is not valid yet five minutes.
	cfg := &oidc.Config{ClientID: p.cfg.ClientID, SkipExpiryCheck: true}
	id, err := p.found.VerifierContext(ctx, cfg).Verify(ctx, raw)
	if err != nil {
		return nil, "", refused("the ID token: %w", err)
	}
	if err := p.check(id); err != nil {
		return nil, "", err
	}
	if subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(nonce)) != 1 {
		return nil, "", refused("the ID token belongs to another sign-in; begin again")
	}
	claims := Claims{}
	if err := id.Claims(&claims); err != nil {
		return nil, "", refused("the ID token: %w", err)
	}
	return claims, id.Subject, nil
}

// check looks at what the library leaves to its callers: when the token is good, and
// whether it was made for another client of the provider (OpenID Connect Core 3.1.3.7).
func (p *Provider) check(id *oidc.IDToken) error {
	var more struct {
		NotBefore float64 `json:"nbf"`
		Party     string  `json:"azp"`
	}
	if err := id.Claims(&more); err != nil {
		return refused("the ID token: %w", err)
	}
	now := p.cfg.Now()
	early := id.IssuedAt
	if from := time.Unix(int64(more.NotBefore), 0); from.After(early) {
		early = from
	}
	switch {
	case !now.Before(id.Expiry.Add(Leeway)):
		return refused("the ID token expired at %s, and it is %s here; do the clocks of both agree?",
			id.Expiry.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	case early.After(now.Add(Leeway)):
		return refused("the ID token is good from %s on, and it is %s here; do the clocks of both agree?",
			early.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	case more.Party != "" && more.Party != p.cfg.ClientID:
		return refused("the ID token was made for the client %s, and this one is %s", clip(more.Party), p.cfg.ClientID)
	}
	return nil
}

// complete asks for what the ID token leaves out, which many providers do with
// groups and names.
func (p *Provider) complete(ctx context.Context, token *oauth2.Token, subject string, claims Claims) error {
	named := claims.find(p.nameClaim()) != nil
	grouped := claims.find(p.groupsClaim()) != nil
	if named && grouped || p.found.UserInfoEndpoint() == "" {
		return nil
	}
	info, err := p.found.UserInfo(ctx, oauth2.StaticTokenSource(token))
	if err != nil {
		return errdefs.Errorf(errdefs.ErrUnavailable, "oidc: asking for the user's claims: %w", err)
	}
	if info.Subject != subject { // OpenID Connect Core 5.3.2
		return refused("the provider answers about somebody else")
	}
	more := Claims{}
	if err := info.Claims(&more); err != nil {
		return refused("the user's claims: %w", err)
	}
	maps.Copy(more, claims) // what is signed goes before
	maps.Copy(claims, more)
	return nil
}

func (p *Provider) person(subject string, claims Claims) (identity.Person, error) {
	name, _ := claims.find(p.nameClaim()).(string)
	verified, said := claims["email_verified"]
	elsewhere, _ := claims["_claim_names"].(map[string]any)
	groups := texts(claims.find(p.groupsClaim()))
	switch {
	case name == "":
		return identity.Person{}, errdefs.Errorf(errdefs.ErrDenied,
			"the provider gives no claim %q, which is the name of the account: set oidc.name_claim", p.nameClaim())
	case p.nameClaim() == "email" && said && verified != true && verified != "true":
		return identity.Person{}, errdefs.Errorf(errdefs.ErrDenied,
			"the provider says that nobody has verified the address %s, which would be the name of the account", clip(name))
	case groups == nil && elsewhere[p.groupsClaim()] != nil && (len(p.cfg.Allowed) > 0 || p.cfg.Admins != ""):
		// Entra ID does so with more than 200 (OpenID Connect Core 5.6.2).
		return identity.Person{}, errdefs.Errorf(errdefs.ErrDenied,
			"%s has more groups than the provider puts into a token: have it give those of this application alone", clip(name))
	}
	return p.cfg.Apply(identity.Person{
		Source: identity.OIDC, Subject: p.cfg.Issuer + " " + subject, Name: name, Groups: groups,
	})
}

// find is the claim of a name, or what is in the object that the name reaches into.
func (c Claims) find(name string) any {
	if value, ok := c[name]; ok {
		return value
	}
	outer, inner, _ := strings.Cut(name, "/")
	if object, ok := c[outer].(map[string]any); ok && inner != "" {
		return Claims(object).find(inner)
	}
	return nil
}

// texts reads a list of texts; some providers send one alone.
func texts(claim any) (list []string) {
	switch v := claim.(type) {
	case string:
		return []string{v}
	case []any:
		for _, e := range v {
			if s, ok := e.(string); ok {
				list = append(list, s)
			}
		}
	}
	return list
}

func (p *Provider) nameClaim() string   { return cmp.Or(p.cfg.NameClaim, "preferred_username") }
func (p *Provider) groupsClaim() string { return cmp.Or(p.cfg.GroupsClaim, "groups") }

// flow finds the provider, which it is asked for once.
func (p *Provider) flow(ctx context.Context, callback string) (*oauth2.Config, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.found == nil && time.Since(p.failed) < patience {
		return nil, p.why
	}
	if p.found == nil {
		// Its keys are fetched later, with this context.
		found, err := oidc.NewProvider(oidc.ClientContext(context.WithoutCancel(ctx), p.client), p.cfg.Issuer)
		if err != nil {
			p.failed = time.Now()
			p.why = errdefs.Errorf(errdefs.ErrUnavailable, "oidc: the provider %s: %w", p.cfg.Issuer, err)
			return nil, p.why
		}
		p.found = found
	}
	scopes := p.cfg.Scopes
	if len(scopes) == 0 {
		scopes = []string{"profile", "email"}
	}
	return &oauth2.Config{
		ClientID: p.cfg.ClientID, ClientSecret: p.secret, Endpoint: p.found.Endpoint(), RedirectURL: callback,
		Scopes: append([]string{oidc.ScopeOpenID}, scopes...),
	}, nil
}

func refused(format string, args ...any) error {
	return errdefs.Errorf(errdefs.ErrUnauthenticated, "oidc: "+format, args...)
}

// clip bounds a text of the provider's.
func clip(s string) string {
	if len(s) > 200 {
		s = s[:200]
	}
	return s
}
