package signature

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// What cosign writes beside a payload.
const (
	annotationSignature   = "dev.cosignproject.cosign/signature"
	annotationCertificate = "dev.sigstore.cosign/certificate"
)

// payload is what is signed: containers/image's "simple signing".
type payload struct {
	Critical struct {
		Image struct {
			Digest digest.Digest `json:"docker-manifest-digest"`
		} `json:"image"`
		Type string `json:"type"`
	} `json:"critical"`
	Optional map[string]any `json:"optional"`
}

// payloadType keeps a signature from counting that was made for another purpose.
const payloadType = "cosign container image signature"

// simple reads one layer of cosign's.
func simple(manifest digest.Digest, layer ocispec.Descriptor, body []byte) Signature {
	text := layer.Annotations[annotationSignature]
	if text == "" {
		return broken(Cosign, manifest, "the layer %s has no signature beside it", layer.Digest)
	}
	sig, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return broken(Cosign, manifest, "the signature beside layer %s is no base64", layer.Digest)
	}
	s := Signature{Form: Cosign, Manifest: manifest}
	cert := certificateOf([]byte(layer.Annotations[annotationCertificate]))
	if cert != nil {
		s.Signer = signerOf(cert)
	}
	s.check = func(of digest.Digest, keys []Key, _ time.Time) (Verified, error) {
		v, err := byKey(keys, body, sig)
		if err != nil {
			return v, orKeyless(err, cert)
		}
		return v, claims(body, of)
	}
	return s
}

// claims refuses a payload that is signed, but of something else.
func claims(body []byte, of digest.Digest) error {
	var p payload
	if err := json.Unmarshal(body, &p); err != nil {
		return failure(Malformed, "what is signed is no JSON of cosign's")
	}
	if p.Critical.Type != payloadType {
		return failure(Malformed, "what is signed is %q, not %q", p.Critical.Type, payloadType)
	}
	return same(p.Critical.Image.Digest, of)
}

func same(signed, of digest.Digest) error {
	if signed != of {
		return failure(OtherDigest, "what is signed is %s, not this artifact", orNothing(signed))
	}
	return nil
}

func orNothing(d digest.Digest) string {
	if d == "" {
		return "nothing"
	}
	return d.String()
}

// certificateOf is the first certificate of a text in PEM, nil if there is none.
func certificateOf(text []byte) *x509.Certificate {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil
	}
	return cert
}

// issuers are the extensions in which Fulcio says who vouched for the subject, as text
// in DER and as bare text (sigstore/fulcio docs/oid-info.md).
const (
	issuerDER  = "1.3.6.1.4.1.57264.1.8"
	issuerText = "1.3.6.1.4.1.57264.1.1"
)

func signerOf(cert *x509.Certificate) Signer {
	s := Signer{Subject: cert.Subject.String(), Issuer: cert.Issuer.String(), At: cert.NotBefore}
	switch {
	case len(cert.EmailAddresses) > 0:
		s.Subject = cert.EmailAddresses[0]
	case len(cert.URIs) > 0:
		s.Subject = cert.URIs[0].String()
	}
	for _, ext := range cert.Extensions {
		switch value := ext.Value; {
		case ext.Id.String() == issuerText:
			s.Issuer = string(value)
		case ext.Id.String() == issuerDER && len(value) > 2 && int(value[1]) == len(value)-2:
			s.Issuer = string(value[2:])
		}
	}
	return s
}

// orKeyless says of what no key made that it was made without one.
func orKeyless(err error, cert *x509.Certificate) error {
	if cert == nil {
		return err
	}
	s := signerOf(cert)
	return failure(Keyless,
		"it was made without a key of its own (by %s, for whom %s vouches), which only a log elsewhere could show",
		s.Subject, s.Issuer)
}
