package client

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"cove/distribution/auth"
	"cove/distribution/client/credentials"
	"cove/distribution/errcode"
)

// peer is one registry, as far as we know it: how it wants to be spoken to,
// and the tokens it gave us.
type peer struct {
	c *Client
	base

	mu     sync.Mutex // held while shaking hands: others wait for the outcome
	shaken *transport.Challenge
	// failure is why a mirror could not be reached at failed.
	failed  time.Time
	failure error

	signing  sync.Mutex // held while a token is fetched, so that it is fetched once
	sessions map[string]http.RoundTripper
}

// A dead mirror costs one blob mirrorWait, and the others nothing for
// mirrorRest.
const (
	mirrorWait = 5 * time.Second
	mirrorRest = time.Minute
)

func newPeer(c *Client, b base) *peer {
	return &peer{c: c, base: b, sessions: make(map[string]http.RoundTripper)}
}

// url is a URL at this registry. path begins with a slash and follows /v2.
func (p *peer) url(ch *transport.Challenge, path string) string {
	scheme := "https"
	if ch.Insecure {
		scheme = "http"
	}
	return scheme + "://" + p.addr + p.prefix + "/v2" + path
}

// handshake asks the registry's base endpoint how to speak to it, once. It is
// not retried: a registry that was never there is likelier misspelt than down.
func (p *peer) handshake(ctx context.Context) (*transport.Challenge, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shaken != nil {
		return p.shaken, nil
	}
	if p.failure != nil && p.c.cfg.Now().Sub(p.failed) < mirrorRest {
		return nil, p.failure
	}
	gctx := ctx
	if p.mirror {
		var cancel context.CancelFunc
		gctx, cancel = context.WithTimeout(ctx, mirrorWait)
		defer cancel()
	}
	ch, err := p.greet(gctx)
	if err != nil {
		err = &firstContact{explain(p.base, err)}
		if p.mirror && ctx.Err() == nil {
			p.failure, p.failed = err, p.c.cfg.Now()
		}
		return nil, err
	}
	p.shaken = ch
	return ch, nil
}

// greet tries HTTPS, and plain HTTP after it only where that is allowed.
func (p *peer) greet(ctx context.Context) (*transport.Challenge, error) {
	if p.scheme == "http" {
		return p.ping(ctx, true)
	}
	ch, err := p.ping(ctx, false)
	if err == nil || p.scheme == "https" || ctx.Err() != nil || !p.c.policy.plain(p.addr) {
		return ch, err
	}
	// A certificate that is not trusted is no reason to do without one.
	if isCertificate(err) {
		return nil, err
	}
	if ch, err2 := p.ping(ctx, true); err2 == nil {
		return ch, nil
	}
	return nil, err
}

func (p *peer) ping(ctx context.Context, plain bool) (*transport.Challenge, error) {
	ch := &transport.Challenge{Insecure: plain}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url(ch, "/"), nil)
	if err != nil {
		return nil, err
	}
	resp, err := p.c.wires.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer drain(resp)
	switch resp.StatusCode {
	case http.StatusOK:
		return ch, nil
	case http.StatusUnauthorized:
		pickChallenge(ch, auth.ParseChallenges(resp.Header.Values("WWW-Authenticate")))
		return ch, nil
	default:
		return nil, errcode.Parse(resp, p.host, p.c.cfg.Now())
	}
}

// pickChallenge takes the Bearer challenge where there are several: a token
// travels more often than a password should.
func pickChallenge(ch *transport.Challenge, offered []auth.Challenge) {
	for _, want := range []string{"Bearer", "Basic"} {
		for _, o := range offered {
			if !strings.EqualFold(o.Scheme, want) {
				continue
			}
			ch.Scheme, ch.Parameters = want, make(map[string]string, len(o.Params))
			for _, param := range o.Params {
				ch.Parameters[strings.ToLower(param.Name)] = param.Value
			}
			return
		}
	}
}

