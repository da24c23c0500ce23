package jwt_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"cove/errdefs"
	"cove/registry/identity/jwt"
	"cove/registry/identity/jwttest"
	"cove/registry/outbound"
)

const audience = "https://registry.example.com"

func policy(t *testing.T) outbound.Policy {
	t.Helper()
	p, err := outbound.ParsePolicy("127.0.0.0/8")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// check holds a token to everything, with a condition on its subject.
func check(t *testing.T, keys *jwt.Keys, source jwt.Source, text string, now time.Time) error {
	t.Helper()
	token, err := keys.Verify(t.Context(), source, text)
	if err != nil {
		return err
	}
	return errors.Join(token.For(audience), token.Current(now), token.Claims.Meets(jwt.Conditions{"sub": {"repo:octo/app:**"}}))
}

// forged are tokens of somebody who has none: each must be refused.
func forged(t *testing.T, i *jwttest.Issuer) map[string]string {
	t.Helper()
	good := i.Full(jwttest.GitHub(audience, nil))
	payload, err := json.Marshal(good)
	if err != nil {
		t.Fatal(err)
	}
	raw := func(header string, signature []byte) string {
		b64 := base64.RawURLEncoding.EncodeToString
		return b64([]byte(header)) + "." + b64(payload) + "." + b64(signature)
	}
	mine := jwttest.EC(t)
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(jwttest.RSA(t).Public())
	if err != nil {
		t.Fatal(err)
	}
	real := i.Sign(t, jwttest.GitHub(audience, nil))
	parts := strings.Split(real, ".")
	evil, err := json.Marshal(i.Full(jwttest.GitHub(audience, map[string]any{"sub": "repo:octo/app:ref:refs/heads/evil"})))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{
		"none":                    raw(`{"alg":"none","kid":"first"}`, nil),
		"None":                    raw(`{"alg":"None","kid":"first"}`, nil),
		"no algorithm":            raw(`{"kid":"first"}`, nil),
		"empty signature":         raw(`{"alg":"RS256","kid":"first"}`, nil),
		"another's payload":       parts[0] + "." + base64.RawURLEncoding.EncodeToString(evil) + "." + parts[2],
		"cut":                     parts[0] + "." + parts[1] + ".",
		"public key as a secret":  jwttest.Sign(t, jose.HS256, jose.JSONWebKey{Key: public, KeyID: "first"}, good),
		"another key, same id":    jwttest.Sign(t, jose.RS256, jose.JSONWebKey{Key: other, KeyID: "first"}, good),
		"another kind, same id":   jwttest.Sign(t, jose.ES256, jose.JSONWebKey{Key: mine, KeyID: "first"}, good),
		"unknown id":              jwttest.Sign(t, jose.RS256, jose.JSONWebKey{Key: other, KeyID: "other"}, good),
		"id as a path":            jwttest.Sign(t, jose.RS256, jose.JSONWebKey{Key: other, KeyID: "../../dev/null"}, good),
		"no id":                   jwttest.Sign(t, jose.RS256, other, good),
		"other algorithm of key":  jwttest.Sign(t, jose.RS512, jose.JSONWebKey{Key: jwttest.RSA(t), KeyID: "first"}, good),
		"critical header":         raw(`{"alg":"RS256","kid":"first","crit":["x"],"x":1}`, []byte("x")),
		"no base64":               parts[0] + ".!!!." + parts[2],
		"payload is no object":    jwttest.Sign(t, jose.RS256, jose.JSONWebKey{Key: other, KeyID: "first"}, nil),
		"too long":                parts[0] + "." + parts[1] + "." + strings.Repeat("A", jwt.MaxToken),
		"four parts":              real + ".x",
		"JSON serialization":      `{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`,
		"empty":                   "",
		"address of keys":         raw(`{"alg":"RS256","kid":"evil","jku":"https://127.0.0.1:1/keys","x5u":"https://127.0.0.1:1/c"}`, []byte("x")),
		"signature of other text": parts[0] + "." + parts[1] + "." + base64.RawURLEncoding.EncodeToString([]byte(strings.Repeat("x", 256))),
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: mine, KeyID: "first"}},
		&jose.SignerOptions{EmbedJWK: true})
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	if all["its own key"], err = signed.CompactSerialize(); err != nil {
		t.Fatal(err)
	}
	return all
}

