package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"

	"cove/errdefs"
	"cove/registry/auth/rights"
	"cove/registry/auth/throttle"
	"cove/registry/metadata"
	"cove/registry/metadata/people"
)

// accessTokenPrefix begins each personal access token, so that who finds one knows
// what it is, and so that no password is taken for one.
const accessTokenPrefix = "cove_pat_"

// IsAccessToken says whether a text is taken for one.
func IsAccessToken(text string) bool { return strings.HasPrefix(text, accessTokenPrefix) }

// NewAccessToken makes up a personal access token of 260 bits, and the hash that is
// kept of it: so much needs no slow one.
func NewAccessToken() (text, hash string) {
	text = accessTokenPrefix + rand.Text() + rand.Text()
	return text, hashOf(text)
}

func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// allowed is a token as a caller has it.
func allowed(t people.AccessToken) *allowance {
	return &allowance{id: t.ID, name: t.Name, rights: rights.Stored(t.Rights), repositories: t.Repositories}
}

// Credentials finds out who has a name with a password, a robot's secret, a personal
// access token, or a token of an issuer that a rule trusts. Wrong ones are
// errdefs.ErrUnauthenticated, the same whatever of them is wrong; see [Login.Check].
func (l *Login) Credentials(ctx context.Context, name, secret, address string) (Caller, error) {
	if IsAccessToken(secret) {
		return l.accessToken(ctx, name, secret, address)
	}
	if c, ok, err := l.trustedOrRefused(ctx, name, secret, address); ok || err != nil {
		return c, err
	}
	u, err := l.check(ctx, name, secret, address)
	if err != nil {
		return Caller{}, err
	}
	return l.enter(u, nil, address)
}

// accessToken signs in with a personal access token. Its text is looked up first and
// the name compared after, so that the answer tells nothing of the name.
func (l *Login) accessToken(ctx context.Context, name, text, address string) (Caller, error) {
	try := &throttle.Attempt{Name: name, Address: address, Mark: sha256.Sum256([]byte(text))}
	t, err := l.tokens.Get(
		hashOf(text),
		func() (people.AccessToken, error) { return l.db.TokenByHash(ctx, hashOf(text)) },
		func(people.AccessToken) bool { return true },
	)
	var u metadata.User
	if err == nil {
		u, err = l.user(ctx, name)
	}
	switch {
	case errors.Is(err, errdefs.ErrNotFound), err == nil && (t.UserID != u.ID || t.Expired(l.now())):
		done, err := l.turn(ctx, try)
		if err != nil {
			return Caller{}, err
		}
		defer done()
		return Caller{}, l.refuse(try)
	case err != nil:
		return Caller{}, err
	}
	return l.enter(u, allowed(t), address)
}

// stillAllowed is the allowance of the access token with this id, as long as it is
// one.
func (l *Login) stillAllowed(ctx context.Context, id int64) (*allowance, error) {
	t, err := l.byID.Get(id, func() (people.AccessToken, error) { return l.db.TokenByID(ctx, id) },
		func(people.AccessToken) bool { return true })
	if errors.Is(err, errdefs.ErrNotFound) || err == nil && t.Expired(l.now()) {
		return nil, errToken("its access token has ended")
	}
	return allowed(t), err
}
