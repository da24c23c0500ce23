package auth

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"cove/distribution"
	"cove/errdefs"
	"cove/registry/auth/signing"
	"cove/registry/metadata"
)

// b64 is how a token's parts are written.
func b64(v any) string {
	if b, ok := v.([]byte); ok {
		return base64.RawURLEncoding.EncodeToString(b)
	}
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

type fields map[string]any

// forge signs header and claims with a key, whatever they say.
func forge(key ed25519.PrivateKey, header, claims fields) string {
	signed := b64(header) + "." + b64(claims)
	return signed + "." + b64(ed25519.Sign(key, []byte(signed)))
}

// genuine are the header and claims of a token that holds, to be spoiled.
func (f *fixture) genuine(t *testing.T) (key signing.Key, header, claims fields) {
	t.Helper()
	key, err := f.keys.Signer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	u, err := f.db.UserByName(t.Context(), "developer")
	if err != nil {
		t.Fatal(err)
	}
	now := f.clock.Now().Unix()
	return key, fields{"alg": "EdDSA", "kid": key.ID, "typ": "JWT"}, fields{
		"iss": testService, "sub": u.Name, "aud": []string{testService}, "exp": now + 300, "nbf": now, "iat": now, "jti": "x",
		"uid": u.ID, "epoch": u.Epoch,
		"access": []fields{{"type": "repository", "name": "closed/app", "actions": []string{"pull", "push"}}},
	}
}

func with(base fields, key string, value any) fields {
	out := fields{}
	for k, v := range base {
		out[k] = v
	}
	if value == nil {
		delete(out, key)
	} else {
		out[key] = value
	}
	return out
}

// TestTokenAttacks offers spoiled tokens for everything the genuine one may;
// all must be refused.
func TestTokenAttacks(t *testing.T) {
	t.Parallel()
	f := newFixture(t, false)
	key, header, claims := f.genuine(t)
	want := distribution.Access{Repository: "closed/app", Actions: []distribution.Action{distribution.Pull, distribution.Push}}
	if _, err := f.Authorize(bearer(forge(key.Private, header, claims)), want); err != nil {
		t.Fatalf("the genuine token is refused: %v", err)
	}
	attacks := map[string]string{}
	f.signatureAttacks(t, attacks, key, header, claims)
	f.claimAttacks(attacks, key, header, claims)
	f.textAttacks(attacks, forge(key.Private, header, claims))
	for name, token := range attacks {
		if _, err := f.Authorize(bearer(token), want); !errors.Is(err, errdefs.ErrUnauthenticated) {
			t.Errorf("%s: %v", name, err)
		}
		// Neither may it pass where no right is needed.
		if _, err := f.Authorize(bearer(token), distribution.Access{}); !strings.HasPrefix(name, "scope") && !errors.Is(err, errdefs.ErrUnauthenticated) {
			t.Errorf("%s, at the base: %v", name, err)
		}
	}
	t.Logf("%d attacks, all refused unless said above", len(attacks))
}

func (f *fixture) signatureAttacks(t *testing.T, attacks map[string]string, key signing.Key, header, claims fields) {
	t.Helper()
	pub, foreign, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	own := key.Private.Public().(ed25519.PublicKey) //nolint:forcetypeassert // it is one
	attacks["foreign key, our kid"] = forge(foreign, header, claims)
	attacks["foreign key, its kid"] = forge(foreign, with(header, "kid", signing.KeyID(pub)), claims)
	attacks["foreign key, embedded"] = forge(foreign, with(with(header, "kid", nil), "jwk", jose.JSONWebKey{Key: pub}), claims)
	attacks["foreign key, embedded, our kid"] = forge(foreign, with(header, "jwk", jose.JSONWebKey{Key: pub}), claims)
	attacks["our key, embedded too"] = forge(key.Private, with(header, "jwk", jose.JSONWebKey{Key: own}), claims)
	attacks["jku"] = forge(foreign, with(with(header, "kid", nil), "jku", "https://evil.test/keys"), claims)
	attacks["x5u"] = forge(foreign, with(with(header, "kid", nil), "x5u", "https://evil.test/cert"), claims)
	attacks["no kid"] = forge(key.Private, with(header, "kid", nil), claims)
	attacks["crit"] = forge(key.Private, with(header, "crit", []string{"x"}), claims)
	for _, kid := range []string{"", "../../etc/passwd", "' OR 1=1 --", "\x00", strings.Repeat("A", len(key.ID)), strings.Repeat("A", 4096), key.ID + "x", key.ID[1:]} {
		attacks[fmt.Sprintf("kid %.20q", kid)] = forge(key.Private, with(header, "kid", kid), claims)
	}
	signed := func(h fields) string { return b64(h) + "." + b64(claims) + "." }
	for _, alg := range []string{"none", "None", "NONE", "nOnE", ""} {
		attacks["alg "+alg+", unsigned"] = signed(with(header, "alg", alg))
		attacks["alg "+alg+", signed"] = forge(key.Private, with(header, "alg", alg), claims)
	}
	for _, alg := range []jose.SignatureAlgorithm{jose.HS256, jose.HS384, jose.HS512} {
		// The public key as the secret of an HMAC.
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: append([]byte(own), make([]byte, 64)...)[:64]},
			(&jose.SignerOptions{}).WithHeader("kid", key.ID))
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(claims)
		if err != nil {
			t.Fatal(err)
		}
		object, err := signer.Sign(text)
		if err != nil {
			t.Fatal(err)
		}
		if attacks[string(alg)+" with the public key"], err = object.CompactSerialize(); err != nil {
			t.Fatal(err)
		}
	}
	for _, alg := range []string{"RS256", "PS256", "ES256", "ES512", "Ed448", "EdDSA ", "eddsa", "HS256"} {
		attacks["alg "+alg] = forge(key.Private, with(header, "alg", alg), claims)
	}
}