// wrong are claims that are signed, and still not good enough.
func wrong() map[string]map[string]any {
	now := time.Now()
	at := func(d time.Duration) int64 { return now.Add(d).Unix() }
	return map[string]map[string]any{
		"expired":               {"exp": at(-jwt.Leeway - time.Second), "iat": at(-time.Hour), "nbf": at(-time.Hour)},
		"not yet":               {"nbf": at(2 * time.Minute)},
		"issued later":          {"iat": at(2 * time.Minute)},
		"for ever":              {"exp": nil},
		"for a year":            {"exp": at(365 * 24 * time.Hour)},
		"for a year, undated":   {"exp": at(365 * 24 * time.Hour), "iat": nil, "nbf": nil},
		"exp as text":           {"exp": "99999999999"},
		"exp is null in JSON":   {"exp": json.RawMessage("null")},
		"exp beyond all":        {"exp": json.RawMessage("1e300")},
		"negative exp":          {"exp": -1},
		"another issuer":        {"iss": "https://127.0.0.1"},
		"no issuer":             {"iss": nil},
		"issuer as a list":      {"iss": []string{"https://127.0.0.1"}},
		"another audience":      {"aud": "https://registry.example.com.evil.test"},
		"audience with a glob":  {"aud": "*"},
		"audience's prefix":     {"aud": "https://registry.example"},
		"other audiences":       {"aud": []string{"https://a.test", "https://b.test"}},
		"no audience":           {"aud": nil},
		"audience in an object": {"aud": map[string]string{"x": audience}},
		"audience with others":  {"aud": []any{audience, 1}},
		"another repository":    {"sub": "repo:octo/application:ref:refs/heads/main"},
		"another owner":         {"sub": "repo:octo-evil/app:ref:refs/heads/main"},
		"prefix":                {"sub": "xrepo:octo/app:ref:refs/heads/main"},
		"a line before":         {"sub": "x\nrepo:octo/app:ref:refs/heads/main"},
		"no subject":            {"sub": nil},
		"subject in an object":  {"sub": map[string]string{"x": "repo:octo/app:ref:refs/heads/main"}},
		"subjects with objects": {"sub": []any{"repo:octo/app:x", map[string]string{}}},
		"other case":            {"sub": nil, "SUB": "repo:octo/app:ref:refs/heads/main"},
	}
}

// TestTokens takes tokens as GitHub makes them, and refuses every forged and every
// unfit one.
func TestTokens(t *testing.T) {
	t.Parallel()
	issuer := jwttest.Start(t)
	source := jwt.Source{Issuer: issuer.URL, CA: issuer.CA}
	keys := jwt.NewKeys(policy(t), time.Now)
	good := issuer.Sign(t, jwttest.GitHub(audience, nil))
	if err := check(t, keys, source, good, time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := check(t, keys, source, issuer.Sign(t, jwttest.GitHub(audience, map[string]any{"iat": nil, "nbf": nil})), time.Now()); err != nil {
		t.Errorf("undated: %v", err)
	}
	refuse := func(name, text string) {
		t.Helper()
		err := check(t, keys, source, text, time.Now())
		if !errors.Is(err, errdefs.ErrUnauthenticated) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, text := range forged(t, issuer) {
		refuse(name, text)
	}
	for name, claims := range wrong() {
		refuse(name, issuer.Sign(t, jwttest.GitHub(audience, claims)))
	}
	if n := issuer.Asked.Load(); n != 1 {
		t.Errorf("the issuer was asked %d times for its keys: unknown ids of strangers must not have it asked", n)
	}
}

// TestClocks moves this registry's clock: half a minute is forgiven, more is not.
func TestClocks(t *testing.T) {
	t.Parallel()
	issuer := jwttest.Start(t)
	source := jwt.Source{Issuer: issuer.URL, Set: issuer.Set()}
	keys := jwt.NewKeys(outbound.Policy{}, time.Now)
	text := issuer.Sign(t, jwttest.GitHub(audience, nil)) // good for five minutes
	for skew, good := range map[time.Duration]bool{
		0: true, -25 * time.Second: true, -35 * time.Second: false, 5*time.Minute + 20*time.Second: true,
		5*time.Minute + 35*time.Second: false, -time.Hour: false, time.Hour: false,
	} {
		if err := check(t, keys, source, text, time.Now().Add(skew)); (err == nil) != good {
			t.Errorf("with a clock of %s: %v", skew, err)
		}
	}
	if n := issuer.Asked.Load(); n != 0 {
		t.Errorf("given keys were asked for %d times", n)
	}
}

// TestRotation gives an issuer new keys: they are good at once, and old ones end.
func TestRotation(t *testing.T) {
	t.Parallel()
	issuer := jwttest.Start(t)
	source := jwt.Source{Issuer: issuer.URL, CA: issuer.CA}
	now := time.Now()
	keys := jwt.NewKeys(policy(t), func() time.Time { return now })
	sign := func() string { return issuer.Sign(t, jwttest.GitHub(audience, nil)) }
	verify := func(text string) error { _, err := keys.Verify(t.Context(), source, text); return err }
	old := sign()
	if err := verify(old); err != nil {
		t.Fatal(err)
	}
	var key crypto.Signer = jwttest.EC(t)
	issuer.Rotate(key, "second", true)
	now = now.Add(11 * time.Second)
	if err := errors.Join(verify(sign()), verify(old)); err != nil || issuer.Asked.Load() != 2 {
		t.Errorf("after a rotation: %v, asked %d times", err, issuer.Asked.Load())
	}
	issuer.Rotate(jwttest.EC(t), "third", false)
	if err := verify(sign()); !errors.Is(err, errdefs.ErrUnauthenticated) {
		t.Errorf("a key that came a moment after the last question: %v", err)
	}
	now = now.Add(11 * time.Second)
	if err := verify(sign()); err != nil {
		t.Error(err)
	}
	if err := verify(old); err == nil {
		t.Error("a key that the issuer has no more is still good")
	}
	down := func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusBadGateway)
		return true
	}
	issuer.Answer(down)
	now = now.Add(2 * time.Hour)
	if err := verify(sign()); err != nil {
		t.Errorf("with an issuer that is down for a while: %v", err)
	}
	now = now.Add(25 * time.Hour)
	if err := verify(sign()); !errors.Is(err, errdefs.ErrUnavailable) {
		t.Errorf("with keys of yesterday: %v", err)
	}
}