// session returns the transport that authenticates with these scopes.
func (p *peer) session(ctx context.Context, ch *transport.Challenge, scopes []string) (http.RoundTripper, error) {
	key := strings.Join(scopes, " ")
	p.signing.Lock()
	defer p.signing.Unlock()
	if rt := p.sessions[key]; rt != nil {
		return rt, nil
	}
	creds, err := p.credentials(ctx)
	if err != nil {
		return nil, err
	}
	rt, err := p.authenticate(ctx, ch, creds, scopes)
	if err != nil {
		return nil, err
	}
	p.sessions[key] = rt
	return rt, nil
}

func (p *peer) credentials(ctx context.Context) (credentials.Credentials, error) {
	if p.c.cfg.Keychain == nil {
		return credentials.Credentials{}, nil
	}
	return p.c.cfg.Keychain.Credentials(ctx, p.host)
}

// authenticate makes a transport with creds. A token that is refused later, as
// one expired, is renewed by it.
func (p *peer) authenticate(ctx context.Context, ch *transport.Challenge, creds credentials.Credentials, scopes []string) (http.RoundTripper, error) {
	reg, err := name.NewRegistry(p.addr, name.WeakValidation)
	if err != nil {
		return nil, explain(p.base, err)
	}
	who := authn.Anonymous
	if !creds.IsZero() {
		who = authn.FromConfig(authn.AuthConfig{
			Username: creds.Username, Password: creds.Password,
			IdentityToken: creds.IdentityToken, RegistryToken: creds.RegistryToken,
		})
	}
	tok := &transport.Token{Token: creds.RegistryToken}
	if ch.Scheme == "Bearer" && tok.Token == "" {
		if tok, err = transport.Exchange(ctx, reg, who, p.c.wires, scopes, ch); err != nil {
			return nil, explain(p.base, err)
		}
		if tok.Token == "" {
			tok.Token = tok.AccessToken
		}
	}
	rt, err := transport.FromToken(reg, who, p.c.wires, ch, tok)
	if err != nil {
		return nil, explain(p.base, err)
	}
	return rt, nil
}

// request is one request to a registry, before it is known over which scheme.
type request struct {
	method string
	path   string // after /v2, with its query; or location
	// location is an absolute or relative URL that the registry gave.
	location string
	header   http.Header
	body     io.Reader
	length   int64 // of body
	scopes   []string
}

// do sends one request and returns an answer with one of the statuses ok. Any
// other is an *errcode.Error; a failure to get any is explained.
func (p *peer) do(ctx context.Context, in request, ok ...int) (*http.Response, error) {
	ch, err := p.handshake(ctx)
	if err != nil {
		return nil, err
	}
	rt, err := p.session(ctx, ch, in.scopes)
	if err != nil {
		return nil, err
	}
	target := in.location
	if target == "" {
		target = p.url(ch, in.path)
	}
	req, err := http.NewRequestWithContext(ctx, in.method, target, in.body)
	if err != nil {
		return nil, explain(p.base, err)
	}
	for k, v := range in.header {
		req.Header[k] = v
	}
	if in.body != nil {
		req.ContentLength = in.length
	}
	resp, err := (&http.Client{Transport: rt}).Do(req)
	if err != nil {
		return nil, explain(p.base, err)
	}
	for _, s := range ok {
		if resp.StatusCode == s {
			return resp, nil
		}
	}
	defer drain(resp)
	return nil, errcode.Parse(resp, p.host, p.c.cfg.Now())
}

// drain reads the rest of a short body, so that its connection is used again.
func drain(resp *http.Response) {
	_, _ = io.CopyN(io.Discard, resp.Body, 64<<10)
	_ = resp.Body.Close()
}

// statusOf is the HTTP status an error came with, 0 for none.
func statusOf(err error) int {
	var e *errcode.Error
	if errors.As(err, &e) {
		return e.Status
	}
	return 0
}
