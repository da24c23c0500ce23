package wire

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"cove/distribution/errcode"
	"cove/errdefs"
)

// explain says of an error below HTTP, or of the token service, which registry
// it is about and what to do. Errors it has explained already, and those of
// the context, pass unchanged.
func explain(b Base, err error) error {
	var known *errcode.Error
	switch {
	case err == nil, errors.As(err, &known), isExplained(err):
		return err
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	}
	// url.Error would repeat the URL, and an upload's URL may be a secret.
	var ue *url.Error
	if errors.As(err, &ue) {
		err = ue.Err
	}
	for _, of := range []func(Base, error) error{ofCertificate, ofTokenService, ofNetwork} {
		if out := of(b, err); out != nil {
			return &explained{out}
		}
	}
	return &explained{errdefs.Errorf(errdefs.ErrUnavailable, "registry %s: %w", b.Host, err)}
}

// explained marks an error that explain has seen.
type explained struct{ error }

func (e *explained) Unwrap() error { return e.error }

func isExplained(err error) bool {
	var e *explained
	return errors.As(err, &e)
}

func isCertificate(err error) bool {
	return ofCertificate(Base{}, err) != nil
}

// ofCertificate names what is wrong with the certificate and the way out.
// Trying again does not help, so none of these is ErrUnavailable.
func ofCertificate(b Base, err error) error {
	var (
		name      x509.HostnameError
		authority x509.UnknownAuthorityError
		invalid   x509.CertificateInvalidError
		op        *net.OpError
		what      string
	)
	switch {
	case errors.As(err, &name):
		what = wrongName(name, hostname(b.Addr))
	case errors.As(err, &authority):
		what = fmt.Sprintf("its certificate is signed by an authority that this machine does not know%s; "+
			"if it is yours, put the CA's certificate at /etc/docker/certs.d/%s/ca.crt", signedBy(authority.Cert), b.Host)
	case errors.As(err, &invalid):
		what = invalidity(invalid)
	case errors.As(err, &op) && op.Op == "remote error": // how crypto/tls words an alert of the peer
		what = fmt.Sprintf("it refused our side of TLS (%v); if it asks for client certificates, "+
			"put client.cert and client.key in /etc/docker/certs.d/%s/", op.Err, b.Host)
	default:
		return nil
	}
	return &badCertificate{text: fmt.Sprintf("registry %s: %s", b.Host, what), err: err}
}

// badCertificate says what crypto/x509's own words, which would follow ours,
// only repeat.
type badCertificate struct {
	text string
	err  error
}

func (e *badCertificate) Error() string   { return e.text }
func (e *badCertificate) Unwrap() []error { return []error{errdefs.ErrInvalid, e.err} }

func wrongName(e x509.HostnameError, host string) string {
	var names []string
	names = append(names, e.Certificate.DNSNames...)
	for _, ip := range e.Certificate.IPAddresses {
		names = append(names, ip.String())
	}
	if len(names) == 0 {
		return fmt.Sprintf("its certificate has no subject alternative names at all (its common name %q does not count); issue one for %s",
			e.Certificate.Subject.CommonName, host)
	}
	return fmt.Sprintf("its certificate is valid for %s, not for %s; use one of these names, or issue the certificate anew with this name too",
		strings.Join(names, ", "), host)
}

func signedBy(cert *x509.Certificate) string {
	if cert == nil || cert.Issuer.CommonName == "" {
		return ""
	}
	return fmt.Sprintf(" (%q)", cert.Issuer.CommonName)
}

func invalidity(e x509.CertificateInvalidError) string {
	if e.Reason != x509.Expired {
		return "its certificate is not valid"
	}
	if before := e.Cert.NotBefore; before.After(time.Now()) {
		return "its certificate is valid only from " + before.Format(time.RFC3339) + " on; is this machine's clock right?"
	}
	return "its certificate expired on " + e.Cert.NotAfter.Format(time.RFC3339) + "; it has to be renewed on the registry (is this machine's clock right?)"
}

// ofTokenService turns go-containerregistry's error into ours.
func ofTokenService(b Base, err error) error {
	var te *transport.Error
	if !errors.As(err, &te) {
		return nil
	}
	if te.StatusCode == http.StatusUnauthorized {
		return &errcode.Error{
			Code: errcode.Unauthorized, Host: b.Host, Status: te.StatusCode, Kind: errdefs.ErrUnauthenticated,
			Message: "no sign-in, or a wrong user name or password; sign in with login " + b.Host,
		}
	}
	e := &errcode.Error{Host: b.Host, Status: te.StatusCode, Kind: errdefs.ErrUnavailable, Message: "its token service failed"}
	switch {
	case te.StatusCode == http.StatusForbidden:
		e.Kind = errdefs.ErrDenied
	case te.StatusCode < 500 && te.StatusCode != http.StatusTooManyRequests:
		e.Kind = errdefs.ErrInvalid
	}
	if len(te.Errors) > 0 {
		e.Message = "its token service says: " + te.Errors[0].Message
	}
	return e
}

func ofNetwork(b Base, err error) error {
	var dns *net.DNSError
	var op *net.OpError
	var record tls.RecordHeaderError
	switch {
	case errors.Is(err, http.ErrSchemeMismatch), errors.As(err, &record):
		return errdefs.Suggest(errdefs.Errorf(errdefs.ErrInvalid,
			"registry %s speaks plain HTTP, not HTTPS: give it a certificate", b.Host), errdefs.PlainHTTP, b.Host)
	case errors.As(err, &dns):
		return errdefs.Errorf(errdefs.ErrUnavailable, "registry %s: no such host (%w); check the name, /etc/hosts and DNS", b.Host, err)
	case errors.Is(err, syscall.ECONNREFUSED):
		return errdefs.Errorf(errdefs.ErrUnavailable, "registry %s: connection refused: is it running, and is the port right? (%w)", b.Host, err)
	case errors.As(err, &op) && op.Timeout():
		return errdefs.Errorf(errdefs.ErrUnavailable, "registry %s: no answer in time; is it reachable from here, or only through a proxy? (%w)", b.Host, err)
	}
	return nil
}

// Explain names the registry in an error from reading one of its answers.
func (p *Peer) Explain(err error) error { return explain(p.Base, err) }
