// Package auth is the grammar of registry authentication: the challenges of
// WWW-Authenticate, the scopes of tokens, and the answer of a token endpoint.
//
// It decides nothing and keeps nothing: package registry issues and checks
// tokens, distribution/client asks for them, and both spell them here.
package auth

import (
	"slices"
	"strings"
	"time"

	"cove/distribution"
	"cove/errdefs"
)

// Token is the answer of a token endpoint. Clients read either of the two
// names, so a server sets both.
type Token struct {
	Token        string    `json:"token"`
	AccessToken  string    `json:"access_token,omitempty"`
	ExpiresIn    int       `json:"expires_in,omitempty"` // seconds
	IssuedAt     time.Time `json:"issued_at,omitzero"`
	RefreshToken string    `json:"refresh_token,omitempty"`
}

// Scope is one resource and what may be done with it, as in
// "repository:team/app:pull,push".
type Scope struct {
	Type    string // "repository" or "registry"
	Name    string
	Actions []string
}

// The resource types of the token grammar.
const (
	TypeRepository = "repository"
	TypeRegistry   = "registry"
)

// String is the scope in the token grammar.
func (s Scope) String() string {
	return s.Type + ":" + s.Name + ":" + strings.Join(s.Actions, ",")
}

// ParseScope reads one scope. The name may hold colons (a host with a port),
// so the first and the last colon delimit it. The error is errdefs.ErrInvalid.
func ParseScope(s string) (Scope, error) {
	typ, rest, ok := strings.Cut(s, ":")
	i := strings.LastIndexByte(rest, ':')
	if !ok || i <= 0 || typ == "" || strings.ContainsAny(s, " \t\r\n\"") {
		return Scope{}, errdefs.Errorf(errdefs.ErrInvalid, "scope %q: want TYPE:NAME:ACTION[,ACTION]", s)
	}
	// Docker's grammar allows a class, as in "repository(plugin)"; it changes nothing here.
	if j := strings.IndexByte(typ, '('); j > 0 && strings.HasSuffix(typ, ")") {
		typ = typ[:j]
	}
	out := Scope{Type: typ, Name: rest[:i]}
	for a := range strings.SplitSeq(rest[i+1:], ",") {
		if a != "" && !slices.Contains(out.Actions, a) {
			out.Actions = append(out.Actions, a)
		}
	}
	return out, nil
}

// ParseScopes reads the values of all scope parameters of a token request;
// each may hold several scopes between spaces.
func ParseScopes(values ...string) ([]Scope, error) {
	var out []Scope
	for _, v := range values {
		for f := range strings.FieldsSeq(v) {
			s, err := ParseScope(f)
			if err != nil {
				return nil, err
			}
			out = append(out, s)
		}
	}
	return out, nil
}

// ScopeOf is the scope that an access asks for. The catalog is
// "registry:catalog:*"; the base endpoint needs no scope, and ok is false.
func ScopeOf(a distribution.Access) (s Scope, ok bool) {
	if a.Repository == "" {
		if len(a.Actions) == 0 {
			return Scope{}, false
		}
		return Scope{Type: TypeRegistry, Name: "catalog", Actions: []string{"*"}}, true
	}
	s = Scope{Type: TypeRepository, Name: a.Repository}
	for _, act := range a.Actions {
		s.Actions = append(s.Actions, string(act))
	}
	return s, true
}

// BearerChallenge is the value of WWW-Authenticate that sends a client to
// realm for a token with the accesses.
func BearerChallenge(realm, service string, access ...distribution.Access) string {
	c := Challenge{Scheme: "Bearer", Params: []Param{{"realm", realm}, {"service", service}}}
	var scopes []string
	for _, a := range access {
		if s, ok := ScopeOf(a); ok {
			scopes = append(scopes, s.String())
		}
	}
	if len(scopes) > 0 {
		c.Params = append(c.Params, Param{"scope", strings.Join(scopes, " ")})
	}
	return c.String()
}
