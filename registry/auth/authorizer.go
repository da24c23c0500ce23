package auth

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"cove/distribution"
	"cove/distribution/auth"
	"cove/errdefs"
	"cove/registry/auth/recent"
	"cove/registry/edge"
	"cove/registry/former"
	"cove/registry/metadata"
)

// TokenPath is where the token endpoint listens.
const TokenPath = "/token"

// Config is what an Authorizer needs.
type Config struct {
	DB     *metadata.DB
	Login  *Login
	Tokens *Tokens
	// Judge has the policy: a push to a project that does not exist creates it,
	// for those who may.
	Judge Judge
	// ExternalURL is where clients reach this registry, as behind a proxy;
	// "" means as the request did.
	ExternalURL string
}

// Authorizer is the Authorizer of distribution/server over accounts, roles and
// tokens. It is safe for concurrent use.
type Authorizer struct {
	db          *metadata.DB
	login       *Login
	tokens      *Tokens
	standings   recent.Answers[place, metadata.Standing]
	names       *former.Names
	judge       Judge
	externalURL string
}

// New returns an Authorizer.
func New(cfg Config) *Authorizer {
	return &Authorizer{
		db: cfg.DB, login: cfg.Login, tokens: cfg.Tokens, judge: cfg.Judge,
		names:       former.New(cfg.DB, cfg.Login.now),
		standings:   recent.Answers[place, metadata.Standing]{Now: cfg.Login.now},
		externalURL: strings.TrimSuffix(cfg.ExternalURL, "/"),
	}
}

// Names tell how repositories are called now.
func (a *Authorizer) Names() *former.Names { return a.names }

// Authorize identifies the caller and decides every access. Credentials that
// are wrong are errdefs.ErrUnauthenticated even where none were needed.
func (a *Authorizer) Authorize(r *http.Request, access ...distribution.Access) (context.Context, error) {
	ctx := r.Context()
	caller, err := a.identify(r)
	if err != nil {
		return nil, err
	}
	if caller.Name == "" && caller.cap == nil && needsSignIn(access) {
		return nil, errdefs.Errorf(errdefs.ErrUnauthenticated, "authentication required")
	}
	if caller, err = a.permits(ctx, caller, access); err != nil {
		return nil, err
	}
	return a.names.Noted(WithCaller(ctx, caller), access)
}

// needsSignIn is true of the base endpoint and the catalog: answering 401
// there is how a client learns where tokens come from.
func needsSignIn(access []distribution.Access) bool {
	for _, acc := range access {
		if acc.Repository == "" {
			return true
		}
	}
	return false
}

// Challenge sends the client to the token endpoint.
func (a *Authorizer) Challenge(r *http.Request, access ...distribution.Access) string {
	base := a.externalURL
	if base == "" {
		base = edge.BaseURL(r)
	}
	challenge := auth.BearerChallenge(base+TokenPath, a.tokens.service, access...)
	if fault := a.fault(r); fault != "" {
		challenge += `,error="` + fault + `"`
	}
	return challenge
}

// fault is what RFC 6750 (3.1) calls the mistake of a refused token, "" when
// there was none: podman asks again only when it hears of the scope.
func (a *Authorizer) fault(r *http.Request) string {
	scheme, _, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	switch _, err := a.identify(r); {
	case err == nil:
		return "insufficient_scope"
	case errors.Is(err, errdefs.ErrUnauthenticated):
		return "invalid_token"
	}
	return "" // it could not be told
}

// May says whether the caller that ctx carries has a right in a repository.
func (a *Authorizer) May(ctx context.Context, right distribution.Action, repo string) bool {
	return a.decide(ctx, CallerOf(ctx), distribution.Access{
		Repository: repo,
		Actions:    []distribution.Action{right},
	}) == nil
}

// decide answers for one repository, or, when its name is "", for the registry
// as a whole, where everyone who got this far may list what they may see. The
// policy is asked before the token: who may not is told so, who may is sent
// for a token that covers it.
func (a *Authorizer) decide(ctx context.Context, c Caller, access distribution.Access) error {
	if len(access.Actions) == 0 {
		return nil
	}
	if access.Repository == "" {
		if c.cap != nil && !c.cap.catalog {
			return errdefs.Errorf(errdefs.ErrUnauthenticated, "this token is not for the catalog")
		}
		return nil
	}
	repo := metadata.CanonicalName(access.Repository)
	at, project, st, err := a.stands(ctx, c, repo)
	if err != nil {
		return err
	}
	// The last right is what the request is for, and what a refusal must name: a
	// push asks for a pull before it.
	for _, action := range slices.Backward(access.Actions) {
		v := a.judge.decide(c, OfAction(action), at, st)
		switch {
		case v.Allowed:
			continue
		case c.Name == "":
			return errdefs.Errorf(errdefs.ErrUnauthenticated, "authentication required to %s %s", action, repo)
		case v.Rule == ByToken:
			return refusal(c, OfAction(action), repo, v)
		}
		// The same for a project that does not exist: strangers learn nothing.
		return errdefs.Errorf(errdefs.ErrDenied,
			"user %q may not %s in project %q; ask an administrator of the project", c.Name, action, project)
	}
	for _, right := range access.Actions {
		if c.cap != nil && !c.cap.has(repo, right) {
			return errdefs.Errorf(errdefs.ErrUnauthenticated, "this token does not cover %s of %s", right, repo)
		}
	}
	return nil
}

