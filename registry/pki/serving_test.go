package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestCertificatesThatClientsRefuse starts with certificates made elsewhere: the
// log says what is wrong, and what clients will say.
func TestCertificatesThatClientsRefuse(t *testing.T) {
	t.Parallel()
	now := time.Now()
	good := x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "old.example"}, DNSNames: []string{"r.example"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
	}
	for name, tc := range map[string]struct {
		change    func(c *x509.Certificate)
		hostnames []string
		want      string // in the log; "" is a refusal to start
	}{
		"common name only":   {func(c *x509.Certificate) { c.DNSNames = nil }, nil, "certificate relies on legacy Common Name field"},
		"expired":            {func(c *x509.Certificate) { c.NotAfter = now.Add(-time.Minute) }, nil, "certificate has expired"},
		"early":              {func(c *x509.Certificate) { c.NotBefore = now.Add(time.Minute) }, nil, "not yet valid"},
		"another name":       {nil, []string{"r.example", "s.example"}, "certificate is valid for r.example, not s.example"},
		"nobody's authority": {nil, []string{"r.example"}, "certificate signed by unknown authority"},
		"for clients": {func(c *x509.Certificate) {
			c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
		}, nil, "incompatible key usage"},
	} {
		template := good
		if tc.change != nil {
			tc.change(&template)
		}
		files := writePair(t, &template)
		var log strings.Builder
		names, err := ParseNames(tc.hostnames...)
		if err != nil {
			t.Fatal(err)
		}
		_, err = Serve(ServingConfig{Files: files, Hosts: names.DNS, Log: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil || !strings.Contains(log.String(), tc.want) || !strings.Contains(log.String(), "fix=") {
			t.Errorf("%s: %v, want a warning of %q:\n%s", name, err, tc.want, &log)
		}
	}
	mixed := Files{Cert: writePair(t, &good).Cert, Key: writePair(t, &good).Key}
	if _, err := Serve(ServingConfig{Files: mixed, Log: slog.New(slog.DiscardHandler)}); err == nil ||
		!strings.Contains(err.Error(), "key does not belong to the certificate") {
		t.Errorf("another certificate's key: %v", err)
	}
}

// TestServingReloads: an issued certificate follows the names; after a reload
// that fails the old one is presented.
func TestServingReloads(t *testing.T) {
	t.Parallel()
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if err := root.Mkdir("tls", 0o755); err != nil {
		t.Fatal(err)
	}
	s, err := Serve(ServingConfig{Root: root, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	presented := func() *x509.Certificate {
		t.Helper()
		c, err := s.Config().GetCertificate(nil)
		if err != nil {
			t.Fatal(err)
		}
		return c.Leaf
	}
	if err := presented().VerifyHostname("localhost"); err != nil {
		t.Error(err)
	}
	names, err := ParseNames("new.example")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Reload(names, nil); err != nil {
		t.Fatal(err)
	}
	if err := presented().VerifyHostname("new.example"); err != nil {
		t.Error(err)
	}
	if err := root.WriteFile("tls/"+AuthorityCert, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Reload(names, nil); err == nil {
		t.Error("a damaged authority issued a certificate")
	}
	if err := presented().VerifyHostname("new.example"); err != nil {
		t.Errorf("after a reload that failed: %v", err)
	}
}

// writePair makes a certificate of an authority that nobody knows.
func writePair(t *testing.T, template *x509.Certificate) Files {
	t.Helper()
	ca, err := NewAuthority("nobody's", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, ca.Cert, key.Public(), ca.Key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	files := Files{Cert: filepath.Join(t.TempDir(), "crt"), Key: filepath.Join(t.TempDir(), "key")}
	for name, block := range map[string]*pem.Block{
		files.Cert: {Type: "CERTIFICATE", Bytes: cert}, files.Key: {Type: "PRIVATE KEY", Bytes: der},
	} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return files
}
