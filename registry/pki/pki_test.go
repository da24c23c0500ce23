package pki

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func now() time.Time { return time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC) }

func must[T any](t *testing.T) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func names(t *testing.T, texts ...string) Names {
	t.Helper()
	return must[Names](t)(ParseNames(texts...))
}

func TestParseNames(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"harbor.example.com": "harbor.example.com", "DNS:cdh1": "cdh1", "HARBOR": "harbor", "10.0.0.5": "10.0.0.5",
		"IP:10.0.0.5": "10.0.0.5", "::1": "::1", "IP:fe80::1": "fe80::1", "[::1]": "::1", "*.example.com": "*.example.com", "a_b": "a_b",
		"DNS:a, IP:1.2.3.4": "a 1.2.3.4",
	} {
		n, err := ParseNames(text)
		got := strings.Join(NamesOf(&x509.Certificate{DNSNames: n.DNS, IPAddresses: n.IPs}), " ")
		if err != nil || got != want {
			t.Errorf("%s: %q, %v, want %q", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"IP:cdh1": "use DNS:cdh1", "DNS:10.0.0.1": "use IP:10.0.0.1", "https://a": "without scheme", "a:443": "port", "": "want a host name",
		"a b": "want a host name", "-a": "want", "a..b": "want", strings.Repeat("a", 64): "want", "a/b": "path",
	} {
		if _, err := ParseNames(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

func openDir(t *testing.T) *os.Root {
	t.Helper()
	dir := must[*os.Root](t)(os.OpenRoot(t.TempDir()))
	t.Cleanup(func() {
		if err := dir.Close(); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func TestEnsure(t *testing.T) {
	t.Parallel()
	dir := openDir(t)
	first := must[*Ensured](t)(Ensure(dir, names(t, "a.example", "10.0.0.1"), now()))
	if !first.NewAuthority || !first.Issue || !names(t, "a.example", "10.0.0.1").coveredBy(first.Server.Cert) {
		t.Errorf("the first: %+v", first)
	}
	roots := x509.NewCertPool()
	roots.AddCert(first.Authority.Cert)
	verify := func(cert *x509.Certificate, at time.Time) {
		t.Helper()
		if _, err := cert.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: at, DNSName: "a.example"}); err != nil {
			t.Error(err)
		}
	}
	verify(first.Server.Cert, now())
	for _, tc := range []struct {
		what   string
		names  []string
		at     time.Time
		spoil  func()
		issued string // why, "" when it is kept
	}{
		{what: "nothing changed", names: []string{"a.example", "10.0.0.1"}, at: now()},
		{what: "fewer names", names: []string{"a.example"}, at: now()},
		{what: "another name", names: []string{"a.example", "b.example"}, at: now(), issued: "does not list every name"},
		{what: "another address", names: []string{"a.example", "::1"}, at: now(), issued: "does not list every name"},
		{what: "near its end", names: []string{"a.example"}, at: now().Add(leafLife - renewBefore + time.Hour), issued: "expires on"},
		{what: "its new one is kept", names: []string{"a.example"}, at: now().Add(leafLife - renewBefore + 2*time.Hour)},
		{what: "long after", names: []string{"a.example"}, at: now().Add(3 * leafLife), issued: "has expired"},
		{what: "key lost", names: []string{"a.example"}, at: now().Add(3 * leafLife), issued: "no server certificate", spoil: func() { _ = dir.Remove(ServerKey) }},
		{what: "another's key", names: []string{"a.example"}, at: now().Add(3 * leafLife), issued: "does not belong", spoil: func() {
			_ = dir.WriteFile(ServerKey, first.Server.KeyPEM, 0o600)
		}},
		{what: "rubbish", names: []string{"a.example"}, at: now().Add(3 * leafLife), issued: "no certificate", spoil: func() {
			_ = dir.WriteFile(ServerCert, []byte("rubbish"), 0o600)
		}},
	} {
		if tc.spoil != nil {
			tc.spoil()
		}
		e := must[*Ensured](t)(Ensure(dir, names(t, tc.names...), tc.at))
		if e.NewAuthority || !e.Authority.Cert.Equal(first.Authority.Cert) {
			t.Errorf("%s: another authority", tc.what)
		}
		if e.Issue != (tc.issued != "") || !strings.Contains(e.Reason, tc.issued) {
			t.Errorf("%s: issued %v because %q, want %q", tc.what, e.Issue, e.Reason, tc.issued)
		}
		verify(e.Server.Cert, tc.at)
	}
	if err := dir.Remove(AuthorityKey); err != nil {
		t.Fatal(err)
	}
	if _, err := Ensure(dir, names(t, "a.example"), now().Add(3*leafLife)); err != nil {
		t.Errorf("without the authority's key, while nothing need be issued: %v", err)
	}
	if _, err := Ensure(dir, names(t, "c.example"), now().Add(3*leafLife)); err == nil || !strings.Contains(err.Error(), AuthorityKey) {
		t.Errorf("without the authority's key: %v", err)
	}
}

func TestRequests(t *testing.T) {
	t.Parallel()
	ca := must[*Pair](t)(NewAuthority("test", now()))
	csrPEM, keyPEM, err := NewRequest(names(t, "a.example", "10.0.0.1"), nil)
	if err != nil {
		t.Fatal(err)
	}
	signed := must[*Pair](t)(ca.SignRequest(must[*x509.CertificateRequest](t)(ParseRequest(csrPEM)), Names{}, now()))
	if _, err := ParsePair(signed.CertPEM, keyPEM); err != nil {
		t.Errorf("the certificate does not fit the request's key: %v", err)
	}
	if got := strings.Join(NamesOf(signed.Cert), " "); got != "a.example 10.0.0.1" {
		t.Errorf("names: %s", got)
	}
	key := must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	der := must[[]byte](t)(x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "cdh1"}}, key))
	more := must[Names](t)(ParseNames("cdh1", "harbor.example.com", "10.0.0.5", "CDH1"))
	named := must[*Pair](t)(ca.SignRequest(must[*x509.CertificateRequest](t)(ParseRequest(der)), more, now()))
	if got := NamesOf(named.Cert); !slices.Equal(got, []string{"cdh1", "harbor.example.com", "10.0.0.5"}) {
		t.Errorf("a request without names, signed with some: %v", got)
	}
	if _, err := ca.SignRequest(must[*x509.CertificateRequest](t)(ParseRequest(der)), Names{}, now()); err == nil || !strings.Contains(err.Error(), "common name (CN=cdh1)") {
		t.Errorf("a request with a common name only: %v", err)
	}
}

// commonNameOnly is what many guides of the years before 2017 make.
func commonNameOnly(t *testing.T, cn string) *x509.Certificate {
	t.Helper()
	key := must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: cn}, NotBefore: now().Add(-time.Hour), NotAfter: now().Add(time.Hour)}
	der := must[[]byte](t)(x509.CreateCertificate(rand.Reader, template, template, key.Public(), key))
	return must[*x509.Certificate](t)(x509.ParseCertificate(der))
}

