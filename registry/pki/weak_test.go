package pki

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"
)

// TestWhoMayIssue: only an authority issues, and only while it lasts.
func TestWhoMayIssue(t *testing.T) {
	t.Parallel()
	ca := must[*Pair](t)(NewAuthority("ca", now()))
	server := must[*Pair](t)(ca.Issue(names(t, "a.example.com"), now()))
	csr, _, err := NewRequest(names(t, "b.example.com"), nil)
	if err != nil {
		t.Fatal(err)
	}
	request := must[*x509.CertificateRequest](t)(ParseRequest(csr))
	for what, c := range map[string]struct {
		by   *Pair
		at   time.Time
		want string
	}{
		"a server's certificate": {server, now(), "CN=a.example.com is no authority"},
		"one that has ended":     {ca, now().AddDate(11, 0, 0), "ended on 2036-05-03"},
		"an authority":           {ca, now().AddDate(9, 11, 0), ""},
	} {
		_, issued := c.by.Issue(names(t, "b.example.com"), c.at)
		_, signed := c.by.SignRequest(request, Names{}, c.at)
		for _, err := range []error{issued, signed} {
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("by %s: %v, want %q", what, err, c.want)
			}
		}
	}
}

// TestAddressAsAName: an address that a request has as the name of a host is an address in what is signed; a
// certificate that has it so is explained, and fixed.
func TestAddressAsAName(t *testing.T) {
	t.Parallel()
	ca := must[*Pair](t)(NewAuthority("ca", now()))
	csr, _, err := NewRequest(Names{DNS: []string{"10.0.0.9"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	signed := must[*Pair](t)(ca.SignRequest(must[*x509.CertificateRequest](t)(ParseRequest(csr)), Names{}, now()))
	if len(signed.Cert.DNSNames) > 0 || len(signed.Cert.IPAddresses) != 1 || signed.Cert.VerifyHostname("10.0.0.9") != nil {
		t.Errorf("signed for %q and %v", signed.Cert.DNSNames, signed.Cert.IPAddresses)
	}
	old := must[*Pair](t)(ca.Issue(Names{DNS: []string{"a.example.com", "10.0.0.9"}}, now()))
	c := Case{Chain: []*x509.Certificate{old.Cert}, Host: "10.0.0.9", Now: now()}
	found := Explain(c)
	if len(found) != 1 || !strings.Contains(found[0].Problem, "DNS:10.0.0.9") || strings.Join(found[0].Issue, " ") != "a.example.com 10.0.0.9" {
		t.Errorf("explained as %+v", found)
	}
	fixed := must[*Fixed](t)(Fix(c, Remedies{Authority: ca}))
	if fixed.Pair == nil || fixed.Pair.Cert.VerifyHostname("10.0.0.9") != nil || len(fixed.Pair.Cert.DNSNames) != 1 {
		t.Errorf("fixed: %+v", fixed)
	}
	bad, _, err := NewRequest(Names{DNS: []string{"a b"}}, nil)
	if err == nil {
		if _, err := ca.SignRequest(must[*x509.CertificateRequest](t)(ParseRequest(bad)), Names{}, now()); err == nil {
			t.Error("a name that no host has was signed")
		}
	}
}

// TestWeakCertificates: short keys and old signatures are named as what they are, wherever in the chain.
func TestWeakCertificates(t *testing.T) {
	t.Parallel()
	key := must[*rsa.PrivateKey](t)(rsa.GenerateKey(rand.Reader, 2048))
	short := must[*rsa.PrivateKey](t)(rsa.GenerateKey(rand.Reader, 1024))
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "root"}, NotBefore: now(), NotAfter: now().AddDate(1, 0, 0),
		IsCA: true, BasicConstraintsValid: true,
	}
	made := func(template, parent *x509.Certificate, pub crypto.PublicKey) *x509.Certificate {
		t.Helper()
		der := must[[]byte](t)(x509.CreateCertificate(rand.Reader, template, parent, pub, key))
		return must[*x509.Certificate](t)(x509.ParseCertificate(der))
	}
	ca := made(root, root, key.Public())
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), DNSNames: []string{"a.example.com"}, IPAddresses: []net.IP{net.IPv4(10, 0, 0, 1)},
		NotBefore: now(), NotAfter: now().AddDate(0, 1, 0),
	}
	sha1 := *made(leaf, ca, key.Public())
	sha1.SignatureAlgorithm = x509.SHA1WithRSA // Go makes none; a certificate is what it says
	between := *root
	between.SerialNumber, between.Subject = big.NewInt(3), pkix.Name{CommonName: "between"}
	roots := x509.NewCertPool()
	roots.AddCert(ca)
	for what, c := range map[string]struct {
		chain []*x509.Certificate
		want  string
	}{
		"good":                {[]*x509.Certificate{made(leaf, ca, key.Public())}, ""},
		"short":               {[]*x509.Certificate{made(leaf, ca, short.Public())}, "it has a key of RSA with 1024 bits"},
		"old":                 {[]*x509.Certificate{&sha1}, "it has a signature of SHA1-RSA"},
		"short further on":    {[]*x509.Certificate{made(leaf, ca, key.Public()), made(&between, ca, short.Public())}, "certificate 2 of its file (CN=between) has a key of RSA"},
		"good, with its root": {[]*x509.Certificate{made(leaf, ca, key.Public()), ca}, ""},
	} {
		found := Explain(Case{Chain: c.chain, Host: "a.example.com", Roots: roots, Now: now().Add(time.Hour)})
		if c.want == "" && len(found) > 0 || c.want != "" && (len(found) != 1 || !strings.Contains(found[0].Problem, c.want)) {
			t.Errorf("%s: %+v, want %q", what, found, c.want)
		}
	}
	der := must[[]byte](t)(x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: []string{"a.example.com"}}, short))
	request := must[*x509.CertificateRequest](t)(ParseRequest(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})))
	if _, err := (&Pair{Cert: ca, Key: key}).SignRequest(request, Names{}, now()); err == nil || !strings.Contains(err.Error(), "1024 bits") {
		t.Errorf("a request with a short key: %v", err)
	}
}
