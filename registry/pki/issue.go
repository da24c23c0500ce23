package pki

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"slices"
	"time"

	"cove/errdefs"
	"cove/registry/pki/strength"
)

const (
	caLife   = 10 * 365 * 24 * time.Hour
	leafLife = 397 * 24 * time.Hour // browsers refuse longer ones
	// renewBefore is how long before its end a certificate is replaced.
	renewBefore = leafLife / 3
	// backdate is for clients whose clock is a little behind.
	backdate = time.Hour
)

// Pair is a certificate with its private key, parsed and as PEM.
type Pair struct {
	Cert *x509.Certificate
	Key  crypto.Signer
	// CertPEM is the certificate followed by those that lead to its authority;
	// KeyPEM is PKCS #8.
	CertPEM, KeyPEM []byte
}

// NewAuthority makes a certificate authority that can sign servers but no
// other authorities.
func NewAuthority(name string, now time.Time) (*Pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making the authority's key: %w", err)
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.Add(caLife),
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLenZero:        true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	return sign(template, key.Public(), key, nil)
}

// Issue makes a server certificate with a new key.
func (ca *Pair) Issue(names Names, now time.Time) (*Pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making the server's key: %w", err)
	}
	return sign(leaf(names, now), key.Public(), key, ca)
}

// SignRequest makes a server certificate for the key of a certificate signing
// request, valid for the names that it asks for and for more.
func (ca *Pair) SignRequest(csr *x509.CertificateRequest, more Names, now time.Time) (*Pair, error) {
	if err := csr.CheckSignature(); err != nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "signing request: %w", err)
	}
	var names Names
	for _, name := range slices.Concat(csr.DNSNames, more.DNS) {
		if err := names.add(name); err != nil { // an address is one, whatever it was asked for as
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "signing request: %w", err)
		}
	}
	for _, ip := range slices.Concat(csr.IPAddresses, more.IPs) {
		names.addIP(ip)
	}
	if len(names.DNS)+len(names.IPs) == 0 {
		return nil, errdefs.Suggest(errdefs.Errorf(errdefs.ErrInvalid,
			"signing request: it has a common name (CN=%s) and no subject alternative names; clients look at nothing else",
			csr.Subject.CommonName), errdefs.GiveName, csr.Subject.CommonName)
	}
	if bits, short := strength.Short(csr.PublicKey); short {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "signing request: its key of RSA has %d bits, and many clients want %d; "+
			"make the request with a new key: registry cert csr", bits, strength.LeastRSA)
	}
	return sign(leaf(names, now), csr.PublicKey, nil, ca)
}

func leaf(names Names, now time.Time) *x509.Certificate {
	t := &x509.Certificate{
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.Add(leafLife),
		DNSNames:              names.DNS,
		IPAddresses:           names.IPs,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	// A common name is for people to read; its length is limited to 64.
	if all := NamesOf(t); len(all) > 0 && len(all[0]) <= 64 {
		t.Subject.CommonName = all[0]
	}
	return t
}

// sign signs a template by ca, or by its own key when ca is nil. key may be
// nil when it is someone else's.
func sign(template *x509.Certificate, pub crypto.PublicKey, key crypto.Signer, ca *Pair) (*Pair, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	template.SerialNumber = serial
	parent, signer := template, key
	if ca != nil {
		if err := strength.Authority(ca.Cert, template.NotBefore.Add(backdate)); err != nil {
			return nil, err
		}
		parent, signer = ca.Cert, ca.Key
		if template.NotAfter.After(ca.Cert.NotAfter) {
			template.NotAfter = ca.Cert.NotAfter
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, pub, signer)
	if err != nil {
		return nil, fmt.Errorf("signing the certificate: %w", err)
	}
	p := &Pair{Key: key, CertPEM: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
	if p.Cert, err = x509.ParseCertificate(der); err != nil {
		return nil, err
	}
	if key != nil {
		if p.KeyPEM, err = encodeKey(key); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// NewRequest makes a signing request, with a new key when key is nil.
func NewRequest(names Names, key crypto.Signer) (csrPEM, keyPEM []byte, err error) {
	if key == nil {
		if key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			return nil, nil, fmt.Errorf("making a key: %w", err)
		}
	}
	t := leaf(names, time.Time{})
	der, err := x509.CreateCertificateRequest(rand.Reader,
		&x509.CertificateRequest{Subject: t.Subject, DNSNames: t.DNSNames, IPAddresses: t.IPAddresses}, key)
	if err != nil {
		return nil, nil, fmt.Errorf("making a signing request: %w", err)
	}
	if keyPEM, err = encodeKey(key); err != nil {
		return nil, nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}), keyPEM, nil
}

func encodeKey(key crypto.Signer) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encoding a key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// ParseCertificates reads certificates, PEM or DER, in their order.
func ParseCertificates(data []byte) ([]*x509.Certificate, error) {
	if !bytes.Contains(data, []byte("-----BEGIN")) {
		certs, err := x509.ParseCertificates(data)
		if err != nil {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "no certificate, neither PEM nor DER: %w", err)
		}
		if len(certs) == 0 { // nothing at all is valid DER
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "no certificate in it")
		}
		return certs, nil
	}
	var certs []*x509.Certificate
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "certificate %d: %w", len(certs)+1, err)
		}
		certs = append(certs, cert)
	}
	if len(certs) == 0 {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "no certificate in it")
	}
	return certs, nil
}

// ParseRequest reads a signing request, PEM or DER.
func ParseRequest(data []byte) (*x509.CertificateRequest, error) {
	if block, _ := pem.Decode(data); block != nil {
		data = block.Bytes
	}
	csr, err := x509.ParseCertificateRequest(data)
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "no signing request: %w", err)
	}
	return csr, nil
}

// ParseKey reads a private key, PEM or DER: PKCS #8, PKCS #1 or SEC 1.
func ParseKey(data []byte) (crypto.Signer, error) {
	der := data
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "" {
			return nil, errdefs.Errorf(errdefs.ErrUnsupported,
				"the key is encrypted; decrypt it with: openssl pkey -in KEY -out KEY.plain")
		}
		if block.Type == "PRIVATE KEY" || block.Type == "EC PRIVATE KEY" || block.Type == "RSA PRIVATE KEY" {
			der = block.Bytes
			break
		}
	}
	key, err8 := x509.ParsePKCS8PrivateKey(der)
	if err8 == nil {
		if signer, ok := key.(crypto.Signer); ok {
			return signer, nil
		}
	}
	if key, err := x509.ParseECPrivateKey(der); err == nil {
		return key, nil
	}
	if key, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return key, nil
	}
	return nil, errdefs.Errorf(errdefs.ErrInvalid, "no private key: %w", err8)
}

// ParsePair reads a certificate and the key that belongs to it.
func ParsePair(certData, keyData []byte) (*Pair, error) {
	certs, err := ParseCertificates(certData)
	if err != nil {
		return nil, err
	}
	key, err := ParseKey(keyData)
	if err != nil {
		return nil, err
	}
	return (&Bundle{Certificates: certs, Key: key}).Pair()
}

// Matches says whether key is the private half of the certificate's key.
func Matches(cert *x509.Certificate, key crypto.Signer) bool {
	pub, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool })
	return ok && pub.Equal(cert.PublicKey)
}
