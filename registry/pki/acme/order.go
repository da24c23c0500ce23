package acme

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path"
	"time"

	"golang.org/x/crypto/acme"

	"cove/errdefs"
	"cove/internal/atomicfile"
	"cove/registry/pki"
)

// orderTimeout bounds the whole of an order: authorities take seconds.
const orderTimeout = 5 * time.Minute

// The challenges that are answered (RFC 8555, section 8.3; RFC 8737).
const (
	byHTTP = "http-01"
	byALPN = "tls-alpn-01"
)

// obtain gets a certificate for a host, keeps and presents it. Every other try after
// a failure is by the other challenge, where there are two.
func (m *Manager) obtain(ctx context.Context, host string, failures int) error {
	ctx, cancel := context.WithTimeout(ctx, orderTimeout)
	defer cancel()
	client, err := m.account(ctx)
	if err != nil {
		return err
	}
	order, err := client.AuthorizeOrder(ctx, acme.DomainIDs(host))
	if err != nil {
		return m.explain(host, "", err)
	}
	kinds := []string{byALPN}
	if m.opts.HTTP {
		kinds = []string{byHTTP, byALPN}
		if failures%2 == 1 {
			kinds = []string{byALPN, byHTTP}
		}
	}
	for _, at := range order.AuthzURLs {
		if kind, err := m.prove(ctx, client, at, kinds); err != nil {
			return m.explain(host, kind, err)
		}
	}
	if _, err = client.WaitOrder(ctx, order.URI); err != nil {
		return m.explain(host, "", err)
	}
	pair, err := finish(ctx, client, order, host)
	if err != nil {
		return m.explain(host, "", err)
	}
	if err := m.keep(host, pair); err != nil {
		return err
	}
	m.opts.Log.InfoContext(ctx, "the authority issued a certificate", "host", host, "authority", m.opts.Directory,
		"issuer", pair.Cert.Issuer.CommonName, "until", pair.Cert.NotAfter.UTC().Format(time.RFC3339))
	return nil
}

// prove shows that the host is this server's. It returns the challenge that it used.
func (m *Manager) prove(ctx context.Context, client *acme.Client, at string, kinds []string) (kind string, err error) {
	z, err := client.GetAuthorization(ctx, at)
	if err != nil || z.Status == acme.StatusValid {
		return "", err
	}
	var offered []string
	for _, c := range z.Challenges {
		offered = append(offered, c.Type)
	}
	for _, kind := range kinds {
		for _, c := range z.Challenges {
			if c.Type != kind {
				continue
			}
			withdraw, err := m.answer(client, z.Identifier.Value, c)
			if err != nil {
				return kind, err
			}
			defer withdraw()
			if _, err := client.Accept(ctx, c); err != nil {
				return kind, err
			}
			_, err = client.WaitAuthorization(ctx, z.URI)
			return kind, err
		}
	}
	return "", errdefs.Errorf(errdefs.ErrUnsupported,
		"the authority offers %v, and of those none is answered here (%v; http-01 needs redirect: :80)", offered, kinds)
}

// answer puts what the authority asks for where it looks.
func (m *Manager) answer(client *acme.Client, host string, c *acme.Challenge) (withdraw func(), err error) {
	if c.Type == byHTTP {
		at := client.HTTP01ChallengePath(c.Token)
		page, err := client.HTTP01ChallengeResponse(c.Token)
		if err != nil {
			return nil, err
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		m.pages[at] = page
		return func() {
			m.mu.Lock()
			defer m.mu.Unlock()
			delete(m.pages, at)
		}, nil
	}
	proof, err := client.TLSALPN01ChallengeCert(c.Token, host)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.proofs[host] = &proof
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.proofs, host)
	}, nil
}

// finish has the certificate issued, with a new key.
func finish(ctx context.Context, client *acme.Client, order *acme.Order, host string) (*pki.Pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	request, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: []string{host}}, key)
	if err != nil {
		return nil, err
	}
	chain, err := fetch(ctx, client, order, request)
	if err != nil {
		return nil, err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	var certPEM []byte
	for _, der := range chain {
		certPEM = append(certPEM, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	return pki.ParsePair(certPEM, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}))
}

// fetch sends the request and waits for the certificate. An authority that takes its
// time need not say again where the order is (RFC 8555, section 7.4), and the library
// knows no other place then.
func fetch(ctx context.Context, client *acme.Client, order *acme.Order, request []byte) ([][]byte, error) {
	chain, _, err := client.CreateOrderCert(ctx, order.FinalizeURL, request, true)
	var nowhere *url.Error
	if !errors.As(err, &nowhere) || nowhere.URL != "" {
		return chain, err
	}
	done, err := client.WaitOrder(ctx, order.URI)
	if err != nil {
		return nil, err
	}
	return client.FetchCert(ctx, done.CertURL, true)
}

// account is a client with this registry's account at the authority, which is made
// the first time.
func (m *Manager) account(ctx context.Context) (*acme.Client, error) {
	key, err := m.accountKey()
	if err != nil {
		return nil, err
	}
	transport, err := m.transport()
	if err != nil {
		return nil, err
	}
	client := &acme.Client{
		Key: key, DirectoryURL: m.opts.Directory, UserAgent: m.opts.Agent,
		HTTPClient: &http.Client{
			Transport: transport, Timeout: time.Minute,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	account := &acme.Account{}
	if m.opts.Email != "" {
		account.Contact = []string{"mailto:" + m.opts.Email}
	}
	if m.opts.KeyID != "" {
		bound, err := m.opts.boundKey()
		if err != nil {
			return nil, err
		}
		account.ExternalAccountBinding = &acme.ExternalAccountBinding{KID: m.opts.KeyID, Key: bound}
	}
	_, err = client.Register(ctx, account, acme.AcceptTOS)
	if err != nil && !errors.Is(err, acme.ErrAccountAlreadyExists) {
		return nil, m.explain("", "", err)
	}
	return client, nil
}

// transport trusts the machine's authorities, and those of CAFile.
func (m *Manager) transport() (http.RoundTripper, error) {
	t := http.DefaultTransport.(*http.Transport).Clone()
	if m.opts.CAFile == "" {
		return t, nil
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	text, err := os.ReadFile(m.opts.CAFile)
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "acme: ca_file: %w", err)
	}
	if !pool.AppendCertsFromPEM(text) {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "acme: ca_file %s holds no certificate as PEM", m.opts.CAFile)
	}
	t.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	return t, nil
}

// accountKey is the key of the account, made the first time.
func (m *Manager) accountKey() (crypto.Signer, error) {
	const name = "account.key"
	at := path.Join(m.dir, name)
	text, err := m.opts.Root.ReadFile(at)
	if err == nil {
		block, _ := pem.Decode(text)
		if block == nil {
			return nil, errdefs.Errorf(errdefs.ErrCorrupt,
				"acme: %s holds no key; remove it, and a new account is made", at)
		}
		key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("acme: %s: %w", at, err)
		}
		signer, ok := key.(crypto.Signer)
		if !ok {
			return nil, errdefs.Errorf(errdefs.ErrCorrupt, "acme: %s holds no key that signs", at)
		}
		return signer, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	text = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	return key, atomicfile.Write(m.opts.Root, at, text, 0o600, atomicfile.Durable)
}
