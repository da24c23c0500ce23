package wire

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"cove/distribution/client/hosts"
	"cove/errdefs"
)

// alertError words an alert as crypto/tls does, whose own type for it is
// private.
func alertError(code uint8) error {
	return &net.OpError{Op: "remote error", Err: errors.New(tls.AlertError(code).Error())}
}

// TestExplain: each failure has its own explanation, says whether trying again
// is worth it, and has no hint that is for another.
func TestExplain(t *testing.T) {
	t.Parallel()
	const host = "harbor.example:8443"
	get := func(at string, err error) error { return &url.Error{Op: "Get", URL: at, Err: err} }
	dial := func(err error) error {
		return &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", err)}
	}
	cn := &x509.Certificate{Subject: pkix.Name{CommonName: "harbor"}}
	san := &x509.Certificate{DNSNames: []string{"cdh1"}}
	hints := []string{
		"certs.d", "is it running", "is the port right", "check the name", "does DNS answer", "is there a network", "through a proxy",
		"the proxy before it", "clock", "client certificates", "plain HTTP", "issue", "cut the connection", "no TLS",
	}
	for name, tc := range map[string]struct {
		err     error
		kind    error
		passing bool
		has     []string // of the hints, and more
	}{
		"nobody listens":     {dial(syscall.ECONNREFUSED), errdefs.ErrUnavailable, true, []string{"is it running", "is the port right"}},
		"no route":           {dial(syscall.EHOSTUNREACH), errdefs.ErrUnavailable, true, []string{"is there a network"}},
		"no network":         {dial(syscall.ENETUNREACH), errdefs.ErrUnavailable, true, []string{"is there a network"}},
		"silence":            {dial(syscall.ETIMEDOUT), errdefs.ErrUnavailable, true, []string{"no answer in time", "through a proxy"}},
		"slow to shake":      {&net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}, errdefs.ErrUnavailable, true, []string{"no answer in time", "through a proxy"}},
		"no such name":       {&net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", IsNotFound: true}}, errdefs.ErrUnavailable, false, []string{"no such host", "check the name"}},
		"no name server":     {&net.OpError{Op: "dial", Err: &net.DNSError{Err: "i/o timeout", IsTimeout: true}}, errdefs.ErrUnavailable, true, []string{"could not be looked up", "is there a network", "does DNS answer"}},
		"name server broken": {&net.DNSError{Err: "server misbehaving", IsTemporary: true}, errdefs.ErrUnavailable, true, []string{"is there a network", "does DNS answer"}},
		"dead proxy":         {&net.OpError{Op: "proxyconnect", Net: "tcp", Err: dial(syscall.ECONNREFUSED)}, errdefs.ErrUnavailable, true, []string{"the proxy before it", "HTTPS_PROXY"}},
		"cut":                {io.ErrUnexpectedEOF, errdefs.ErrUnavailable, true, []string{"cut the connection"}},
		"reset":              {&net.OpError{Op: "read", Err: syscall.ECONNRESET}, errdefs.ErrUnavailable, true, []string{"cut the connection"}},
		"malformed":          {errors.New("malformed HTTP response"), errdefs.ErrInvalid, false, []string{"malformed HTTP response"}},
		"in the clear":       {tls.RecordHeaderError{RecordHeader: [5]byte{'H', 'T', 'T', 'P', '/'}}, errdefs.ErrInvalid, false, []string{"speaks plain HTTP", "plain HTTP"}},
		"in the clear, seen": {http.ErrSchemeMismatch, errdefs.ErrInvalid, false, []string{"plain HTTP"}},
		"no TLS, no HTTP":    {tls.RecordHeaderError{RecordHeader: [5]byte{'S', 'S', 'H', '-', '2'}}, errdefs.ErrInvalid, false, []string{"neither TLS nor HTTP", "is the port right"}},
		"another name":       {x509.HostnameError{Certificate: san, Host: "harbor.example"}, errdefs.ErrInvalid, false, []string{"valid for cdh1, not for harbor.example", "issue"}},
		"common name only":   {x509.HostnameError{Certificate: cn, Host: "harbor.example"}, errdefs.ErrInvalid, false, []string{"no subject alternative names", "issue"}},
		"own authority":      {x509.UnknownAuthorityError{Cert: san}, errdefs.ErrInvalid, false, []string{"certs.d/" + host + "/ca.crt", "certs.d"}},
		"expired":            {x509.CertificateInvalidError{Cert: &x509.Certificate{NotAfter: time.Unix(1, 0)}, Reason: x509.Expired}, errdefs.ErrInvalid, false, []string{"expired on 1970", "clock"}},
		"not yet valid":      {x509.CertificateInvalidError{Cert: &x509.Certificate{NotBefore: time.Now().Add(time.Hour)}, Reason: x509.Expired}, errdefs.ErrInvalid, false, []string{"valid only from", "clock"}},
		"for another use":    {x509.CertificateInvalidError{Cert: san, Reason: x509.IncompatibleUsage}, errdefs.ErrInvalid, false, []string{"incompatible key usage"}},
		"client certificate": {alertError(116), errdefs.ErrInvalid, false, []string{"certificate required", "certs.d/" + host, "client certificates", "certs.d"}},
		"old TLS":            {alertError(70), errdefs.ErrInvalid, false, []string{"protocol version", "no TLS"}},
		"unknown name":       {alertError(112), errdefs.ErrInvalid, false, []string{"no certificate for this name", "no TLS"}},
		"ours to refuse":     {errdefs.Errorf(errdefs.ErrDenied, "refusing"), errdefs.ErrDenied, false, []string{"refusing"}},
		"token refused":      {&transport.Error{StatusCode: 401}, errdefs.ErrUnauthenticated, false, []string{"wrong user name or password"}},
		"token forbidden":    {&transport.Error{StatusCode: 403}, errdefs.ErrDenied, false, []string{"token service"}},
	} {
		for _, at := range []string{"https://" + host + "/v2/", "https://cdn.example/blob"} {
			got := explain(hosts.Base{Host: host, Addr: host}, get(at, tc.err))
			text := got.Error()
			if !errors.Is(got, tc.kind) || Passing(got) != tc.passing || !strings.Contains(text, "registry "+host) {
				t.Errorf("%s: %v: kind %v, passing %v; want %v, %v", name, got, errdefs.KindOf(got), Passing(got), tc.kind, tc.passing)
			}
			away := strings.Contains(at, "cdn.example")
			if told := strings.Contains(text, "at cdn.example, where it sends us"); told != away && StatusOf(got) == 0 {
				t.Errorf("%s, at %s: %v", name, at, got)
			}
			for _, want := range tc.has {
				if away { // the place to mend is the other one
					want = strings.NewReplacer(host, "cdn.example", "not for harbor.example", "not for cdn.example").Replace(want)
				}
				if !strings.Contains(text, want) {
					t.Errorf("%s: %v\ndoes not say %q", name, got, want)
				}
			}
			for _, h := range hints {
				if strings.Contains(text, h) && !strings.Contains(fmt.Sprint(tc.has), h) {
					t.Errorf("%s: %v\nhas a hint %q that is for another failure", name, got, h)
				}
			}
			if explain(hosts.Base{Host: "other"}, got).Error() != text {
				t.Errorf("%s: explained twice", name)
			}
		}
	}
	for _, err := range []error{nil, context.Canceled, context.DeadlineExceeded} {
		if got := explain(hosts.Base{Host: host}, err); !errors.Is(got, err) || err != nil && got.Error() != err.Error() {
			t.Errorf("%v became %v", err, got)
		}
	}
}

