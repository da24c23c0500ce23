package auth

import (
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"slices"
	"strings"

	"cove/distribution"
	"cove/distribution/auth"
	"cove/distribution/errcode"
	"cove/distribution/errcode/answer"
	"cove/errdefs"
	"cove/registry/edge"
	"cove/registry/metadata"
)

const (
	maxTokenForm = 64 << 10
	maxScopes    = 64
)

// tokenRequest is what a client asks the token endpoint for.
type tokenRequest struct {
	name, password string
	signedIn       bool   // a name and password were given
	bearer         string // a token of another issuer, instead of them
	service        string
	scopes         []auth.Scope
}

// ServeToken is the token endpoint: GET as docker's token specification has
// it, and POST as OAuth 2 with the grant "password". Without credentials it
// issues what anyone may have.
func (a *Authorizer) ServeToken(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	token, err := a.token(w, r)
	if err != nil {
		e := errcode.For(err, errcode.Registry)
		if e.Status == http.StatusUnauthorized {
			w.Header().Set("WWW-Authenticate", `Basic realm="cove registry"`)
		}
		answer.Write(w, e)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(token) // the client is gone; nobody is left to tell
}

func (a *Authorizer) token(w http.ResponseWriter, r *http.Request) (auth.Token, error) {
	req, err := parseTokenRequest(w, r)
	if err != nil {
		return auth.Token{}, err
	}
	if req.service != "" && req.service != a.tokens.service {
		return auth.Token{}, errdefs.Errorf(errdefs.ErrInvalid, "service %q is not this registry (%q)", req.service,
			a.tokens.service)
	}
	c, err := a.askedBy(r, req)
	if err != nil {
		return auth.Token{}, err
	}
	scopes, err := a.permitted(r, c, req.scopes)
	for _, other := range c.others { // the account that may most of it
		more, failed := a.permitted(r, other, req.scopes)
		err = errors.Join(err, failed)
		if actions(more) > actions(scopes) {
			c, scopes = other, more
		}
	}
	if err != nil {
		return auth.Token{}, err
	}
	return a.tokens.issue(r.Context(), a.login.arrived(c), scopes)
}

// askedBy is who asks for a token. One of this registry is good for none: it would never
// end.
func (a *Authorizer) askedBy(r *http.Request, req tokenRequest) (Caller, error) {
	switch {
	case req.signedIn:
		return a.login.Credentials(r.Context(), req.name, req.password, edge.AddressOf(r))
	case req.bearer != "":
		c, ok, err := a.login.trusted(r.Context(), "", req.bearer, edge.AddressOf(r))
		if err == nil && !ok {
			err = errRefused()
		}
		return c, err
	}
	return Caller{}, nil
}

// actions counts those of scopes.
func actions(scopes []auth.Scope) (n int) {
	for _, s := range scopes {
		n += len(s.Actions)
	}
	return n
}

// permitted cuts the scopes down to what the policy allows. What is cut is not
// an error: the client finds out when it uses the token.
func (a *Authorizer) permitted(r *http.Request, c Caller, asked []auth.Scope) ([]auth.Scope, error) {
	var granted []auth.Scope
	for _, s := range asked {
		switch {
		case s.Type == auth.TypeRegistry && s.Name == "catalog":
			granted = append(granted, s)
		case s.Type == auth.TypeRepository:
			at, _, st, err := a.stands(r.Context(), c, metadata.CanonicalName(s.Name))
			if err != nil {
				return nil, err
			}
			s.Actions = slices.DeleteFunc(expand(s.Actions), func(action string) bool {
				return !a.judge.decide(c, OfAction(distribution.Action(action)), at, st).Allowed
			})
			if len(s.Actions) > 0 {
				granted = append(granted, s)
			}
		}
	}
	return granted, nil
}

// expand spells out "*".
func expand(actions []string) []string {
	if slices.Contains(actions, "*") {
		return []string{string(distribution.Pull), string(distribution.Push), string(distribution.Delete)}
	}
	return slices.Clone(actions)
}

func parseTokenRequest(w http.ResponseWriter, r *http.Request) (req tokenRequest, err error) {
	var scopes []string
	switch r.Method {
	case http.MethodGet:
		q := r.URL.Query()
		req.service, scopes = q.Get("service"), q["scope"]
		req.name, req.password, req.signedIn = r.BasicAuth()
		if header := r.Header.Get("Authorization"); !req.signedIn && header != "" {
			scheme, token, _ := strings.Cut(header, " ")
			req.bearer = strings.TrimSpace(token)
			if !strings.EqualFold(scheme, "Bearer") || req.bearer == "" {
				return req, errRefused()
			}
		}
	case http.MethodPost:
		kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
		if kind != "application/x-www-form-urlencoded" {
			return req, errdefs.Errorf(errdefs.ErrInvalid,
				"token request: want a form (application/x-www-form-urlencoded)")
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxTokenForm)
		if err := r.ParseForm(); err != nil {
			return req, errdefs.Errorf(errdefs.ErrInvalid, "token request: %w", err)
		}
		if grant := r.PostForm.Get("grant_type"); grant != "password" {
			return req, errdefs.Errorf(
				errdefs.ErrInvalid,
				"token request: grant_type %q is not offered; use password",
				grant,
			)
		}
		req.service, scopes = r.PostForm.Get("service"), r.PostForm["scope"]
		req.name, req.password, req.signedIn = r.PostForm.Get("username"), r.PostForm.Get("password"), true
	default:
		return req, errdefs.Errorf(errdefs.ErrUnsupported, "token request: use GET or POST")
	}
	req.scopes, err = auth.ParseScopes(scopes...)
	if err == nil && len(req.scopes) > maxScopes {
		err = errdefs.Errorf(errdefs.ErrInvalid, "token request: at most %d scopes at once", maxScopes)
	}
	return req, err
}
