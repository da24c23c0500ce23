package signature

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"strings"

	"cove/errdefs"
)

const (
	// MaxKey bounds the text of a key, in bytes.
	MaxKey = 16 << 10
	// minRSA is the least length of an RSA key, in bits, that is trusted.
	minRSA = 2048
)

// Key is what somebody trusts: a public key, whose signatures are cosign's, or a
// certificate, which is in the chain of Notary Project's.
type Key struct {
	Name string // which people gave it
	// ID is "sha256:" and the hash, in hex, of the key as SubjectPublicKeyInfo in DER
	// (as "cosign public-key | openssl pkey -pubin -outform DER | sha256sum" prints), or
	// of the certificate in DER.
	ID          string
	Algorithm   string // as "ECDSA P-256", "RSA 3072", "Ed25519"
	Public      crypto.PublicKey
	Certificate *x509.Certificate // nil of a bare key
}

// ParseKey reads one public key (PUBLIC KEY, RSA PUBLIC KEY) or one certificate in PEM.
// The error is errdefs.ErrInvalid and says what is given instead.
func ParseKey(name string, text []byte) (Key, error) {
	k := Key{Name: name}
	if len(text) > MaxKey {
		return k, invalid("a key has at most %d bytes, this has %d", MaxKey, len(text))
	}
	block, rest := pem.Decode(text)
	if block == nil {
		return k, invalid("that is no PEM: a public key begins with -----BEGIN PUBLIC KEY-----, " +
			"a certificate with -----BEGIN CERTIFICATE-----")
	}
	if next, _ := pem.Decode(rest); next != nil || strings.TrimSpace(string(rest)) != "" {
		return k, invalid("there is more than one key; add them one by one")
	}
	if err := k.read(block); err != nil {
		return k, err
	}
	var err error
	k.Algorithm, err = algorithmOf(k.Public)
	return k, err
}

func (k *Key) read(block *pem.Block) (err error) {
	switch {
	case block.Type == "PUBLIC KEY":
		k.Public, err = x509.ParsePKIXPublicKey(block.Bytes)
	case block.Type == "RSA PUBLIC KEY":
		k.Public, err = x509.ParsePKCS1PublicKey(block.Bytes)
	case block.Type == "CERTIFICATE":
		if k.Certificate, err = x509.ParseCertificate(block.Bytes); err == nil {
			k.Public, k.ID = k.Certificate.PublicKey, identify(block.Bytes)
		}
	case strings.Contains(block.Type, "PRIVATE"):
		return invalid("that is a private key (%s): keep it to yourself, and give its public key", block.Type)
	default:
		return invalid("a PEM block %q is neither a public key nor a certificate", block.Type)
	}
	if err != nil {
		return invalid("%s: %w", strings.ToLower(block.Type), err)
	}
	if k.ID == "" {
		der, err := x509.MarshalPKIXPublicKey(k.Public)
		if err != nil {
			return invalid("%s: %w", strings.ToLower(block.Type), err)
		}
		k.ID = identify(der)
	}
	return nil
}

func identify(der []byte) string {
	sum := sha256.Sum256(der)
	return "sha256:" + hex.EncodeToString(sum[:])
}

func algorithmOf(key crypto.PublicKey) (string, error) {
	switch key := key.(type) {
	case *ecdsa.PublicKey:
		return "ECDSA " + key.Params().Name, nil
	case ed25519.PublicKey:
		return "Ed25519", nil
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); bits < minRSA {
			return "", invalid("an RSA key of %d bits is too short: use %d or more", bits, minRSA)
		}
		return "RSA " + itoa(key.N.BitLen()), nil
	}
	return "", errdefs.Errorf(errdefs.ErrUnsupported, "keys of type %T verify nothing here: use ECDSA, RSA or Ed25519",
		key)
}

// verifies says whether sig is this key's signature of message.
func (k Key) verifies(message, sig []byte) bool {
	switch key := k.Public.(type) {
	case ed25519.PublicKey:
		if ed25519.Verify(key, message, sig) {
			return true
		}
		// What is hashed before it is signed, as for a log that does not have the message.
		sum := sha512.Sum512(message)
		return ed25519.VerifyWithOptions(key, sum[:], sig, &ed25519.Options{Hash: crypto.SHA512}) == nil
	case *ecdsa.PublicKey, *rsa.PublicKey:
		for _, h := range hashes {
			sum := h.New()
			sum.Write(message)
			if k.verifiesHash(h, sum.Sum(nil), sig) {
				return true
			}
		}
	}
	return false
}

// hashes are those that cosign takes: SHA-256 always until version 2, and since then the
// one that fits the curve.
var hashes = []crypto.Hash{crypto.SHA256, crypto.SHA384, crypto.SHA512}

func (k Key) verifiesHash(h crypto.Hash, sum, sig []byte) bool {
	switch key := k.Public.(type) {
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(key, sum, sig)
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(key, h, sum, sig) == nil || rsa.VerifyPSS(key, h, sum, sig, nil) == nil
	}
	return false
}

func invalid(format string, args ...any) error {
	return errdefs.Errorf(errdefs.ErrInvalid, format, args...)
}
