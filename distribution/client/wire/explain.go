package wire

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"cove/distribution/client/hosts"
	"cove/distribution/errcode"
	"cove/errdefs"
)

// explain says of an error below HTTP, or of the token service, which registry
// it is about and what to do. Errors it has explained already, and those of
// the context, pass unchanged.
func explain(b hosts.Base, err error) error {
	var known *errcode.Error
	var op *net.OpError
	switch {
	case err == nil, errors.As(err, &known), isExplained(err):
		return err
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded) && !errors.As(err, &op):
		return err
	}
	at := place{b, b.Addr}
	// url.Error would repeat the URL, and an upload's URL may be a secret.
	var ue *url.Error
	if errors.As(err, &ue) {
		if u, perr := url.Parse(ue.URL); perr == nil && u.Host != "" {
			at.addr = u.Host
		}
		err = ue.Err
	}
	for _, of := range []func(place, error) error{ofCertificate, ofTokenService, ofNetwork} {
		if out := of(at, err); out != nil {
			return &explained{out}
		}
	}
	var syntax *json.SyntaxError
	switch {
	case errdefs.KindOf(err) != nil:
		return &explained{fmt.Errorf("%s: %w", at, err)}
	case errors.As(err, &syntax): // of its token service: all else that is read has an error of its own
		return &explained{errdefs.Errorf(errdefs.ErrInvalid,
			"%s: what it answered instead of a token is no JSON (%w); is there a proxy or a sign-in page before it?", at, err)}
	case cutOff(err):
		return &explained{errdefs.Errorf(errdefs.ErrUnavailable, "%s: it cut the connection (%w)", at, err)}
	}
	return &explained{errdefs.Errorf(errdefs.ErrInvalid, "%s: %w", at, err)}
}

// place is where something went wrong: at a registry, or where it sent us.
type place struct {
	hosts.Base
	addr string
}

func (p place) String() string {
	if p.addr == p.Addr {
		return "registry " + p.Host
	}
	return "registry " + p.Host + ": at " + p.addr + ", where it sends us"
}

// host is the place as people and folders of certificates call it.
func (p place) host() string {
	if p.addr == p.Addr {
		return p.Host
	}
	return p.addr
}

// explained marks an error that explain has seen.
type explained struct{ error }

func (e *explained) Unwrap() error { return e.error }

func isExplained(err error) bool {
	var e *explained
	return errors.As(err, &e)
}

func isCertificate(err error) bool {
	return ofCertificate(place{}, err) != nil
}

// ofCertificate names what is wrong with the certificate and the way out.
// Trying again does not help, so none of these is ErrUnavailable.
func ofCertificate(at place, err error) error {
	var (
		name      x509.HostnameError
		authority x509.UnknownAuthorityError
		invalid   x509.CertificateInvalidError
		op        *net.OpError
		what      string
	)
	switch {
	case errors.As(err, &name):
		what = wrongName(name, hosts.Name(at.addr))
	case errors.As(err, &authority):
		what = fmt.Sprintf("its certificate is signed by an authority that this machine does not know%s; "+
			"if it is yours, put the CA's certificate at %s/%s/ca.crt", signedBy(authority.Cert),
			hosts.CertsDirToFill(), certsName(at.host()))
	case errors.As(err, &invalid):
		what = invalidity(invalid)
	case errors.As(err, &op) && op.Op == "remote error": // how crypto/tls words an alert of the peer
		what = refusal(op.Err, certsName(at.host()))
	default:
		return nil
	}
	return &badCertificate{text: fmt.Sprintf("%s: %s", at, what), err: err}
}

// certificateAlerts are those by which a server says that it misses or dislikes
// our certificate (RFC 8446, section 6.2): bad_certificate, certificate_unknown,
// unknown_ca, access_denied, certificate_required.
var certificateAlerts = []tls.AlertError{42, 46, 48, 49, 116}

// refusal is what a server's TLS alert means. crypto/tls keeps its type to
// itself, so that it is known by its text.
func refusal(alert error, host string) string {
	if slices.ContainsFunc(certificateAlerts, func(a tls.AlertError) bool { return a.Error() == alert.Error() }) {
		return fmt.Sprintf("it refused our side of TLS (%v); if it asks for client certificates, "+
			"put client.cert and client.key in %s/%s/", alert, hosts.CertsDirToFill(), host)
	}
	return fmt.Sprintf("it refused our side of TLS (%v): it has no certificate for this name, or speaks no TLS of 1.2 or newer", alert)
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
		return "its certificate is not valid (" + strings.TrimPrefix(e.Error(), "x509: ") + ")"
	}
	if before := e.Cert.NotBefore; before.After(time.Now()) {
		return "its certificate is valid only from " + before.Format(time.RFC3339) +
			" on; is this machine's clock right?"
	}
	return "its certificate expired on " + e.Cert.NotAfter.Format(time.RFC3339) +
		"; it has to be renewed on the registry (is this machine's clock right?)"
}

// ofTokenService turns go-containerregistry's error into ours.
func ofTokenService(at place, err error) error {
	var te *transport.Error
	if !errors.As(err, &te) {
		return nil
	}
	if te.StatusCode == http.StatusUnauthorized {
		return errdefs.Suggest(&errcode.Error{
			Code: errcode.Unauthorized, Host: at.Host, Status: te.StatusCode, Kind: errdefs.ErrUnauthenticated,
			Message: "no sign-in, or a wrong user name or password",
		}, errdefs.Login, at.Host)
	}
	e := &errcode.Error{
		Host: at.Host, Status: te.StatusCode, Kind: errdefs.ErrUnavailable,
		Message: "its token service failed",
	}
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

func ofNetwork(at place, err error) error {
	var dns *net.DNSError
	var op *net.OpError
	var record tls.RecordHeaderError
	var timeout net.Error
	unavailable := func(why string) error {
		return errdefs.Errorf(errdefs.ErrUnavailable, "%s: %s (%w)", at, why, err)
	}
	switch {
	case errors.As(err, &op) && op.Op == "proxyconnect":
		return unavailable("the proxy before it, which HTTPS_PROXY or HTTP_PROXY names, does not answer")
	case errors.Is(err, http.ErrSchemeMismatch), errors.As(err, &record) && string(record.RecordHeader[:]) == "HTTP/":
		return errdefs.Suggest(errdefs.Errorf(errdefs.ErrInvalid,
			"%s speaks plain HTTP, not HTTPS: give it a certificate", at), errdefs.PlainHTTP, at.host())
	case errors.As(err, &record):
		return errdefs.Errorf(errdefs.ErrInvalid,
			"%s: what answers speaks neither TLS nor HTTP: is the port right? (%w)", at, err)
	case errors.As(err, &dns) && dns.IsNotFound:
		return errdefs.Errorf(errdefs.ErrUnavailable, "%s: no such host (%w); check the name, /etc/hosts and DNS", at,
			err)
	case errors.As(err, &dns):
		return unavailable("its name could not be looked up: is there a network, and does DNS answer?")
	case errors.Is(err, syscall.ECONNREFUSED):
		return unavailable("connection refused: is it running, and is the port right?")
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return unavailable("there is no way to it from here: is there a network?")
	case errors.As(err, &timeout) && timeout.Timeout():
		return unavailable("no answer in time; is it reachable from here, or only through a proxy?")
	}
	return nil
}

// Explain names the registry in an error from reading one of its answers.
func (p *Peer) Explain(err error) error { return explain(p.Base, err) }
