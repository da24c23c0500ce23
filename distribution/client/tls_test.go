package client_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cove/distribution/client"
	"cove/distribution/distributiontest"
	"cove/errdefs"
)

// authority is a CA of the test's own.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newAuthority(t *testing.T) authority {
	t.Helper()
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test CA"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	a := authority{}
	a.cert, a.key, a.pem = a.sign(t, tmpl)
	return a
}

func (a authority) sign(t *testing.T, tmpl *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = tmpl, key
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert, key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// leaf is a certificate for these names and addresses, valid until then.
func (a authority) leaf(t *testing.T, until time.Time, names ...string) (tls.Certificate, []byte, []byte) {
	t.Helper()
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "old.example"},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		NotBefore:   time.Now().Add(-2 * time.Hour), NotAfter: until,
	}
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			tmpl.IPAddresses = append(tmpl.IPAddresses, ip)
		} else {
			tmpl.DNSNames = append(tmpl.DNSNames, n)
		}
	}
	_, key, certPEM := a.sign(t, tmpl)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		t.Fatal(err)
	}
	return pair, certPEM, keyPEM
}

// serveTLS is a registry without a lock on its door, but with this
// certificate. clients, when set, must have signed the client's.
func serveTLS(t *testing.T, pair tls.Certificate, clients *authority) string {
	t.Helper()
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"tags":["a"]}`)
	}))
	srv.TLS = &tls.Config{Certificates: []tls.Certificate{pair}} //nolint:gosec // a test's
	if clients != nil {
		srv.TLS.ClientAuth = tls.RequireAndVerifyClientCert
		srv.TLS.ClientCAs = x509.NewCertPool()
		srv.TLS.ClientCAs.AddCert(clients.cert)
	}
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return strings.TrimPrefix(srv.URL, "https://")
}

// certsDir writes files under DIR/host.
func certsDir(t *testing.T, host string, files map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, host), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, b := range files {
		if err := os.WriteFile(filepath.Join(dir, host, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func tagsOf(t *testing.T, cfg client.Config, host string) error {
	t.Helper()
	cfg.RetryFor = -1
	_, err := distributiontest.NewClient(t, cfg).Repository(host, "team/app").Tags(t.Context())
	return err
}

func TestCertificates(t *testing.T) {
	t.Parallel()
	ca, stranger := newAuthority(t), newAuthority(t)
	later := time.Now().Add(time.Hour)
	for name, tc := range map[string]struct {
		names   []string
		until   time.Time
		signer  authority
		trusted map[string][]byte
		want    []string // in the error; nil is success
	}{
		"good":       {[]string{"127.0.0.1"}, later, ca, map[string][]byte{"ca.crt": ca.pem}, nil},
		"any .crt":   {[]string{"127.0.0.1"}, later, ca, map[string][]byte{"a.crt": stranger.pem, "b.crt": ca.pem}, nil},
		"wrong name": {[]string{"cdh1", "10.1.2.3"}, later, ca, map[string][]byte{"ca.crt": ca.pem}, []string{"valid for cdh1, 10.1.2.3", "not for 127.0.0.1"}},
		"no names":   {nil, later, ca, map[string][]byte{"ca.crt": ca.pem}, []string{"no subject alternative names", "old.example", "127.0.0.1"}},
		"unknown":    {[]string{"127.0.0.1"}, later, ca, nil, []string{"authority that this machine does not know", `"test CA"`, "/etc/docker/certs.d/", "ca.crt"}},
		"other CA":   {[]string{"127.0.0.1"}, later, stranger, map[string][]byte{"ca.crt": ca.pem}, []string{"authority"}},
		"expired":    {[]string{"127.0.0.1"}, time.Now().Add(-time.Hour), ca, map[string][]byte{"ca.crt": ca.pem}, []string{"expired on "}},
		"no PEM":     {[]string{"127.0.0.1"}, later, ca, map[string][]byte{"ca.crt": []byte("hm")}, []string{"ca.crt", "no certificate in PEM form"}},
		"cert alone": {[]string{"127.0.0.1"}, later, ca, map[string][]byte{"client.cert": ca.pem}, []string{"client.cert", "client.key is missing"}},
		"key alone":  {[]string{"127.0.0.1"}, later, ca, map[string][]byte{"client.key": ca.pem}, []string{"client.key", "client.cert"}},
		"mismatch":   {[]string{"127.0.0.1"}, later, ca, map[string][]byte{"client.key": ca.pem, "client.cert": ca.pem}, []string{"client.cert with client.key"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pair, _, _ := tc.signer.leaf(t, tc.until, tc.names...)
			host := serveTLS(t, pair, nil)
			err := tagsOf(t, client.Config{CertsDirs: []string{certsDir(t, host, tc.trusted)}}, host)
			if tc.want == nil {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if !errors.Is(err, errdefs.ErrInvalid) {
				t.Fatalf("%v, want kind invalid", err)
			}
			for _, w := range tc.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("error %q, want %q in it", err, w)
				}
			}
			if n := strings.Count(err.Error(), "\n"); n > 0 {
				t.Errorf("error has %d lines", n+1)
			}
		})
	}
}

func TestClientCertificate(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	later := time.Now().Add(time.Hour)
	pair, _, _ := ca.leaf(t, later, "127.0.0.1")
	_, cert, key := ca.leaf(t, later)
	host := serveTLS(t, pair, &ca)
	// Without the port the directory serves for all ports.
	dir := certsDir(t, "127.0.0.1", map[string][]byte{"ca.crt": ca.pem, "client.cert": cert, "client.key": key})
	if err := tagsOf(t, client.Config{CertsDirs: []string{t.TempDir(), dir}}, host); err != nil {
		t.Error(err)
	}
	dir = certsDir(t, host, map[string][]byte{"ca.crt": ca.pem})
	err := tagsOf(t, client.Config{CertsDirs: []string{dir}}, host)
	if err == nil || !strings.Contains(err.Error(), "client.cert and client.key") {
		t.Errorf("without a certificate: %v", err)
	}
}

// TestClientCertificateStays redirects to another host that asks for a client
// certificate: it must not be shown the first one's.
func TestClientCertificateStays(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	later := time.Now().Add(time.Hour)
	pair, _, _ := ca.leaf(t, later, "127.0.0.1", "localhost")
	_, cert, key := ca.leaf(t, later)
	shown := false
	other := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		shown = shown || len(r.TLS.PeerCertificates) > 0
	}))
	other.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequestClientCert} //nolint:gosec // a test's
	other.StartTLS()
	t.Cleanup(other.Close)
	to := strings.Replace(other.URL, "127.0.0.1", "localhost", 1)
	first := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v2/" {
			http.Redirect(w, r, to, http.StatusFound)
		}
	}))
	first.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAnyClientCert} //nolint:gosec // a test's
	first.StartTLS()
	t.Cleanup(first.Close)
	host := strings.TrimPrefix(first.URL, "https://")
	dir := certsDir(t, host, map[string][]byte{"ca.crt": ca.pem, "client.cert": cert, "client.key": key})
	if err := os.Mkdir(filepath.Join(dir, "localhost"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "localhost", "ca.crt"), ca.pem, 0o600); err != nil {
		t.Fatal(err)
	}
	_ = tagsOf(t, client.Config{CertsDirs: []string{dir}}, host) // the body is no list; that does not matter
	if shown {
		t.Error("the other host was shown the certificate")
	}
}

// TestInsecure: a certificate that nobody vouches for is accepted only from
// hosts that were named, loopback not excepted; plain HTTP from those and from
// loopback.
func TestInsecure(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	pair, _, _ := ca.leaf(t, time.Now().Add(time.Hour), "elsewhere.example")
	secure := serveTLS(t, pair, nil)
	plain := distributiontest.Listen(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"tags":["a"]}`)
	}))
	far := func(host string) func(cfg *client.Config) {
		return func(cfg *client.Config) { cfg.Dial = dialTo(host) }
	}
	for name, tc := range map[string]struct {
		host     string
		dial     func(*client.Config)
		insecure []string
		want     string
	}{
		"loopback with a bad certificate": {secure, nil, nil, "not for 127.0.0.1"},
		"named with a bad certificate":    {secure, nil, []string{secure}, ""},
		"named without port":              {secure, nil, []string{"127.0.0.1"}, ""},
		"named as a network":              {secure, nil, []string{"127.0.0.0/8"}, ""},
		"another is named":                {secure, nil, []string{"10.0.0.0/8", "example.com"}, "not for 127.0.0.1"},
		"loopback in the clear":           {plain, nil, nil, ""},
		"far in the clear":                {"registry.example:5000", far(plain), nil, "speaks plain HTTP"},
		"private address in the clear":    {"10.0.0.9:5000", far(plain), nil, "speaks plain HTTP"},
		"named in the clear":              {"registry.example:5000", far(plain), []string{"http://registry.example:5000/"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := client.Config{Insecure: tc.insecure}
			if tc.dial != nil {
				tc.dial(&cfg)
			}
			err := tagsOf(t, cfg, tc.host)
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("%v, want %q", err, tc.want)
			}
		})
	}
	for _, bad := range []string{"", "a/b", "http://"} {
		if _, err := client.New(client.Config{Insecure: []string{bad}}); !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("insecure registry %q: %v", bad, err)
		}
	}
}

// TestUnreachable names what to look at, at once.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	host := l.Addr().String()
	l.Close()
	begin := time.Now()
	c := distributiontest.NewClient(t, client.Config{})
	_, err = c.Repository(host, "team/app").Tags(t.Context())
	if !errors.Is(err, errdefs.ErrUnavailable) || !strings.Contains(err.Error(), host) || !strings.Contains(err.Error(), "connection refused: is it running") {
		t.Errorf("%v", err)
	}
	if d := time.Since(begin); d > 10*time.Second {
		t.Errorf("a registry that was never there was waited for %s", d)
	}
}