// TestExplainOfTheHub: the folder that is named is the one that is read.
func TestExplainOfTheHub(t *testing.T) {
	t.Parallel()
	for _, err := range []error{x509.UnknownAuthorityError{Cert: &x509.Certificate{}}, alertError(116)} {
		text := explain(hosts.BaseOf("docker.io"), &url.Error{Op: "Get", URL: "https://" + hosts.Hub + "/v2/", Err: err}).Error()
		if !strings.Contains(text, "certs.d/docker.io/") || certsName(hosts.Hub) != "docker.io" {
			t.Errorf("%s", text)
		}
	}
}

func TestSuggestions(t *testing.T) {
	t.Parallel()
	b := hosts.Base{Host: "h:5000", Addr: "h:5000"}
	for _, tc := range []struct {
		err  error
		want errdefs.Suggestion
	}{
		{http.ErrSchemeMismatch, errdefs.Suggestion{Do: errdefs.PlainHTTP, To: "h:5000"}},
		{&transport.Error{StatusCode: 401}, errdefs.Suggestion{Do: errdefs.Login, To: "h:5000"}},
		{&transport.Error{StatusCode: 403}, errdefs.Suggestion{}},
		{io.EOF, errdefs.Suggestion{}},
	} {
		if s, _ := errdefs.SuggestionFor(explain(b, tc.err)); s != tc.want {
			t.Errorf("%v: %+v, want %+v", tc.err, s, tc.want)
		}
	}
}