func (f *fixture) claimAttacks(attacks map[string]string, key signing.Key, header, claims fields) {
	now := f.clock.Now().Unix()
	for name, values := range map[string][]any{
		"exp":   {now - 31, now - 3600, 0, -1, now + 3600, int64(1) << 40, "tomorrow", nil},
		"nbf":   {now + 31, now + 3600, "later"},
		"iat":   {now + 31, now - 3600, nil, "earlier"},
		"iss":   {"", "someone", testService + "x", nil},
		"aud":   {"", "someone", []string{}, []string{"a", "b"}, []string{testService, "other"}, []string{"other", testService}, testService + "/", strings.ToUpper(testService), nil},
		"sub":   {"", "admin", "nobody-at-all", "Developer", nil},
		"uid":   {-1, 12345, "1"},
		"epoch": {0, 2, -1, nil},
		"access": {
			"*", fields{}, "repository:closed/app:pull,push",
		},
	} {
		for i, v := range values {
			attacks[fmt.Sprintf("claim %s %d %v", name, i, v)] = forge(key.Private, header, with(claims, name, v))
		}
	}
	for i, access := range []any{
		nil,
		[]fields{},
		[]fields{{"type": "repository", "name": "closed/app", "actions": []string{"pull"}}},
		[]fields{{"type": "repository", "name": "closed/app", "actions": []string{"*"}}},
		[]fields{{"type": "repository", "name": "closed/app", "actions": []string{"pull,push"}}},
		[]fields{{"type": "repository", "name": "closed/*", "actions": []string{"pull", "push"}}},
		[]fields{{"type": "repository", "name": "*", "actions": []string{"pull", "push"}}},
		[]fields{{"type": "repository", "name": "closed", "actions": []string{"pull", "push"}}},
		[]fields{{"type": "repository", "name": "closed/app/", "actions": []string{"pull", "push"}}},
		[]fields{{"type": "repository", "name": "closed/app/x", "actions": []string{"pull", "push"}}},
		[]fields{{"type": "repository", "name": "closed/application", "actions": []string{"pull", "push"}}},
		[]fields{{"type": "repository", "name": "CLOSED/app", "actions": []string{"pull", "push"}}},
		[]fields{{"type": "repository", "name": "open/app", "actions": []string{"pull", "push"}}},
		[]fields{{"type": "repository", "name": "", "actions": []string{"pull", "push"}}},
		[]fields{{"type": "registry", "name": "catalog", "actions": []string{"*"}}},
		[]fields{{"type": "Repository", "name": "closed/app", "actions": []string{"pull", "push"}}},
	} {
		attacks[fmt.Sprintf("scope %d", i)] = forge(key.Private, header, with(claims, "access", access))
	}
}

