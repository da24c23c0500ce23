// Package jwttest runs issuers of tokens for tests, as CI systems and Kubernetes are: a
// server with a discovery document and keys, and tokens with the claims that these have.
package jwttest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Issuer is one that runs.
type Issuer struct {
	URL string
	CA  string // of its server, in PEM
	// Asked counts the questions for keys.
	Asked atomic.Int32

	mu      sync.Mutex
	key     crypto.Signer
	id      string
	retired []jose.JSONWebKey
	answer  func(w http.ResponseWriter, r *http.Request) bool
}

// rsaKey is made once: it takes a while.
var rsaKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

// RSA is a key of 2048 bits, the same in all of a test binary.
func RSA(t testing.TB) *rsa.PrivateKey {
	t.Helper()
	key, err := rsaKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// EC is a new key of the curve P-256.
func EC(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// Start runs an issuer that signs with an RSA key, as the three do.
func Start(t testing.TB) *Issuer {
	t.Helper()
	i := &Issuer{key: RSA(t), id: "first"}
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{"issuer": i.URL, "jwks_uri": i.URL + "/keys"})
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		i.Asked.Add(1)
		_, _ = w.Write([]byte(i.Set()))
	})
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i.mu.Lock()
		answer := i.answer
		i.mu.Unlock()
		if answer == nil || !answer(w, r) {
			mux.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(server.Close)
	i.URL = server.URL
	i.CA = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	return i
}

// Answer has f answer from now on what it returns true for; nil is nobody.
func (i *Issuer) Answer(f func(w http.ResponseWriter, r *http.Request) bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.answer = f
}

// Rotate has the issuer sign with another key from now on; the one before stays among
// its keys if keep says so.
func (i *Issuer) Rotate(key crypto.Signer, id string, keep bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.retired = nil
	if keep {
		i.retired = append(i.retired, jose.JSONWebKey{Key: i.key.Public(), KeyID: i.id, Use: "sig"})
	}
	i.key, i.id = key, id
}

// Set is the issuer's key set.
func (i *Issuer) Set() string {
	i.mu.Lock()
	defer i.mu.Unlock()
	keys := append([]jose.JSONWebKey{{Key: i.key.Public(), KeyID: i.id, Use: "sig", Algorithm: string(i.algorithm())}}, i.retired...)
	text, err := json.Marshal(jose.JSONWebKeySet{Keys: keys})
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func (i *Issuer) algorithm() jose.SignatureAlgorithm {
	if _, ok := i.key.(*rsa.PrivateKey); ok {
		return jose.RS256
	}
	return jose.ES256
}

// Sign signs claims as the issuer does: iss, iat, nbf and exp are added where they are
// missing, and a claim that is nil is left out.
func (i *Issuer) Sign(t testing.TB, claims map[string]any) string {
	t.Helper()
	i.mu.Lock()
	defer i.mu.Unlock()
	return Sign(t, i.algorithm(), jose.JSONWebKey{Key: i.key, KeyID: i.id}, i.full(claims))
}

func (i *Issuer) full(claims map[string]any) map[string]any {
	now := time.Now()
	all := map[string]any{"iss": i.URL, "iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(5 * time.Minute).Unix()}
	for name, value := range claims {
		all[name] = value
		if value == nil {
			delete(all, name)
		}
	}
	return all
}

// Full are claims as Sign signs them.
func (i *Issuer) Full(claims map[string]any) map[string]any { return i.full(claims) }

// Sign signs claims with any key.
func Sign(t testing.TB, algorithm jose.SignatureAlgorithm, key any, claims map[string]any) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: key}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(text)
	if err != nil {
		t.Fatal(err)
	}
	compact, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return compact
}