// TestIssuers has servers answer what no issuer should.
func TestIssuers(t *testing.T) {
	t.Parallel()
	issuer := jwttest.Start(t)
	source := jwt.Source{Issuer: issuer.URL, CA: issuer.CA}
	text := issuer.Sign(t, jwttest.GitHub(audience, nil))
	say := func(body string) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, r *http.Request) bool {
			_, _ = w.Write([]byte(strings.ReplaceAll(body, "%ISSUER%", issuer.URL)))
			return true
		}
	}
	for name, answer := range map[string]func(http.ResponseWriter, *http.Request) bool{
		"no JSON":          say("<html>"),
		"of somebody else": say(`{"issuer":"https://evil.test","jwks_uri":"%ISSUER%/keys"}`),
		"keys by HTTP":     say(`{"issuer":"%ISSUER%","jwks_uri":"http://127.0.0.1/keys"}`),
		"keys in a cloud":  say(`{"issuer":"%ISSUER%","jwks_uri":"https://169.254.169.254/keys"}`),
		"keys in a file":   say(`{"issuer":"%ISSUER%","jwks_uri":"file:///etc/passwd"}`),
		"endless":          func(w http.ResponseWriter, _ *http.Request) bool { _, _ = w.Write(make([]byte, 400<<10)); return true },
		"moved": func(w http.ResponseWriter, r *http.Request) bool {
			http.Redirect(w, r, "https://127.0.0.1:1/", http.StatusFound)
			return true
		},
		"weak keys": func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path != "/keys" {
				return false
			}
			_, _ = w.Write([]byte(`{"keys":[{"kty":"oct","kid":"first","k":"c2VjcmV0"},{"kty":"RSA","kid":"first","n":"AQAB","e":"AQAB"},{"kty":"x"}]}`))
			return true
		},
	} {
		issuer.Answer(answer)
		_, err := jwt.NewKeys(policy(t), time.Now).Verify(t.Context(), source, text)
		if err == nil || errors.Is(err, errdefs.ErrUnauthenticated) {
			t.Errorf("%s: %v", name, err)
		}
	}
	issuer.Answer(nil)
	if _, err := jwt.NewKeys(policy(t), time.Now).Verify(t.Context(), jwt.Source{Issuer: issuer.URL}, text); !errors.Is(err, errdefs.ErrUnavailable) {
		t.Errorf("with a certificate that nobody vouches for: %v", err)
	}
	if _, err := jwt.NewKeys(outbound.Policy{}, time.Now).Verify(t.Context(), source, text); err == nil || issuer.Asked.Load() != 0 {
		t.Errorf("an address that is not allowed: %v", err)
	}
}
