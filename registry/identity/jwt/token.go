package jwt

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"cove/errdefs"
)

const (
	// MaxToken bounds what is parsed, in bytes.
	MaxToken = 16 << 10
	// Leeway is how far clocks may be apart.
	Leeway = 30 * time.Second
	// MaxLife is how long a token may be good: one that leaks must end by itself.
	MaxLife = 24 * time.Hour
)

// algorithms are those with public keys. An HMAC (HS256) would make the issuer's
// public key a secret that everybody knows, and "none" is no signature (RFC 8725, 2.1).
var algorithms = []jose.SignatureAlgorithm{
	jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512,
	jose.ES256, jose.ES384, jose.ES512, jose.EdDSA,
}

// Token is a token whose signature is right.
type Token struct {
	Issuer, Subject              string
	Audience                     []string
	Expires, IssuedAt, NotBefore time.Time // the last two are zero if the token has none
	Claims                       Claims    // all of them
}

// Looks says whether a text could be a token: passwords are tried otherwise.
func Looks(text string) bool {
	return strings.HasPrefix(text, "eyJ") && strings.Count(text, ".") == 2 && len(text) <= MaxToken
}

// IssuerOf is who a token says that it comes from; nothing of it is checked. It is ""
// of what is no token.
func IssuerOf(text string) string {
	if !Looks(text) {
		return ""
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(text, ".")[1])
	if err != nil {
		return ""
	}
	claims, err := decode(payload)
	if err != nil {
		return ""
	}
	issuer, _ := claims["iss"].(string)
	return issuer
}

// Verify checks the signature of a token with the keys of its source, and that it says
// to be of that issuer. What is wrong with it is errdefs.ErrUnauthenticated; an issuer
// that cannot be asked is errdefs.ErrUnavailable. Whether its time is now, and for whom
// it is, are [Token.Current] and [Token.For].
func (k *Keys) Verify(ctx context.Context, source Source, text string) (Token, error) {
	if !Looks(text) {
		return Token{}, refused("it is no token")
	}
	signed, err := jose.ParseSignedCompact(text, algorithms)
	if err != nil || len(signed.Signatures) != 1 {
		return Token{}, refused("it is malformed, or signed by an algorithm that is not accepted")
	}
	header := signed.Signatures[0].Header
	if header.JSONWebKey != nil {
		return Token{}, refused("it brings its own key")
	}
	keys, err := k.find(ctx, source, header.KeyID)
	if err != nil {
		return Token{}, err
	}
	for _, key := range keys {
		if key.Algorithm != "" && key.Algorithm != header.Algorithm {
			continue
		}
		if payload, err := signed.Verify(key.Key); err == nil {
			return read(source.Issuer, payload)
		}
	}
	return Token{}, refused("its signature is not by a key of %s", source.Issuer)
}

func decode(payload []byte) (c Claims, err error) {
	d := json.NewDecoder(bytes.NewReader(payload))
	d.UseNumber()
	err = d.Decode(&c)
	return c, err
}

// read is a token by its payload.
func read(issuer string, payload []byte) (t Token, err error) {
	if t.Claims, err = decode(payload); err != nil {
		return Token{}, refused("its claims are no JSON object")
	}
	t.Issuer, _ = t.Claims["iss"].(string)
	t.Subject, _ = t.Claims["sub"].(string)
	t.Audience, _ = texts(t.Claims["aud"])
	if t.Issuer != issuer {
		return Token{}, refused("it is of another issuer")
	}
	for claim, at := range map[string]*time.Time{"exp": &t.Expires, "iat": &t.IssuedAt, "nbf": &t.NotBefore} {
		value, has := t.Claims[claim]
		if !has {
			continue
		}
		number, _ := value.(json.Number)
		seconds, err := number.Float64()
		if err != nil || seconds <= 0 || seconds > 1<<40 {
			return Token{}, refused("its claim %s is no time", claim)
		}
		*at = time.Unix(int64(seconds), 0)
	}
	if t.Expires.IsZero() {
		return Token{}, refused("it never ends: it has no exp")
	}
	return t, nil
}

// Current is nil while the token is good by its own times.
func (t Token) Current(now time.Time) error {
	from := now
	for _, at := range []time.Time{t.NotBefore, t.IssuedAt} {
		if at.IsZero() {
			continue
		}
		if at.After(now.Add(Leeway)) {
			return refused("it is not good before %s; are the clocks right?", at.UTC().Format(time.RFC3339))
		}
		from = at
	}
	switch {
	case !now.Before(t.Expires.Add(Leeway)):
		return refused("it expired on %s", t.Expires.UTC().Format(time.RFC3339))
	case t.Expires.Sub(from) > MaxLife:
		return refused("it is good for %s; ask for one of %s at most", t.Expires.Sub(from).Round(time.Second), MaxLife)
	}
	return nil
}

// For is nil if the token is meant for this audience.
func (t Token) For(audience string) error {
	if !slices.Contains(t.Audience, audience) {
		return refused("it is for the audience %.200q and not for %q", strings.Join(t.Audience, " "), audience)
	}
	return nil
}

func refused(format string, args ...any) error {
	return errdefs.Errorf(errdefs.ErrUnauthenticated, "the token: "+format, args...)
}
