package wire

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"cove/distribution/auth"
	"cove/distribution/client/credentials"
	"cove/distribution/client/hosts"
	"cove/distribution/errcode"
	"cove/distribution/errcode/answer"
	"cove/errdefs"
)

// Peer is one registry, as far as we know it: how it wants to be spoken to,
// and the tokens it gave us. It is safe for concurrent use.
type Peer struct {
	hosts.Base
	w *Wire

	shaking turn // held while shaking hands: others wait for the outcome
	shaken  *transport.Challenge
	// failure is why a mirror could not be reached at failed.
	failed  time.Time
	failure error

	mu       sync.Mutex
	sessions map[string]*session
}

// session is one way to be signed in.
type session struct {
	signing turn // held while a token is fetched, so that it is fetched once
	rt      http.RoundTripper
}

// maxSessions bounds how many are remembered: each repository that is asked for has
// its own, and who asks may make names up.
const maxSessions = 1000

// turn is a lock that is waited for no longer than a context lasts: whoever holds it
// waits for a registry, and with that nobody else has to.
type turn chan struct{}

func newTurn() turn { return make(turn, 1) }

func (t turn) take(ctx context.Context) error {
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (t turn) give() { <-t }

// A dead mirror costs one blob mirrorWait, and the others nothing for
// mirrorRest.
const (
	mirrorWait = 5 * time.Second
	mirrorRest = time.Minute
)

// api is where the protocol is.
const api = "/v2"

// url is a URL at this registry. path begins with a slash.
func (p *Peer) url(ch *transport.Challenge, path string) string {
	scheme := "https"
	if ch.Insecure {
		scheme = "http"
	}
	return scheme + "://" + p.Addr + p.Prefix + path
}

// handshake asks the registry's base endpoint how to speak to it, once. That
// nothing answers is not retried: a registry that was never there is likelier
// misspelt than down.
func (p *Peer) handshake(ctx context.Context) (*transport.Challenge, error) {
	if err := p.shaking.take(ctx); err != nil {
		return nil, err
	}
	defer p.shaking.give()
	if p.shaken != nil {
		return p.shaken, nil
	}
	if p.failure != nil && p.w.cfg.Now().Sub(p.failed) < mirrorRest {
		return nil, p.failure
	}
	wait := p.w.cfg.Answer
	if p.Mirror {
		wait = min(wait, mirrorWait)
	}
	gctx, cancel := context.WithTimeoutCause(ctx, wait, errSlow)
	defer cancel()
	ch, err := p.greet(gctx)
	if err != nil {
		err = explain(p.Base, slow(gctx, err, wait))
		if StatusOf(err) == 0 {
			err = &firstContact{err}
		}
		if p.Mirror && ctx.Err() == nil {
			p.failure, p.failed = err, p.w.cfg.Now()
		}
		return nil, err
	}
	p.shaken = ch
	return ch, nil
}

// greet tries HTTPS, and plain HTTP after it only where that is allowed.
func (p *Peer) greet(ctx context.Context) (*transport.Challenge, error) {
	if p.Scheme == "http" {
		return p.ping(ctx, true)
	}
	ch, err := p.ping(ctx, false)
	if err == nil || p.Scheme == "https" || ctx.Err() != nil || !p.w.policy.Plain(p.Addr) {
		return ch, err
	}
	// A certificate that is not trusted is no reason to do without one.
	if isCertificate(err) {
		return nil, err
	}
	// An answer, though it may be a refusal, tells more than that TLS failed.
	if ch, plainErr := p.ping(ctx, true); plainErr == nil || errdefs.KindOf(plainErr) != nil || ctx.Err() != nil {
		return ch, plainErr
	}
	return nil, err
}

func (p *Peer) ping(ctx context.Context, plain bool) (*transport.Challenge, error) {
	ch := &transport.Challenge{Insecure: plain}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url(ch, api+"/"), nil)
	if err != nil {
		return nil, err
	}
	resp, err := p.w.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer drain(resp)
	switch resp.StatusCode {
	case http.StatusOK:
		return ch, nil
	case http.StatusUnauthorized:
		pickChallenge(ch, auth.ParseChallenges(resp.Header.Values("WWW-Authenticate")))
		if strings.EqualFold(ch.Scheme, "bearer") && ch.Parameters["realm"] == "" {
			return nil, errdefs.Errorf(errdefs.ErrInvalid,
				"it asks for a token and does not say where they are: its WWW-Authenticate names no realm")
		}
		return ch, nil
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusMovedPermanently, http.StatusFound,
		http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return nil, errdefs.Errorf(errdefs.ErrUnsupported,
			"what answers there is no registry: %d to GET %s; are its name and port right?", resp.StatusCode, req.URL.Path)
	default:
		return nil, p.refusal(resp)
	}
}

