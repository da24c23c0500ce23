package jwt

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"cove/errdefs"
	"cove/registry/outbound"
)

const (
	// refresh is how old keys become before their issuer is asked again.
	refresh = time.Hour
	// stale is how old they become while it does not answer.
	stale = 24 * time.Hour
	// patience is how long an issuer is left alone after it was asked: a stranger's
	// token with an unknown key must not make this registry ask again and again.
	patience = 10 * time.Second

	maxDocument = 256 << 10
	maxKeys     = 100
	maxSources  = 1024
)

// Source is where the keys of an issuer come from.
type Source struct {
	// Issuer is as tokens have it in iss.
	Issuer string
	// CA has certificates in PEM to believe the issuer's server by, instead of the
	// system's; "" is the system's.
	CA string
	// Set is the issuer's JSON Web Key Set (RFC 7517, 5) itself; nobody is asked then.
	Set string
}

// Check refuses a source that cannot be, with errdefs.ErrInvalid.
func (s Source) Check(policy outbound.Policy) error {
	if !strings.HasPrefix(s.Issuer, "https://") || strings.ContainsAny(s.Issuer, "?#") {
		return errdefs.Errorf(errdefs.ErrInvalid, "issuer %.200q: give it as its tokens do, https://…", s.Issuer)
	}
	if s.Set != "" {
		if len(s.Set) > maxDocument {
			return errdefs.Errorf(errdefs.ErrInvalid, "the keys are %d bytes long; at most %d", len(s.Set), maxDocument)
		}
		_, err := parse([]byte(s.Set))
		return err
	}
	if _, err := s.roots(); err != nil {
		return err
	}
	return policy.Check(s.Issuer)
}

// roots are the authorities of CA; nil are the system's.
func (s Source) roots() (*x509.CertPool, error) {
	if s.CA == "" {
		return nil, nil //nolint:nilnil // as crypto/tls has it
	}
	pool := x509.NewCertPool()
	if len(s.CA) > maxDocument || !pool.AppendCertsFromPEM([]byte(s.CA)) {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "the issuer's authority: no certificate in PEM")
	}
	return pool, nil
}

// Keys finds and remembers the keys of issuers. It is safe for concurrent use.
type Keys struct {
	policy outbound.Policy
	now    func() time.Time

	mu   sync.Mutex
	sets map[Source]*set
}

// NewKeys returns Keys that ask where the policy allows it.
func NewKeys(policy outbound.Policy, now func() time.Time) *Keys {
	return &Keys{policy: policy, now: now, sets: map[Source]*set{}}
}

// set are the keys of one source.
type set struct {
	turn chan struct{} // held by who asks

	mu             sync.Mutex
	keys           []jose.JSONWebKey
	fetched, tried time.Time
	why            error // of the last try; nil if it did
}

func (k *Keys) set(source Source) *set {
	k.mu.Lock()
	defer k.mu.Unlock()
	s, ok := k.sets[source]
	if !ok {
		if len(k.sets) >= maxSources {
			clear(k.sets)
		}
		s = &set{turn: make(chan struct{}, 1)}
		k.sets[source] = s
	}
	return s
}

