// Package strength says which keys and signatures clients find too weak, and whose they do not take at all.
package strength

import (
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"time"

	"cove/errdefs"
)

// LeastRSA are the bits of a key of RSA that OpenSSL takes at the level of security that Debian and Red Hat set.
const LeastRSA = 2048

// Flaw is what is too weak in a certificate, what clients say then, and the way out.
type Flaw struct{ Part, Clients, Fix string }

// Short says whether a key is one of RSA with too few bits.
func Short(key crypto.PublicKey) (bits int, short bool) {
	k, ok := key.(*rsa.PublicKey)
	if !ok {
		return 0, false
	}
	return k.N.BitLen(), k.N.BitLen() < LeastRSA
}

// Of is the flaw of a certificate, nil if there is none.
func Of(cert *x509.Certificate) *Flaw {
	if bits, short := Short(cert.PublicKey); short {
		return &Flaw{
			Clients: "ee key too small (OpenSSL, so curl and Python; those in Go take it)",
			Part:    fmt.Sprintf("key of RSA with %d bits: clients that use OpenSSL want %d", bits, LeastRSA),
			Fix:     "issue it again with a new key",
		}
	}
	if SelfSigned(cert) { // whoever trusts it does not look at its signature
		return nil
	}
	switch cert.SignatureAlgorithm {
	case x509.MD2WithRSA, x509.MD5WithRSA, x509.SHA1WithRSA, x509.DSAWithSHA1, x509.DSAWithSHA256, x509.ECDSAWithSHA1:
		return &Flaw{
			Clients: fmt.Sprintf(`x509: certificate signed by unknown authority (possibly because of `+
				`"x509: cannot verify signature: insecure algorithm %s")`, cert.SignatureAlgorithm),
			Part: fmt.Sprintf("signature of %s, which clients do not take any more", cert.SignatureAlgorithm),
			Fix:  "have it signed again with SHA-256",
		}
	}
	return nil
}

// SelfSigned says whether a certificate is its own issuer.
func SelfSigned(cert *x509.Certificate) bool {
	return cert.CheckSignatureFrom(cert) == nil || string(cert.RawIssuer) == string(cert.RawSubject)
}

// Authority is nil for the certificate of one whose signatures clients would take.
func Authority(ca *x509.Certificate, now time.Time) error {
	who := ca.Subject.String()
	switch {
	case ca.Version == 3 && (!ca.BasicConstraintsValid || !ca.IsCA),
		ca.KeyUsage != 0 && ca.KeyUsage&x509.KeyUsageCertSign == 0:
		return errdefs.Errorf(errdefs.ErrInvalid, "%s is no authority: nobody takes what this certificate signs; "+
			"give the certificate and the key of the authority", who)
	case now.After(ca.NotAfter):
		return errdefs.Errorf(errdefs.ErrInvalid, "the authority %s ended on %s: nobody takes what it signs; "+
			"make a new one (as a registry does when ca.crt and ca.key are gone from its tls folder), and give it to the clients", who, ca.NotAfter.Format(time.DateOnly))
	}
	return nil
}