// stands is where a repository is, whose name may be a former one, the project that a refusal
// names, and how a caller stands towards the one where it is.
func (a *Authorizer) stands(
	ctx context.Context, c Caller, repo string,
) (at, project string, st metadata.Standing, err error) {
	if at, err = a.names.Now(ctx, repo); err == nil {
		st, err = a.standing(ctx, c, metadata.ProjectOf(at))
	}
	return at, metadata.ProjectOf(repo), st, err
}

// place is a user towards a project.
type place struct {
	project string
	userID  int64
}

// standing is how a caller stood towards a project a moment ago. What gives no
// rights is asked anew each time, so that a new project or member need not
// wait; a system administrator has every right and is asked nothing.
func (a *Authorizer) standing(ctx context.Context, c Caller, project string) (metadata.Standing, error) {
	if c.Admin {
		return metadata.Standing{}, nil
	}
	return a.standings.Get(place{project, c.UserID},
		func() (metadata.Standing, error) { return a.db.Standing(ctx, project, c.UserID) },
		func(st metadata.Standing) bool { return len(st.Grants) > 0 || st.ProjectPublic })
}

// Identify finds out who is asking, by password or token, for what is no part of
// the protocol. Wrong credentials are errdefs.ErrUnauthenticated; without any it
// is the zero Caller.
func (a *Authorizer) Identify(r *http.Request) (Caller, error) {
	c, err := a.identify(r)
	if err != nil {
		return Caller{}, err
	}
	return a.login.arrived(c), nil
}

// identify finds out who is asking.
func (a *Authorizer) identify(r *http.Request) (Caller, error) {
	header := r.Header.Get("Authorization")
	if header == "" {
		return Caller{}, nil
	}
	scheme, value, _ := strings.Cut(header, " ")
	switch {
	case strings.EqualFold(scheme, "Basic"):
		name, password, ok := r.BasicAuth()
		if !ok {
			return Caller{}, errRefused()
		}
		return a.login.Credentials(r.Context(), name, password, edge.AddressOf(r))
	case strings.EqualFold(scheme, "Bearer"):
		return a.bearer(r, strings.TrimSpace(value))
	default:
		return Caller{}, errdefs.Errorf(errdefs.ErrUnauthenticated,
			"authentication scheme %q is not known; use Bearer or Basic", scheme)
	}
}

// bearer finds out whose a token is: one of this registry, or of an issuer that a rule
// trusts.
func (a *Authorizer) bearer(r *http.Request, text string) (Caller, error) {
	c, err := a.identifyToken(r.Context(), text)
	c.Address = edge.AddressOf(r)
	if !errors.Is(err, errdefs.ErrUnauthenticated) {
		return c, err
	}
	other, ok, failed := a.login.trusted(r.Context(), "", text, edge.AddressOf(r))
	if ok || failed != nil {
		return other, failed
	}
	return c, err
}

func (a *Authorizer) identifyToken(ctx context.Context, text string) (Caller, error) {
	c, err := a.tokens.verify(ctx, text)
	if err != nil {
		return Caller{}, err
	}
	if c.UserID == 0 {
		return Caller{cap: c.grant()}, nil
	}
	u, err := a.login.user(ctx, c.Subject)
	switch {
	case errors.Is(err, errdefs.ErrNotFound):
		return Caller{}, errToken("its account is gone")
	case err != nil:
		return Caller{}, err
	case u.ID != c.UserID || u.Epoch != c.Epoch || u.Disabled || u.Expired(a.login.now()):
		return Caller{}, errToken("its account has changed")
	}
	caller := of(u)
	caller.cap = c.grant()
	if c.Token != 0 {
		if caller.limit, err = a.login.stillAllowed(ctx, c.Token); err != nil {
			return Caller{}, err
		}
	}
	return caller, nil
}
