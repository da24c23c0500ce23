package pki

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"software.sslmate.com/src/go-pkcs12"

	"cove/errdefs"
)

// Bundle is what a file about certificates holds, in any of the forms in which
// authorities hand them out.
type Bundle struct {
	Certificates []*x509.Certificate
	Key          crypto.Signer            // nil without one
	Request      *x509.CertificateRequest // nil without one
}

// ErrPassword is an encrypted file without its password, or with a wrong one.
var ErrPassword = errdefs.Errorf(errdefs.ErrDenied, "it is encrypted, and the password is missing or wrong")

// ParseBundle reads PEM (certificates, a key, a signing request, in any
// order), a DER certificate, request or key, or PKCS #12 (.p12, .pfx).
func ParseBundle(data []byte, password string) (*Bundle, error) {
	if bytes.Contains(data, []byte("-----BEGIN")) {
		return parsePEM(data)
	}
	if certs, err := x509.ParseCertificates(data); err == nil && len(certs) > 0 {
		return &Bundle{Certificates: certs}, nil
	}
	if csr, err := x509.ParseCertificateRequest(data); err == nil {
		return &Bundle{Request: csr}, nil
	}
	if key, err := ParseKey(data); err == nil {
		return &Bundle{Key: key}, nil
	}
	return parsePKCS12(data, password)
}

func parsePEM(data []byte) (*Bundle, error) {
	var b Bundle
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		var err error
		switch block.Type {
		case "CERTIFICATE":
			var cert *x509.Certificate
			if cert, err = x509.ParseCertificate(block.Bytes); err == nil {
				b.Certificates = append(b.Certificates, cert)
			}
		case "CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST":
			b.Request, err = x509.ParseCertificateRequest(block.Bytes)
		case "PRIVATE KEY", "EC PRIVATE KEY", "RSA PRIVATE KEY", "ENCRYPTED PRIVATE KEY":
			b.Key, err = ParseKey(pem.EncodeToMemory(block))
		default: // parameters of a curve, a CRL
			continue
		}
		if err != nil {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "%s: %w", block.Type, err)
		}
	}
	if len(b.Certificates) == 0 && b.Key == nil && b.Request == nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "no certificate, key or signing request in it")
	}
	return &b, nil
}

// parsePKCS12 reads a key with its chain, or a store of authorities.
func parsePKCS12(data []byte, password string) (*Bundle, error) {
	key, cert, chain, err := pkcs12.DecodeChain(data, password)
	switch {
	case errors.Is(err, pkcs12.ErrIncorrectPassword):
		return nil, ErrPassword
	case err != nil:
		certs, errStore := pkcs12.DecodeTrustStore(data, password)
		if errStore != nil {
			return nil, errdefs.Errorf(errdefs.ErrInvalid,
				"no certificate, key or signing request, neither PEM, DER nor PKCS #12: %w", err)
		}
		return &Bundle{Certificates: certs}, nil
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, errdefs.Errorf(errdefs.ErrUnsupported, "PKCS #12: a key of the type %T cannot sign", key)
	}
	return &Bundle{Certificates: append([]*x509.Certificate{cert}, chain...), Key: signer}, nil
}

// Pair is the bundle's certificate with its key, ready to be served.
func (b *Bundle) Pair() (*Pair, error) {
	switch {
	case len(b.Certificates) == 0:
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "no certificate in it")
	case b.Key == nil:
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "no private key in it")
	case !Matches(b.Certificates[0], b.Key):
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "the key does not belong to the certificate (%s)",
			b.Certificates[0].Subject)
	}
	p := &Pair{Cert: b.Certificates[0], Key: b.Key, CertPEM: EncodeCertificates(b.Certificates)}
	var err error
	p.KeyPEM, err = encodeKey(b.Key)
	return p, err
}

// EncodeCertificates writes certificates as PEM, in their order.
func EncodeCertificates(certs []*x509.Certificate) []byte {
	var out bytes.Buffer
	for _, cert := range certs {
		_ = pem.Encode(&out, &pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}) // a buffer takes everything
	}
	return out.Bytes()
}

// EncodePKCS12 writes a pair as one encrypted file, as Windows and Java want it.
func (p *Pair) EncodePKCS12(password string) ([]byte, error) {
	chain, err := ParseCertificates(p.CertPEM)
	if err != nil {
		return nil, err
	}
	data, err := pkcs12.Modern2023.Encode(p.Key, p.Cert, chain[1:], password)
	if err != nil {
		return nil, fmt.Errorf("PKCS #12: %w", err)
	}
	return data, nil
}
