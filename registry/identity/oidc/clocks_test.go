package oidc

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"cove/errdefs"
)

// TestClocks has providers whose clocks differ from this registry's by as much as is
// forgiven, and by more, in every claim that has a time; and tokens for other clients.
func TestClocks(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 29, 1, 0, 0, 0, time.UTC)
	p, err := New(Config{Issuer: "https://id.example", ClientID: "cove", Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	verifier := oidc.NewVerifier("https://id.example", nil, &oidc.Config{
		ClientID: "cove", SkipExpiryCheck: true, InsecureSkipSignatureCheck: true,
	})
	at := func(d time.Duration) int64 { return now.Add(d).Unix() }
	const in, out = Leeway - time.Second, Leeway + time.Second
	for _, tc := range []struct {
		name   string
		claims map[string]any
		good   bool
	}{
		{"by the same clock", nil, true},
		{"issued a little later", map[string]any{"iat": at(in)}, true},
		{"issued later", map[string]any{"iat": at(out)}, false},
		{"issued in an hour", map[string]any{"iat": at(time.Hour)}, false},
		{"not before a little later", map[string]any{"nbf": at(in)}, true},
		{"not before later", map[string]any{"nbf": at(out)}, false},
		{"not before four minutes later", map[string]any{"nbf": at(4 * time.Minute)}, false},
		{"not before, as a fraction", map[string]any{"nbf": float64(at(-time.Second)) + 0.5}, true},
		{"expired a little ago", map[string]any{"exp": at(-in)}, true},
		{"expired", map[string]any{"exp": at(-out)}, false},
		{"expired an hour ago", map[string]any{"exp": at(-time.Hour)}, false},
		{"without an end", map[string]any{"exp": nil}, false},
		{"without a beginning", map[string]any{"iat": nil}, true},
		{"for this client among others", map[string]any{"aud": []string{"other", "cove"}, "azp": "cove"}, true},
		{"for another client, for whom this one is an audience", map[string]any{"aud": []string{"other", "cove"}, "azp": "other"}, false},
	} {
		claims := map[string]any{"iss": "https://id.example", "aud": "cove", "sub": "1", "iat": at(0), "exp": at(5 * time.Minute)}
		for name, value := range tc.claims {
			if claims[name] = value; value == nil {
				delete(claims, name)
			}
		}
		body, err := json.Marshal(claims)
		if err != nil {
			t.Fatal(err)
		}
		part := base64.RawURLEncoding.EncodeToString
		id, err := verifier.Verify(t.Context(), part([]byte(`{"alg":"RS256"}`))+"."+part(body)+"."+part([]byte("x")))
		if err != nil {
			t.Fatalf("%s: %v", tc.name, err)
		}
		if err := p.check(id); (err == nil) != tc.good || err != nil && !errors.Is(err, errdefs.ErrUnauthenticated) {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}