func TestExplain(t *testing.T) {
	t.Parallel()
	ca := must[*Pair](t)(NewAuthority("test CA", now()))
	other := must[*Pair](t)(NewAuthority("other CA", now()))
	server := must[*Pair](t)(ca.Issue(names(t, "cdh1", "10.0.0.1", "::1"), now()))
	stranger := must[*Pair](t)(ca.Issue(names(t, "x"), now()))
	trust := x509.NewCertPool()
	trust.AddCert(ca.Cert)
	distrust := x509.NewCertPool()
	distrust.AddCert(other.Cert)
	chain := []*x509.Certificate{server.Cert}
	selfMade := commonNameOnly(t, "cdh1")
	for _, tc := range []struct {
		what string
		c    Case
		want []string // one piece of each problem or its way out, in order
	}{
		{"right", Case{Chain: chain, Host: "cdh1", Roots: trust, Key: server.Key, Now: now()}, nil},
		{"right, by address", Case{Chain: chain, Host: "10.0.0.1", Roots: trust, Now: now()}, nil},
		{"right, by IPv6 address", Case{Chain: chain, Host: "::1", Roots: trust, Now: now()}, nil},
		{"renamed", Case{Chain: chain, Host: "harbor.daemon.io", Roots: trust, Now: now()}, []string{"valid for cdh1, 10.0.0.1, ::1, not for harbor.daemon.io"}},
		{"expired", Case{Chain: chain, Host: "cdh1", Roots: trust, Now: now().Add(2 * leafLife)}, []string{"expired on"}},
		{"too early", Case{Chain: chain, Host: "cdh1", Roots: trust, Now: now().Add(-48 * time.Hour)}, []string{"clocks of both"}},
		{"wrong key", Case{Chain: chain, Host: "cdh1", Roots: trust, Key: stranger.Key, Now: now()}, []string{"key does not belong"}},
		{"unknown authority", Case{Chain: chain, Host: "cdh1", Roots: distrust, Now: now()}, []string{"append its certificate"}},
		{"unknown authority, sent along", Case{Chain: []*x509.Certificate{server.Cert, ca.Cert}, Host: "cdh1", Roots: distrust, Now: now()}, []string{"ends at CN=test CA"}},
		{"common name only, by itself", Case{Chain: []*x509.Certificate{selfMade}, Host: "cdh1", Roots: trust, Now: now()}, []string{"clients ignore the common name", "signed by itself"}},
		{"all at once", Case{Chain: chain, Host: "x", Roots: distrust, Key: stranger.Key, Now: now().Add(2 * leafLife)}, []string{"not for x", "expired", "key", "issuer"}},
		{"not for servers", Case{Chain: []*x509.Certificate{{DNSNames: []string{"a"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, NotAfter: now().Add(1)}}, Now: now()}, []string{"not for servers"}},
	} {
		found := Explain(tc.c)
		if len(found) != len(tc.want) {
			t.Errorf("%s: %+v, want %d findings", tc.what, found, len(tc.want))
			continue
		}
		for i, f := range found {
			if !strings.Contains(f.Problem+f.Fix, tc.want[i]) || f.Fix == "" || f.Clients == "" {
				t.Errorf("%s: %+v, want %q", tc.what, f, tc.want[i])
			}
		}
	}
}

// TestKeeperReloads replaces a certificate's files under a listening server,
// through a moment in which they do not fit together.
func TestKeeperReloads(t *testing.T) {
	t.Parallel()
	ca := must[*Pair](t)(NewAuthority("test CA", time.Now()))
	dir := t.TempDir()
	f := Files{Cert: filepath.Join(dir, "c.pem"), Key: filepath.Join(dir, "k.pem")}
	write := func(name string, data []byte) {
		t.Helper()
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	old := must[*Pair](t)(ca.Issue(names(t, "old.example"), time.Now()))
	write(f.Cert, old.CertPEM)
	write(f.Key, old.KeyPEM)
	var k Keeper
	if err := k.Load(f); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); k.Watch(ctx, f, 5*time.Millisecond, slog.New(slog.DiscardHandler)) }()
	l := must[net.Listener](t)(tls.Listen("tcp", "127.0.0.1:0", &tls.Config{GetCertificate: k.Get}))
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_ = conn.(*tls.Conn).HandshakeContext(ctx) //nolint:forcetypeassert // the client judges it
			_ = conn.Close()
		}
	}()
	serves := func() string {
		conn, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		return conn.ConnectionState().PeerCertificates[0].DNSNames[0]
	}
	fresh := must[*Pair](t)(ca.Issue(names(t, "new.example"), time.Now()))
	write(f.Cert, fresh.CertPEM)
	time.Sleep(30 * time.Millisecond)
	if got := serves(); got != "old.example" {
		t.Errorf("with half a pair: %s", got)
	}
	write(f.Key, fresh.KeyPEM)
	for range 400 {
		if serves() == "new.example" {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	if got := serves(); got != "new.example" {
		t.Errorf("after the change: %s", got)
	}
	stop()
	<-done
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

func FuzzParseCertificates(f *testing.F) {
	ca, err := NewAuthority("test", now())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(ca.CertPEM)
	f.Add(ca.Cert.Raw)
	f.Add([]byte{})
	f.Add([]byte("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		certs, err := ParseCertificates(data)
		if err == nil && len(certs) == 0 {
			t.Error("neither certificates nor an error")
		}
		for _, c := range certs {
			Explain(Case{Chain: []*x509.Certificate{c}, Host: "a.example", Now: now()})
		}
		_, _ = ParseKey(data)
		_, _ = ParseRequest(data)
	})
}