// find returns the keys by which a token with this key id may be signed; an id that is
// not known has the issuer asked, who may have new ones.
func (k *Keys) find(ctx context.Context, source Source, id string) ([]jose.JSONWebKey, error) {
	if source.Set != "" {
		keys, err := parse([]byte(source.Set))
		return choose(keys, id), err
	}
	s := k.set(source)
	keys, ask, err := s.look(k.now(), id)
	if !ask {
		return keys, err
	}
	select { // one asks, and the others wait for its answer
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if keys, ask, err = s.look(k.now(), id); !ask {
		return keys, err
	}
	found, err := k.fetch(context.WithoutCancel(ctx), source)
	s.keep(k.now(), found, err)
	keys, _, err = s.look(k.now(), id)
	return keys, err
}

// look is what is known; ask says that the issuer should be asked first.
func (s *set) look(now time.Time, id string) (keys []jose.JSONWebKey, ask bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	age := now.Sub(s.fetched)
	known := choose(s.keys, id)
	if len(known) > 0 && age < refresh {
		return known, false, nil
	}
	if now.Sub(s.tried) >= patience {
		return nil, true, nil
	}
	if s.why != nil && (len(known) == 0 || age >= stale) {
		return nil, false, s.why
	}
	return known, false, nil
}

func (s *set) keep(now time.Time, found []jose.JSONWebKey, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tried, s.why = now, err
	if err == nil {
		s.keys, s.fetched = found, now
	}
}

// choose are the keys of an id. A token without one is by the only key there is.
func choose(keys []jose.JSONWebKey, id string) (chosen []jose.JSONWebKey) {
	if id == "" && len(keys) == 1 {
		return keys
	}
	for _, key := range keys {
		if id != "" && key.KeyID == id {
			chosen = append(chosen, key)
		}
	}
	return chosen
}

// fetch asks an issuer for its keys.
func (k *Keys) fetch(ctx context.Context, source Source) ([]jose.JSONWebKey, error) {
	roots, err := source.roots()
	if err != nil {
		return nil, err
	}
	client := k.policy.Client(outbound.Options{Roots: roots})
	defer client.CloseIdleConnections()
	var found struct {
		Issuer string `json:"issuer"`
		Keys   string `json:"jwks_uri"`
	}
	text, err := k.get(ctx, client, strings.TrimSuffix(source.Issuer, "/")+"/.well-known/openid-configuration")
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &found); err != nil || found.Issuer != source.Issuer { // Discovery 1.0, 4.3
		return nil, errdefs.Errorf(errdefs.ErrUnavailable, "the issuer %s: its discovery document is of %.200q",
			source.Issuer, found.Issuer)
	}
	if !strings.HasPrefix(found.Keys, "https://") {
		return nil, errdefs.Errorf(errdefs.ErrUnavailable, "the issuer %s: its keys are not at https://…",
			source.Issuer)
	}
	if text, err = k.get(ctx, client, found.Keys); err != nil {
		return nil, err
	}
	keys, err := parse(text)
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrUnavailable, "the issuer %s: %w", source.Issuer, err)
	}
	return keys, nil
}

func (k *Keys) get(ctx context.Context, client *http.Client, address string) ([]byte, error) {
	if err := k.policy.Check(address); err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "%w", err)
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrUnavailable, "asking for the issuer's keys: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxDocument+1))
	_ = resp.Body.Close() // it was read
	switch {
	case err != nil:
		return nil, errdefs.Errorf(errdefs.ErrUnavailable, "reading %s: %w", address, err)
	case resp.StatusCode != http.StatusOK:
		return nil, errdefs.Errorf(errdefs.ErrUnavailable, "%s answers %s", address, resp.Status)
	case len(text) > maxDocument:
		return nil, errdefs.Errorf(errdefs.ErrUnavailable, "%s answers more than %d bytes", address, maxDocument)
	}
	return text, nil
}

// parse reads a key set. Keys that cannot check a signature of ours are left out, and
// so are those that are no public ones.
func parse(text []byte) (keys []jose.JSONWebKey, err error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(text, &set); err != nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "the keys are no JSON Web Key Set: %w", err)
	}
	if len(set.Keys) > maxKeys {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "the key set has %d keys; at most %d", len(set.Keys), maxKeys)
	}
	for _, raw := range set.Keys {
		var key jose.JSONWebKey
		if key.UnmarshalJSON(raw) == nil && usable(key) {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "the key set has no public key for signatures")
	}
	return keys, nil
}

func usable(key jose.JSONWebKey) bool {
	if key.Use != "" && key.Use != "sig" {
		return false
	}
	switch public := key.Key.(type) {
	case *rsa.PublicKey:
		return public.N.BitLen() >= 2048 && public.N.BitLen() <= 8192 // RFC 7518, 3.3; longer ones cost too much
	case *ecdsa.PublicKey, ed25519.PublicKey:
		return true
	}
	return false
}
