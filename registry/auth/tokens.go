package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"slices"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"cove/distribution"
	"cove/distribution/auth"
	"cove/errdefs"
	"cove/registry/auth/signing"
	"cove/registry/metadata"
)

const (
	tokenLife   = 5 * time.Minute
	tokenLeeway = 30 * time.Second // of clocks between replicas
	// maxToken bounds what is parsed for a stranger.
	maxToken = 16 << 10
	// maxSeen bounds the remembered signatures.
	maxSeen = 2048
)

// Tokens issues and verifies tokens: JWTs signed with ed25519, for one service
// only.
type Tokens struct {
	service string
	keys    *signing.Keys
	now     func() time.Time

	mu   sync.Mutex
	seen map[[sha256.Size]byte]claims // whose signature was right
}

// NewTokens returns Tokens for the service of this name.
func NewTokens(service string, keys *signing.Keys, now func() time.Time) *Tokens {
	return &Tokens{service: service, keys: keys, now: now, seen: map[[sha256.Size]byte]claims{}}
}

type claims struct {
	jwt.Claims
	UserID int64          `json:"uid,omitempty"` // 0: anonymous
	Epoch  int64          `json:"epoch,omitempty"`
	Token  int64          `json:"pat,omitempty"` // the access token by which it was asked for
	Access []accessClaims `json:"access"`
}

type accessClaims struct {
	Type    string   `json:"type"`
	Name    string   `json:"name"`
	Actions []string `json:"actions"`
}

// grant is what a token lists, by canonical name.
type grant struct {
	repositories map[string][]string
	catalog      bool
}

func (g *grant) has(repo string, right distribution.Action) bool {
	return slices.Contains(g.repositories[repo], string(right))
}

// issue signs a token for the caller (the zero Caller is anonymous) with the
// scopes, which the caller has decided.
func (t *Tokens) issue(ctx context.Context, caller Caller, scopes []auth.Scope) (auth.Token, error) {
	key, err := t.keys.Signer(ctx)
	if err != nil {
		return auth.Token{}, err
	}
	signer, err := jose.NewSigner(
		jose.SigningKey{Algorithm: jose.EdDSA, Key: jose.JSONWebKey{Key: key.Private, KeyID: key.ID}},
		(&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return auth.Token{}, err
	}
	now := t.now()
	ends := now.Add(tokenLife)
	if !caller.until.IsZero() && caller.until.Before(ends) {
		ends = caller.until // that of another issuer, by which this one was asked for
	}
	c := claims{
		Claims: jwt.Claims{
			Issuer: t.service, Subject: caller.Name, Audience: jwt.Audience{t.service}, ID: rand.Text(),
			IssuedAt: jwt.NewNumericDate(now), NotBefore: jwt.NewNumericDate(now),
			Expiry: jwt.NewNumericDate(ends),
		},
		UserID: caller.UserID, Epoch: caller.epoch, Access: []accessClaims{},
	}
	if caller.limit != nil {
		c.Token = caller.limit.id
	}
	for _, s := range scopes {
		c.Access = append(c.Access, accessClaims(s))
	}
	text, err := jwt.Signed(signer).Claims(c).Serialize()
	if err != nil {
		return auth.Token{}, err
	}
	return auth.Token{
		Token: text, AccessToken: text,
		ExpiresIn: max(int(ends.Sub(now)/time.Second), 1), IssuedAt: now.UTC(),
	}, nil
}

// errToken is the one answer to a token that does not hold.
func errToken(why string) error {
	return errdefs.Errorf(errdefs.ErrUnauthenticated, "this token does not hold: %s; sign in again", why)
}

// verify returns what a token of ours says. Whether its subject still exists
// and still may is for the caller to ask.
func (t *Tokens) verify(ctx context.Context, text string) (claims, error) {
	if len(text) > maxToken {
		return claims{}, errToken("it is too long")
	}
	sum := sha256.Sum256([]byte(text))
	t.mu.Lock()
	c, known := t.seen[sum]
	t.mu.Unlock()
	if !known {
		var err error
		if c, err = t.open(ctx, text); err != nil {
			return claims{}, err
		}
	}
	err := c.ValidateWithLeeway(jwt.Expected{
		Issuer: t.service, AnyAudience: jwt.Audience{t.service}, Time: t.now(),
	}, tokenLeeway)
	switch {
	case err != nil:
		return claims{}, errToken("it is expired, not valid yet, or for another service")
	case c.Expiry == nil || c.IssuedAt == nil || len(c.Audience) != 1:
		return claims{}, errToken("it lacks a claim")
	case c.Expiry.Time().Sub(c.IssuedAt.Time()) > tokenLife:
		return claims{}, errToken("it lives too long")
	}
	if !known {
		t.remember(sum, c)
	}
	return c, nil
}

// open checks the signature. One algorithm is accepted, so neither "none" nor a
// public key used as an HMAC secret can pass, and the key is looked up by its
// id among ours: a key that the token brings along is not even read.
func (t *Tokens) open(ctx context.Context, text string) (claims, error) {
	parsed, err := jwt.ParseSigned(text, []jose.SignatureAlgorithm{jose.EdDSA})
	if err != nil || len(parsed.Headers) != 1 {
		return claims{}, errToken("it is malformed")
	}
	h := parsed.Headers[0]
	if h.JSONWebKey != nil {
		return claims{}, errToken("it brings its own key")
	}
	pub, err := t.keys.Verifier(ctx, h.KeyID)
	if err != nil {
		return claims{}, err
	}
	if pub == nil {
		return claims{}, errToken("its key is not ours")
	}
	var c claims
	if err := parsed.Claims(pub, &c); err != nil {
		return claims{}, errToken("its signature is wrong")
	}
	return c, nil
}

func (t *Tokens) remember(sum [sha256.Size]byte, c claims) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.seen) >= maxSeen {
		clear(t.seen)
	}
	t.seen[sum] = c
}

func (c claims) grant() *grant {
	g := &grant{repositories: map[string][]string{}}
	for _, a := range c.Access {
		switch a.Type {
		case auth.TypeRepository:
			name := metadata.CanonicalName(a.Name)
			g.repositories[name] = append(g.repositories[name], a.Actions...)
		case auth.TypeRegistry:
			g.catalog = g.catalog || a.Name == "catalog" && slices.Contains(a.Actions, "*")
		}
	}
	return g
}
