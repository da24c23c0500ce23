package pki

import (
	"bytes"
	"crypto/x509"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestFix mends each kind of certificate that clients refuse, and then asks
// whether they would still refuse it.
func TestFix(t *testing.T) {
	t.Parallel()
	when := time.Now()
	ca := must[*Pair](t)(NewAuthority("ours", when))
	good := must[*Pair](t)(ca.Issue(names(t, "hub.example"), when))
	stale := must[*Pair](t)(ca.Issue(names(t, "hub.example"), when.Add(-2*leafLife)))
	roots := x509.NewCertPool()
	roots.AddCert(ca.Cert)
	for what, c := range map[string]struct {
		cert   *x509.Certificate
		key    *Pair
		more   string
		want   string   // the kind of answer
		listed []string // names that it has then
	}{
		"nothing is wrong":        {good.Cert, good, "", "nothing", nil},
		"another name":            {good.Cert, good, "10.0.0.5", "pair", []string{"hub.example", "10.0.0.5"}},
		"expired":                 {stale.Cert, stale, "", "pair", []string{"hub.example"}},
		"a common name only":      {commonNameOnly(t, "old.example"), nil, "", "pair", []string{"old.example"}},
		"another key":             {good.Cert, stale, "", "pair", []string{"hub.example"}},
		"a name that is a phrase": {commonNameOnly(t, "My Registry"), nil, "", "say which name", nil},
	} {
		for _, signer := range []*Pair{ca, nil} {
			kase := Case{Chain: []*x509.Certificate{c.cert}, Roots: roots, Now: when}
			if c.key != nil {
				kase.Key = c.key.Key
			}
			with := Remedies{Authority: signer}
			if c.more != "" {
				with.Names = names(t, c.more)
			}
			fixed, err := Fix(kase, with)
			switch {
			case c.want == "nothing":
				if fixed != nil || err != nil {
					t.Errorf("%s: %+v, %v", what, fixed, err)
				}
			case c.want != "pair":
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("%s: %v", what, err)
				}
			case err != nil:
				t.Errorf("%s: %v", what, err)
			case signer != nil:
				again := Case{Chain: []*x509.Certificate{fixed.Pair.Cert}, Key: fixed.Pair.Key, Roots: roots, Now: when, Host: c.listed[0]}
				if found := Explain(again); len(found) > 0 || strings.Join(NamesOf(fixed.Pair.Cert), " ") != strings.Join(c.listed, " ") {
					t.Errorf("%s: %+v, names %q", what, found, NamesOf(fixed.Pair.Cert))
				}
			default:
				csr := must[*x509.CertificateRequest](t)(ParseRequest(fixed.Request.CSRPEM))
				p := must[*Pair](t)(ca.SignRequest(csr, Names{}, when))
				if key, err := ParseKey(fixed.Request.KeyPEM); err != nil || !Matches(p.Cert, key) ||
					strings.Join(NamesOf(p.Cert), " ") != strings.Join(c.listed, " ") {
					t.Errorf("%s: the request leads to %q, %v", what, NamesOf(p.Cert), err)
				}
				if reused := c.key != nil && Matches(p.Cert, c.key.Key); reused != (c.key != nil && Matches(c.cert, c.key.Key)) {
					t.Errorf("%s: the old key is used again: %v", what, reused)
				}
			}
		}
	}
}

// TestFixChain appends what leads to the root, in whatever order it was given,
// and says when it is the clients that lack something.
func TestFixChain(t *testing.T) {
	t.Parallel()
	when := time.Now()
	root := must[*Pair](t)(NewAuthority("root", when))
	root.Cert.MaxPathLen, root.Cert.MaxPathLenZero = -1, false
	template := *root.Cert
	template.Subject.CommonName, template.MaxPathLenZero, template.MaxPathLen = "between", true, 0
	inner := must[*Pair](t)(NewAuthority("between", when))
	between := must[*Pair](t)(sign(&template, inner.Key.Public(), inner.Key, root))
	leaf := must[*Pair](t)(between.Issue(names(t, "hub.example"), when))
	c := Case{Chain: []*x509.Certificate{leaf.Cert}, Key: leaf.Key, Roots: x509.NewCertPool(), Now: when}
	fixed, err := Fix(c, Remedies{Chain: []*x509.Certificate{root.Cert, between.Cert}})
	if err != nil {
		t.Fatal(err)
	}
	chain := must[[]*x509.Certificate](t)(ParseCertificates(fixed.ChainPEM))
	if len(chain) != 2 || !chain[1].Equal(between.Cert) {
		t.Errorf("a chain of %d", len(chain))
	}
	c.Chain = chain
	if _, err := Fix(c, Remedies{}); err == nil || !strings.Contains(err.Error(), "nothing is wrong with the certificate itself") {
		t.Errorf("whose authority clients lack: %v", err)
	}
}