func (f *fixture) textAttacks(attacks map[string]string, genuine string) {
	parts := strings.Split(genuine, ".")
	for i, text := range []string{
		"", ".", "..", "...", "null", "{}", parts[0], parts[0] + "." + parts[1], parts[0] + "." + parts[1] + ".",
		parts[0] + "." + parts[1] + "." + parts[2] + ".x", "." + parts[1] + "." + parts[2], parts[0] + ".." + parts[2],
		genuine + "=", genuine + "\x00", genuine[:len(genuine)-4], genuine[1:], strings.ToUpper(genuine),
		strings.Repeat("a", maxToken+1), strings.Repeat(".", maxToken), parts[0] + "." + parts[1] + "." + b64(make([]byte, 64)),
		`{"payload":"` + parts[1] + `","signatures":[{"protected":"` + parts[0] + `","signature":"` + parts[2] + `"}]}`,
		genuine + " " + genuine, genuine + "," + genuine,
	} {
		attacks[fmt.Sprintf("text %d", i)] = text
	}
	// Every part with a bit turned.
	for i := range parts {
		for at := 0; at < len(parts[i]); at += 1 + len(parts[i])/12 {
			flipped := []byte(parts[i])
			flipped[at] ^= 2
			if string(flipped) == parts[i] {
				continue
			}
			spoiled := append([]string{}, parts...)
			spoiled[i] = string(flipped)
			attacks[fmt.Sprintf("part %d, character %d", i, at)] = strings.Join(spoiled, ".")
		}
	}
}

func TestTokenLife(t *testing.T) {
	t.Parallel()
	f := newFixture(t, false)
	token := f.token(t, "developer", "repository:closed/app:pull,push")
	try := func() error { _, err := f.Authorize(bearer(token), pull("closed/app")); return err }
	if err := try(); err != nil {
		t.Fatal(err)
	}
	f.clock.Advance(tokenLife + tokenLeeway - time.Second)
	if err := try(); err != nil {
		t.Errorf("within the leeway: %v", err)
	}
	f.clock.Advance(2 * time.Second)
	if err := try(); !errors.Is(err, errdefs.ErrUnauthenticated) {
		t.Errorf("beyond it: %v", err)
	}
}

// TestRevocationHoldsWithinASecond changes an account while its token is alive.
func TestRevocationHoldsWithinASecond(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(context.Context, *metadata.Tx) error{
		"password": func(ctx context.Context, tx *metadata.Tx) error { return tx.SetPassword(ctx, "developer", "x") },
		"removed":  func(ctx context.Context, tx *metadata.Tx) error { return tx.RemoveUser(ctx, "developer") },
		"made anew": func(ctx context.Context, tx *metadata.Tx) error {
			return errors.Join(tx.RemoveUser(ctx, "developer"), tx.AddUser(ctx, "developer", "x", true))
		},
		"no member any more": func(ctx context.Context, tx *metadata.Tx) error {
			p, err := tx.Project(ctx, privateProject)
			if err != nil {
				return err
			}
			u, err := tx.UserByName(ctx, "developer")
			if err != nil {
				return err
			}
			return tx.SetRole(ctx, p.ID, u.ID, "")
		},
	} {
		f := newFixture(t, false)
		token := f.token(t, "developer", "repository:closed/app:pull")
		if _, err := f.Authorize(bearer(token), pull("closed/app")); err != nil {
			t.Fatal(err)
		}
		if err := f.db.Update(t.Context(), change); err != nil {
			t.Fatal(err)
		}
		f.clock.Advance(time.Second)
		if _, err := f.Authorize(bearer(token), pull("closed/app")); err == nil {
			t.Errorf("%s: the token still holds", name)
		}
		// A remembered password must not hold either, nor do longer than it is right.
		if _, err := f.Authorize(request("developer", "GET", "/v2/"), pull("closed/app")); err == nil {
			t.Errorf("%s: the password still holds", name)
		}
	}
}

// TestKeysAreShared verifies on one replica what another one signed, across a
// rotation.
func TestKeysAreShared(t *testing.T) {
	t.Parallel()
	f := newFixture(t, false)
	other := newKeyDir(t)
	keys, err := signing.Open(t.Context(), other, f.db, f.clock.Now)
	if err != nil {
		t.Fatal(err)
	}
	replica := New(Config{DB: f.db, Login: f.login, Tokens: NewTokens(testService, keys, f.clock.Now)})
	before := f.token(t, "developer", "repository:closed/app:pull")
	if _, err := replica.Authorize(bearer(before), pull("closed/app")); err != nil {
		t.Errorf("the replica: %v", err)
	}
	old := newest(t, f.keys)
	f.clock.Advance(signing.SignsFor + time.Hour)
	after := f.token(t, "developer", "repository:closed/app:pull")
	if newest(t, f.keys) == old {
		t.Error("the key was not rotated")
	}
	if _, err := replica.Authorize(bearer(after), pull("closed/app")); err != nil {
		t.Errorf("the replica, after a rotation: %v", err)
	}
	again, err := signing.Open(t.Context(), other, f.db, f.clock.Now)
	if err != nil || newest(t, again) == "" {
		t.Errorf("opening the keys again: %v", err)
	}
}

// newest is the id of the key that signs now.
func newest(t *testing.T, keys *signing.Keys) string {
	t.Helper()
	key, err := keys.Signer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return key.ID
}
