// Package notation reads and verifies signatures of the Notary Project, envelopes in
// JWS and COSE (notaryproject/specifications specs/signature-specification.md), by its
// own library, which no other package links.
package notation

import (
	"crypto/x509"
	"encoding/json"
	"fmt"
	"time"

	core "github.com/notaryproject/notation-core-go/signature"
	"github.com/notaryproject/notation-core-go/signature/cose"
	"github.com/notaryproject/notation-core-go/signature/jws"
	"github.com/opencontainers/go-digest"
)

// ArtifactType is that of a manifest that holds a signature.
const ArtifactType = "application/vnd.cncf.notary.signature"

// payloadType is that of what is signed.
const payloadType = "application/vnd.cncf.notary.payload.v1+json"

// Known says whether envelopes of this media type can be read.
func Known(mediaType string) bool {
	return mediaType == jws.MediaTypeEnvelope || mediaType == cose.MediaTypeEnvelope
}

// Envelope is a signature whose bytes are its own certificate's: nothing says yet that
// somebody trusts that.
type Envelope struct {
	Signed digest.Digest // the artifact that is signed
	Chain  []*x509.Certificate
	At     time.Time // when, as the signer says

	content *core.EnvelopeContent
}

// Read parses an envelope and verifies that the first certificate in it made it, and
// that the others vouch for that one.
func Read(mediaType string, body []byte) (*Envelope, error) {
	parsed, err := core.ParseEnvelope(mediaType, body)
	if err != nil {
		return nil, err
	}
	content, err := parsed.Verify()
	if err != nil {
		return nil, err
	}
	if content.Payload.ContentType != payloadType {
		return nil, fmt.Errorf("what is signed is %q, not %q", content.Payload.ContentType, payloadType)
	}
	var payload struct {
		Target struct {
			Digest digest.Digest `json:"digest"`
		} `json:"targetArtifact"`
	}
	if err := json.Unmarshal(content.Payload.Content, &payload); err != nil {
		return nil, fmt.Errorf("what is signed is no payload of the Notary Project: %w", err)
	}
	return &Envelope{
		Signed: payload.Target.Digest, Chain: content.SignerInfo.CertificateChain,
		At: content.SignerInfo.SignedAttributes.SigningTime, content: content,
	}, nil
}

// Unsupported says what of the envelope must be understood and is not; "" if nothing.
func (e *Envelope) Unsupported() string {
	attrs := e.content.SignerInfo.SignedAttributes
	if attrs.SigningScheme != core.SigningSchemeX509 {
		return fmt.Sprintf("the signing scheme %q", attrs.SigningScheme)
	}
	for _, a := range attrs.ExtendedAttributes {
		if a.Critical {
			return fmt.Sprintf("the attribute %q", a.Key)
		}
	}
	return ""
}

// Trusted is the first of the certificates that is in the chain, nil if none is.
func (e *Envelope) Trusted(certs []*x509.Certificate) *x509.Certificate {
	cert, err := core.VerifyAuthenticity(&e.content.SignerInfo, certs)
	if err != nil {
		return nil
	}
	return cert
}

// Valid is the time in which all certificates and the signature itself are.
func (e *Envelope) Valid() (from, until time.Time) {
	until = e.content.SignerInfo.SignedAttributes.Expiry
	for _, cert := range e.Chain {
		if from.Before(cert.NotBefore) {
			from = cert.NotBefore
		}
		if until.IsZero() || cert.NotAfter.Before(until) {
			until = cert.NotAfter
		}
	}
	return from, until
}