// refusal reads an answer that was not hoped for, without waiting long for the
// rest of it.
func (p *Peer) refusal(resp *http.Response) error {
	impatient := time.AfterFunc(drainWait, func() { _ = resp.Body.Close() })
	defer impatient.Stop()
	return answer.Parse(resp, p.Host, p.w.cfg.Now())
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
func (p *Peer) session(ctx context.Context, ch *transport.Challenge, scopes []string) (http.RoundTripper, error) {
	s := p.signedIn(ch.Scheme + " " + strings.Join(scopes, " "))
	if err := s.signing.take(ctx); err != nil {
		return nil, err
	}
	defer s.signing.give()
	if s.rt != nil {
		return s.rt, nil
	}
	creds, err := p.Credentials(ctx)
	if err != nil {
		return nil, err
	}
	s.rt, err = p.authenticate(ctx, ch, creds, scopes)
	return s.rt, err
}

func (p *Peer) signedIn(key string) *session {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.sessions[key]
	if s == nil {
		if len(p.sessions) >= maxSessions {
			clear(p.sessions) // those in use go on; a new one costs a token
		}
		s = &session{signing: newTurn()}
		p.sessions[key] = s
	}
	return s
}

// Credentials is what the keychain has for this registry.
func (p *Peer) Credentials(ctx context.Context) (credentials.Credentials, error) {
	if p.w.cfg.Keychain == nil {
		return credentials.Credentials{}, nil
	}
	return p.w.cfg.Keychain.Credentials(ctx, p.Host)
}

// authenticate makes a transport with creds. A token that is refused later, as
// one expired, is renewed by it.
func (p *Peer) authenticate(
	ctx context.Context, ch *transport.Challenge, creds credentials.Credentials, scopes []string,
) (http.RoundTripper, error) {
	reg, err := name.NewRegistry(p.Addr, name.WeakValidation)
	if err != nil {
		return nil, explain(p.Base, err)
	}
	who := authn.Anonymous
	if !creds.IsZero() {
		who = authn.FromConfig(authn.AuthConfig{
			Username: creds.Username, Password: creds.Password,
			IdentityToken: creds.IdentityToken, RegistryToken: creds.RegistryToken,
		})
	}
	tok := &transport.Token{Token: creds.RegistryToken}
	wire := &tokenWire{p, ch.Parameters["realm"]}
	if ch.Scheme == "Bearer" && tok.Token == "" {
		if tok, err = transport.Exchange(from(ctx, p), reg, who, wire, scopes, ch); err != nil {
			return nil, explain(p.Base, err)
		}
		if tok.Token == "" {
			tok.Token = tok.AccessToken
		}
	}
	rt, err := transport.FromToken(reg, who, wire, ch, tok)
	if err != nil {
		return nil, explain(p.Base, err)
	}
	return rt, nil
}

// Enter asks for the base endpoint with creds.
func (p *Peer) Enter(ctx context.Context, creds credentials.Credentials) error {
	ch, err := p.handshake(ctx)
	if err != nil {
		return err
	}
	rt, err := p.authenticate(ctx, ch, creds, nil)
	if err != nil {
		return err
	}
	ctx, stop := context.WithTimeoutCause(ctx, p.w.cfg.Answer, errSlow)
	defer stop()
	req, err := http.NewRequestWithContext(from(ctx, p), http.MethodGet, p.url(ch, api+"/"), nil)
	if err != nil {
		return err
	}
	resp, err := (&http.Client{Transport: rt, CheckRedirect: checkRedirect}).Do(req)
	if err != nil {
		return explain(p.Base, err)
	}
	defer drain(resp)
	if resp.StatusCode != http.StatusOK {
		return p.refusal(resp)
	}
	return nil
}

// Request is one request to a registry, before it is known over which scheme.
type Request struct {
	Method string
	Path   string // after API, with its query; or Location
	// API is before it; "" is /v2.
	API string
	// Location is an absolute URL that the registry gave.
	Location string
	Header   http.Header
	// Body makes the body, anew for each time it has to be sent: a token that
	// expired, or a kept connection that was closed, may cost an attempt.
	Body   func() io.Reader
	Length int64 // of Body
	// Within bounds the whole exchange, the reading of the answer too; 0 is
	// Config.Answer for a GET or a HEAD, and otherwise no bound but that on
	// silence, as a commit may take its time.
	Within time.Duration
	// Scopes of the token, in the token grammar.
	Scopes []string
}

// Do sends one request and returns an answer with one of the statuses ok. Any
// other is an *errcode.Error; a failure to get any is explained.
func (p *Peer) Do(ctx context.Context, in Request, ok ...int) (*http.Response, error) {
	within := in.Within
	if within == 0 && (in.Method == http.MethodGet || in.Method == http.MethodHead) {
		within = p.w.cfg.Answer
	}
	stop := context.CancelFunc(func() {})
	if within > 0 {
		ctx, stop = context.WithTimeoutCause(ctx, within, errSlow)
	}
	resp, err := p.try(ctx, in)
	if err != nil {
		defer stop()
		return nil, explain(p.Base, slow(ctx, err, within))
	}
	p.w.warn(p.Host, resp.Header)
	resp.Body = &boundedBody{ReadCloser: resp.Body, ctx: ctx, stop: stop, within: within}
	if slices.Contains(ok, resp.StatusCode) {
		return resp, nil
	}
	defer drain(resp)
	return nil, p.refusal(resp)
}

// maxAsks bounds how often the answer to one request asks for another sign-in:
// for any at all, then for more scopes.
const maxAsks = 2

// try sends one request, and again with what the answer's challenge asks for
// while that is new.
func (p *Peer) try(ctx context.Context, in Request) (*http.Response, error) {
	ch, err := p.handshake(ctx)
	if err != nil {
		return nil, err
	}
	scopes := in.Scopes
	for asks := 0; ; asks++ {
		resp, err := p.send(ctx, ch, in, scopes)
		if err != nil {
			return nil, err
		}
		asked, more := p.asksFor(resp, ch, scopes)
		if asked == nil || asks == maxAsks {
			return resp, nil
		}
		drain(resp)
		ch, scopes = asked, more
	}
}

// asksFor returns the challenge of an answer and the scopes that it wants, when
// the request was not made with them: "insufficient_scope" comes with 403 as
// RFC 6750 (section 3.1) has it, and some registries greet everybody at their
// base and want a token only further in. A 401 for a token is answered below,
// by go-containerregistry.
func (p *Peer) asksFor(resp *http.Response, ch *transport.Challenge, had []string) (*transport.Challenge, []string) {
	forbidden := resp.StatusCode == http.StatusForbidden
	if !forbidden && (resp.StatusCode != http.StatusUnauthorized || ch.Scheme != "") ||
		resp.Request.URL.Host != p.Addr {
		return nil, nil
	}
	asked := &transport.Challenge{Insecure: ch.Insecure}
	pickChallenge(asked, auth.ParseChallenges(resp.Header.Values("WWW-Authenticate")))
	if asked.Scheme == "" || forbidden && asked.Parameters["error"] != "insufficient_scope" {
		return nil, nil
	}
	scopes := slices.Clone(had)
	for _, s := range strings.Fields(asked.Parameters["scope"]) {
		if !slices.Contains(scopes, s) {
			scopes = append(scopes, s)
		}
	}
	if forbidden && len(scopes) == len(had) { // a token for all of it was refused
		return nil, nil
	}
	return asked, scopes
}

// send sends one request with a token for scopes.
func (p *Peer) send(ctx context.Context, ch *transport.Challenge, in Request, scopes []string) (*http.Response, error) {
	rt, err := p.session(ctx, ch, scopes)
	if err != nil {
		return nil, err
	}
	target := in.Location
	if target == "" {
		target = p.url(ch, cmp.Or(in.API, api)+in.Path)
	}
	req, err := http.NewRequestWithContext(from(ctx, p), in.Method, target, nil)
	if err != nil {
		return nil, err
	}
	for k, v := range in.Header {
		req.Header[k] = v
	}
	if in.Body != nil && in.Length > 0 {
		req.ContentLength = in.Length
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(in.Body()), nil }
		req.Body, _ = req.GetBody()
	}
	return (&http.Client{Transport: rt, CheckRedirect: checkRedirect}).Do(req)
}

