package signature

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/opencontainers/go-digest"
)

// What cosign signs in a bundle. Statements of other kinds are attestations: they say
// something of the artifact, and not that somebody stands for it.
const (
	inToto        = "application/vnd.in-toto+json"
	signPredicate = "https://sigstore.dev/cosign/sign/v1"
)

// sigstoreBundle is as much of sigstore/protobuf-specs sigstore_bundle.proto as is read, in
// its JSON.
type sigstoreBundle struct {
	Material struct {
		PublicKey *struct {
			Hint string `json:"hint"`
		} `json:"publicKey"`
		Certificate *rawBytes `json:"certificate"`
		Chain       *struct {
			Certificates []rawBytes `json:"certificates"`
		} `json:"x509CertificateChain"`
	} `json:"verificationMaterial"`
	Envelope *struct {
		Payload    []byte `json:"payload"`
		Type       string `json:"payloadType"`
		Signatures []struct {
			Sig   []byte `json:"sig"`
			KeyID string `json:"keyid"`
		} `json:"signatures"`
	} `json:"dsseEnvelope"`
	Message *struct {
		Digest struct {
			Algorithm string `json:"algorithm"`
			Digest    []byte `json:"digest"`
		} `json:"messageDigest"`
		Signature []byte `json:"signature"`
	} `json:"messageSignature"`
}

type rawBytes struct {
	Raw []byte `json:"rawBytes"`
}

func (b *sigstoreBundle) certificate() *x509.Certificate {
	var raw []byte
	switch {
	case b.Material.Certificate != nil:
		raw = b.Material.Certificate.Raw
	case b.Material.Chain != nil && len(b.Material.Chain.Certificates) > 0:
		raw = b.Material.Chain.Certificates[0].Raw
	}
	cert, err := x509.ParseCertificate(raw)
	if err != nil {
		return nil
	}
	return cert
}

// statement is an in-toto statement (in-toto/attestation spec/v1/statement.md).
type statement struct {
	Subject []struct {
		Digest map[string]string `json:"digest"`
	} `json:"subject"`
	PredicateType string `json:"predicateType"`
}

// bundle reads a Sigstore bundle; false says that it is an attestation.
func bundle(manifest digest.Digest, body []byte) (Signature, bool) {
	var b sigstoreBundle
	if err := json.Unmarshal(body, &b); err != nil {
		return broken(CosignBundle, manifest, "it is no Sigstore bundle: %v", err), true
	}
	s := Signature{Form: CosignBundle, Manifest: manifest}
	cert := b.certificate()
	switch {
	case b.Material.PublicKey != nil:
		s.Signer.KeyID = keyID(b.Material.PublicKey.Hint)
	case cert != nil:
		s.Signer = signerOf(cert)
	}
	var verify func(of digest.Digest, keys []Key) (Verified, error)
	switch {
	case b.Envelope != nil:
		var what statement
		if err := json.Unmarshal(b.Envelope.Payload, &what); err != nil || b.Envelope.Type != inToto {
			return broken(CosignBundle, manifest, "what is signed is no in-toto statement"), true
		}
		if what.PredicateType != signPredicate {
			return s, false
		}
		verify = func(of digest.Digest, keys []Key) (Verified, error) { return b.verifyEnvelope(what, of, keys) }
	case b.Message != nil:
		verify = b.verifyMessage
	default:
		return broken(CosignBundle, manifest, "the bundle has no signature"), true
	}
	s.check = func(of digest.Digest, keys []Key, _ time.Time) (Verified, error) {
		v, err := verify(of, keys)
		if err != nil && b.Material.PublicKey == nil && FailureOf(err).Reason != OtherDigest {
			err = orKeyless(err, cert)
		}
		return v, err
	}
	return s, true
}

// keyID is what cosign calls a key, its hash in base64, as Key.ID has it.
func keyID(hint string) string {
	if sum, err := base64.StdEncoding.DecodeString(hint); err == nil && len(sum) == sha256.Size {
		return "sha256:" + hex.EncodeToString(sum)
	}
	return hint
}

func (b *sigstoreBundle) verifyEnvelope(what statement, of digest.Digest, keys []Key) (Verified, error) {
	if len(b.Envelope.Signatures) != 1 {
		return Verified{}, failure(Malformed, "the envelope has %d signatures, and a bundle has one",
			len(b.Envelope.Signatures))
	}
	// DSSE's pre-authentication encoding (secure-systems-lab/dsse protocol.md).
	message := fmt.Appendf(nil, "DSSEv1 %d %s %d ", len(b.Envelope.Type), b.Envelope.Type, len(b.Envelope.Payload))
	v, err := byKey(keys, append(message, b.Envelope.Payload...), b.Envelope.Signatures[0].Sig)
	if err != nil {
		return v, err
	}
	var first digest.Digest
	for _, subject := range what.Subject {
		signed := digest.NewDigestFromEncoded(of.Algorithm(), subject.Digest[of.Algorithm().String()])
		if signed == of {
			return v, nil
		}
		if first == "" {
			first = signed
		}
	}
	return Verified{}, same(first, of)
}

// verifyMessage verifies what was made of the artifact's own bytes.
func (b *sigstoreBundle) verifyMessage(of digest.Digest, keys []Key) (Verified, error) {
	const algorithm = "SHA2_256"
	if b.Message.Digest.Algorithm != algorithm || of.Algorithm() != digest.SHA256 {
		return Verified{}, failure(Unsupported, "it is made of a hash of algorithm %q, and %s is what is verified",
			b.Message.Digest.Algorithm, algorithm)
	}
	keys = bare(keys)
	if len(keys) == 0 {
		return Verified{}, failure(NoKey, "no public key is trusted, and cosign signs with one")
	}
	sum, err := hex.DecodeString(of.Encoded())
	if err != nil {
		return Verified{}, failure(Malformed, "%s is no digest", of)
	}
	for _, k := range keys {
		if k.verifiesHash(hashes[0], sum, b.Message.Signature) {
			return Verified{Key: k}, nil
		}
	}
	if signed := digest.NewDigestFromBytes(digest.SHA256, b.Message.Digest.Digest); signed != of {
		return Verified{}, same(signed, of)
	}
	return Verified{}, failure(WrongKey, "it was not made by a key that is trusted (signature %.12s…)",
		base64.StdEncoding.EncodeToString(b.Message.Signature))
}
