package pki

import (
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"time"

	"cove/internal/atomicfile"
)

// The files of the registry's tls folder.
const (
	AuthorityCert = "ca.crt"
	AuthorityKey  = "ca.key"
	ServerCert    = "server.crt"
	ServerKey     = "server.key"
)

// Ensured says what Ensure found or made.
type Ensured struct {
	Authority, Server   *Pair
	NewAuthority, Issue bool
	// Reason is why the server certificate was issued, "" when it was kept.
	Reason string
}

// Ensure makes sure that dir holds an authority and a server certificate of it
// that is valid for the names and not about to expire. An authority that is
// there is kept, so clients that trust it go on doing so.
func Ensure(dir *os.Root, names Names, now time.Time) (*Ensured, error) {
	var e Ensured
	var err error
	e.Authority, e.NewAuthority, err = EnsureAuthority(dir, now)
	if err != nil {
		return nil, err
	}
	server, reason := readServer(dir, e.Authority, names, now)
	if reason == "" {
		e.Server = server
		return &e, nil
	}
	if e.Authority.Key == nil {
		return nil, fmt.Errorf("tls/%s: %s, and a new one cannot be issued without tls/%s", ServerCert, reason,
			AuthorityKey)
	}
	e.Issue, e.Reason = true, reason
	if e.Server, err = e.Authority.Issue(names, now); err != nil {
		return nil, err
	}
	// The key first: a kill in between leaves a pair that does not match,
	// which the next start sees and issues again.
	if err := atomicfile.Write(dir, ServerKey, e.Server.KeyPEM, 0o600, atomicfile.Durable); err != nil {
		return nil, err
	}
	return &e, atomicfile.Write(dir, ServerCert, e.Server.CertPEM, 0o644, atomicfile.Durable)
}

// EnsureAuthority reads the authority of a folder and makes it if there is
// none. The key may be kept elsewhere: then Key is nil and nothing can be
// issued.
func EnsureAuthority(dir *os.Root, now time.Time) (ca *Pair, made bool, err error) {
	certPEM, errCert := dir.ReadFile(AuthorityCert)
	keyPEM, errKey := dir.ReadFile(AuthorityKey)
	switch {
	case errors.Is(errCert, os.ErrNotExist):
		// Also when only a key is left: it signed nothing that anyone trusts.
		return makeAuthority(dir, now)
	case errCert != nil:
		return nil, false, errCert
	case errors.Is(errKey, os.ErrNotExist):
		certs, err := ParseCertificates(certPEM)
		if err != nil {
			return nil, false, fmt.Errorf("tls/%s: %w", AuthorityCert, err)
		}
		return &Pair{Cert: certs[0], CertPEM: certPEM}, false, nil
	case errKey != nil:
		return nil, false, errKey
	}
	if ca, err = ParsePair(certPEM, keyPEM); err != nil {
		return nil, false, fmt.Errorf("tls/%s and tls/%s: %w", AuthorityCert, AuthorityKey, err)
	}
	return ca, false, nil
}

func makeAuthority(dir *os.Root, now time.Time) (*Pair, bool, error) {
	name := "cove registry CA"
	if host, err := os.Hostname(); err == nil {
		name = "cove registry CA " + host
	}
	if len(name) > 64 {
		name = name[:64]
	}
	ca, err := NewAuthority(name, now)
	if err != nil {
		return nil, false, err
	}
	if err := atomicfile.Write(dir, AuthorityKey, ca.KeyPEM, 0o600, atomicfile.Durable); err != nil {
		return nil, false, err
	}
	return ca, true, atomicfile.Write(dir, AuthorityCert, ca.CertPEM, 0o644, atomicfile.Durable)
}

// readServer reads the server's pair, or says why a new one is needed.
func readServer(dir *os.Root, ca *Pair, names Names, now time.Time) (*Pair, string) {
	certPEM, errCert := dir.ReadFile(ServerCert)
	keyPEM, errKey := dir.ReadFile(ServerKey)
	if errCert != nil || errKey != nil {
		return nil, "there is no server certificate yet"
	}
	p, err := ParsePair(certPEM, keyPEM)
	if err != nil {
		return nil, err.Error()
	}
	roots := x509.NewCertPool()
	roots.AddCert(ca.Cert)
	_, err = p.Cert.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: now})
	switch {
	case now.After(p.Cert.NotAfter):
		return nil, "the server certificate has expired"
	case now.After(p.Cert.NotAfter.Add(-renewBefore)):
		return nil, "the server certificate expires on " + p.Cert.NotAfter.Format(time.DateOnly)
	case err != nil:
		return nil, "the server certificate is not one of tls/" + AuthorityCert
	case !names.coveredBy(p.Cert):
		return nil, "the server certificate does not list every name"
	}
	return p, ""
}