// Root is the URL of the registry's root, as it wants to be spoken to.
func (p *Peer) Root(ctx context.Context) (string, error) {
	ch, err := p.handshake(ctx)
	if err != nil {
		return "", err
	}
	return p.url(ch, ""), nil
}

// Answer is an answer without its body.
type Answer struct {
	Status int
	Header http.Header
	Length int64 // -1 when the registry does not say
	resp   *http.Response
}

// Location is where the registry points to, as an absolute URL.
func (a Answer) Location() (string, error) {
	u, err := a.resp.Location()
	if err != nil {
		return "", err
	}
	return u.String(), nil
}

// Call is Do for when the body does not matter.
func (p *Peer) Call(ctx context.Context, in Request, ok ...int) (Answer, error) {
	resp, err := p.Do(ctx, in, ok...)
	if err != nil {
		return Answer{}, err
	}
	drain(resp)
	return Answer{resp.StatusCode, resp.Header, resp.ContentLength, resp}, nil
}

// drainWait bounds the wait for bytes that nobody needs.
const drainWait = 5 * time.Second

// drain reads the rest of a short body, so that its connection is used again.
func drain(resp *http.Response) {
	impatient := time.AfterFunc(drainWait, func() { _ = resp.Body.Close() })
	defer impatient.Stop()
	_, _ = io.CopyN(io.Discard, resp.Body, 64<<10)
	_ = resp.Body.Close()
}

// StatusOf is the HTTP status an error came with, 0 for none.
func StatusOf(err error) int {
	var e *errcode.Error
	if errors.As(err, &e) {
		return e.Status
	}
	return 0
}