// TestBundles reads what openssl writes, in every form in which authorities
// hand certificates out.
func TestBundles(t *testing.T) {
	t.Parallel()
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("needs openssl")
	}
	dir := t.TempDir()
	ca := must[*Pair](t)(NewAuthority("ours", time.Now()))
	leaf := must[*Pair](t)(ca.Issue(names(t, "hub.example"), time.Now()))
	csr, key, err := NewRequest(names(t, "new.example"), nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{
		"ca.crt": ca.CertPEM, "leaf.crt": leaf.CertPEM, "leaf.key": leaf.KeyPEM, "new.csr": csr, "new.key": key,
		"all.pem": append(append(bytes.Clone(leaf.KeyPEM), leaf.CertPEM...), ca.CertPEM...),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{
		{"x509", "-in", "leaf.crt", "-outform", "der", "-out", "leaf.der"},
		{"req", "-in", "new.csr", "-outform", "der", "-out", "new.der"},
		{"pkey", "-in", "leaf.key", "-outform", "der", "-out", "key.der"},
		{"pkcs12", "-export", "-in", "leaf.crt", "-inkey", "leaf.key", "-certfile", "ca.crt", "-passout", "pass:secret", "-out", "new.p12"},
		{
			"pkcs12", "-export", "-legacy", "-in", "leaf.crt", "-inkey", "leaf.key", "-certfile", "ca.crt", "-passout", "pass:secret",
			"-out", "old.p12",
		},
		{"pkcs12", "-export", "-in", "leaf.crt", "-inkey", "leaf.key", "-passout", "pass:", "-out", "open.p12"},
	} {
		cmd := exec.CommandContext(t.Context(), openssl, args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("openssl %v: %v\n%s", args, err, out)
		}
	}
	for _, c := range []struct {
		file, password string
		certs          int
		key, request   bool
		err            string
	}{
		{file: "leaf.crt", certs: 1},
		{file: "leaf.der", certs: 1},
		{file: "all.pem", certs: 2, key: true},
		{file: "leaf.key", key: true},
		{file: "key.der", key: true},
		{file: "new.csr", request: true},
		{file: "new.der", request: true},
		{file: "new.p12", password: "secret", certs: 2, key: true},
		{file: "old.p12", password: "secret", certs: 2, key: true},
		{file: "open.p12", certs: 1, key: true},
		{file: "new.p12", password: "wrong", err: "password is missing or wrong"},
		{file: "new.p12", err: "password is missing or wrong"},
	} {
		data, err := os.ReadFile(filepath.Join(dir, c.file))
		if err != nil {
			t.Fatal(err)
		}
		b, err := ParseBundle(data, c.password)
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s with %q: %v, want %q", c.file, c.password, err, c.err)
			}
			continue
		}
		if err != nil || len(b.Certificates) != c.certs || (b.Key != nil) != c.key || (b.Request != nil) != c.request {
			t.Errorf("%s: %+v, %v", c.file, b, err)
		}
		if err == nil && c.certs > 0 && c.key {
			if p, err := b.Pair(); err != nil || p.Cert.DNSNames[0] != "hub.example" {
				t.Errorf("%s: %v", c.file, err)
			}
		}
	}
	// A server takes the one file, with the password in another.
	secret := filepath.Join(dir, "pass")
	if err := os.WriteFile(secret, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var k Keeper
	for _, files := range []Files{
		{Cert: filepath.Join(dir, "new.p12"), Password: secret}, {Cert: filepath.Join(dir, "all.pem")},
	} {
		if err := k.Load(files); err != nil {
			t.Errorf("serving %+v: %v", files, err)
		}
	}
	if err := k.Load(Files{Cert: filepath.Join(dir, "leaf.crt")}); err == nil || !strings.Contains(err.Error(), "no private key in it") {
		t.Errorf("a certificate without a key: %v", err)
	}
	p12 := must[[]byte](t)(leaf.EncodePKCS12("geheim"))
	if b, err := ParseBundle(p12, "geheim"); err != nil || !Matches(leaf.Cert, b.Key) {
		t.Errorf("our own PKCS #12: %v", err)
	}
}
