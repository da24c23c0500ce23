// Package signaturetest makes signatures as cosign and notation write them, and such as
// they would not.
package signaturetest

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"testing"
	"time"

	core "github.com/notaryproject/notation-core-go/signature"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/distribution"
	"cove/distribution/distributiontest"
	"cove/distribution/signature"
)

// Signer has a private key.
type Signer struct {
	private crypto.Signer
	chain   []*x509.Certificate
	// PEM is what is given to those who trust it: a public key, or a certificate.
	PEM []byte
}

// New makes a key: "ecdsa", "ecdsa-p384", "rsa", "rsa-1024" or "ed25519".
func New(t testing.TB, kind string) Signer {
	t.Helper()
	var s Signer
	var err error
	switch kind {
	case "ecdsa":
		s.private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "ecdsa-p384":
		s.private, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "rsa":
		s.private, err = rsa.GenerateKey(rand.Reader, 2048)
	case "rsa-1024":
		s.private, err = rsa.GenerateKey(rand.Reader, 1024)
	case "ed25519":
		_, s.private, err = ed25519.GenerateKey(rand.Reader)
	default:
		t.Fatalf("no key is called %q", kind)
	}
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(s.private.Public())
	if err != nil {
		t.Fatal(err)
	}
	s.PEM = pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	return s
}

// Certified makes a key with a certificate of its own authority, valid in this time.
// PEM is the authority's.
func Certified(t testing.TB, name string, from, until time.Time) Signer {
	t.Helper()
	authority, s := New(t, "ecdsa"), New(t, "ecdsa")
	root := certificate(t, &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name + " root", Organization: []string{"Team"}, Country: []string{"DE"}, Province: []string{"BE"}},
		NotBefore: from, NotAfter: until, KeyUsage: x509.KeyUsageCertSign, IsCA: true, BasicConstraintsValid: true,
	}, nil, authority, authority)
	leaf := certificate(t, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name, Organization: []string{"Team"}, Country: []string{"DE"}, Province: []string{"BE"}},
		NotBefore: from, NotAfter: until, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning},
	}, root, s, authority)
	s.chain = []*x509.Certificate{leaf, root}
	s.PEM = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Raw})
	return s
}

func certificate(t testing.TB, template, parent *x509.Certificate, of, by Signer) *x509.Certificate {
	t.Helper()
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, of.private.Public(), by.private)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// Key is what trusts the signer.
func (s Signer) Key(t testing.TB) signature.Key {
	t.Helper()
	k, err := signature.ParseKey("test", s.PEM)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// sign signs as cosign does.
func (s Signer) sign(t testing.TB, message []byte) []byte {
	t.Helper()
	sum := sha256.Sum256(message)
	hashed, opts := sum[:], crypto.SignerOpts(crypto.SHA256)
	if _, ok := s.private.(ed25519.PrivateKey); ok {
		hashed, opts = message, crypto.Hash(0)
	}
	sig, err := s.private.Sign(rand.Reader, hashed, opts)
	if err != nil {
		t.Fatal(err)
	}
	return sig
}

// Artifact is a manifest with its blobs.
type Artifact struct {
	Manifest distribution.Manifest
	Blobs    [][]byte
}

// Payload is what cosign signs of an artifact.
func Payload(of digest.Digest) []byte {
	return fmt.Appendf(nil, `{"critical":{"identity":{"docker-reference":"registry.example.com/team/app"},"image":`+
		`{"docker-manifest-digest":%q},"type":"cosign container image signature"},"optional":null}`, of)
}

// Layer is a payload with its signature.
type Layer struct {
	Payload     []byte
	Annotations map[string]string
}

// Sign is the layer that cosign makes of a payload.
func (s Signer) Sign(t testing.TB, payload []byte) Layer {
	t.Helper()
	return Layer{payload, map[string]string{
		"dev.cosignproject.cosign/signature": base64.StdEncoding.EncodeToString(s.sign(t, payload)),
	}}
}

// Simple is a manifest of cosign's; one without a subject is for a tag.
func Simple(t testing.TB, subject *ocispec.Descriptor, layers ...Layer) Artifact {
	t.Helper()
	config := []byte(`{"architecture":"","os":"","config":{},"rootfs":{"type":"layers","diff_ids":[]}}`)
	doc := ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest, Subject: subject,
		Config: distributiontest.Blob(ocispec.MediaTypeImageConfig, config),
	}
	if subject != nil {
		doc.ArtifactType = "application/vnd.dev.cosign.artifact.sig.v1+json"
	}
	a := Artifact{Blobs: [][]byte{config}}
	for _, l := range layers {
		desc := distributiontest.Blob("application/vnd.dev.cosign.simplesigning.v1+json", l.Payload)
		desc.Annotations = l.Annotations
		doc.Layers = append(doc.Layers, desc)
		a.Blobs = append(a.Blobs, l.Payload)
	}
	a.Manifest = distributiontest.NewManifest(t, doc)
	return a
}

// Statement is what cosign signs of an artifact in a bundle.
func Statement(of digest.Digest, predicate string) []byte {
	return fmt.Appendf(nil, `{"_type":"https://in-toto.io/Statement/v1","subject":[{"name":"","digest":{%q:%q}}],`+
		`"predicateType":%q,"predicate":{}}`, of.Algorithm(), of.Encoded(), predicate)
}

// SignPredicate is the predicate type of signatures.
const SignPredicate = "https://sigstore.dev/cosign/sign/v1"

// Bundle is the JSON of a bundle in which a statement is signed.
func (s Signer) Bundle(t testing.TB, statement []byte) []byte {
	t.Helper()
	const kind = "application/vnd.in-toto+json"
	message := fmt.Sprintf("DSSEv1 %d %s %d %s", len(kind), kind, len(statement), statement)
	return marshal(t, map[string]any{
		"mediaType":            "application/vnd.dev.sigstore.bundle.v0.3+json",
		"verificationMaterial": map[string]any{"publicKey": map[string]string{"hint": "aGludA=="}},
		"dsseEnvelope": map[string]any{
			"payload": statement, "payloadType": kind,
			"signatures": []any{map[string]any{"sig": s.sign(t, []byte(message))}},
		},
	})
}

// Message is the JSON of a bundle that signs the bytes themselves.
func (s Signer) Message(t testing.TB, of []byte) []byte {
	t.Helper()
	sum := sha256.Sum256(of)
	return marshal(t, map[string]any{
		"verificationMaterial": map[string]any{"publicKey": map[string]string{"hint": "aGludA=="}},
		"messageSignature": map[string]any{
			"messageDigest": map[string]any{"algorithm": "SHA2_256", "digest": sum[:]}, "signature": s.sign(t, of),
		},
	})
}

// Envelope is a signature of the Notary Project in a media type that it has.
func (s Signer) Envelope(t testing.TB, mediaType string, of ocispec.Descriptor, at time.Time, attrs ...core.Attribute) []byte {
	t.Helper()
	env, err := core.NewEnvelope(mediaType)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := core.NewLocalSigner(s.chain, s.private)
	if err != nil {
		t.Fatal(err)
	}
	body, err := env.Sign(&core.SignRequest{
		Payload: core.Payload{
			ContentType: "application/vnd.cncf.notary.payload.v1+json",
			Content:     marshal(t, map[string]any{"targetArtifact": of}),
		},
		Signer: signer, SigningTime: at, SigningScheme: core.SigningSchemeX509, SigningAgent: "test",
		ExtendedSignedAttributes: attrs,
	})
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// The artifact types of referrers.
const (
	TypeBundle   = "application/vnd.dev.sigstore.bundle.v0.3+json"
	TypeNotation = "application/vnd.cncf.notary.signature"
)

// Referrer is a manifest whose one layer is a signature.
func Referrer(t testing.TB, artifactType, mediaType string, subject ocispec.Descriptor, body []byte) Artifact {
	t.Helper()
	empty := []byte("{}")
	layer := distributiontest.Blob(mediaType, body)
	return Artifact{distributiontest.NewManifest(t, ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
		ArtifactType: artifactType, Config: distributiontest.Blob(ocispec.MediaTypeEmptyJSON, empty),
		Layers: []ocispec.Descriptor{layer}, Subject: &subject,
	}), [][]byte{empty, body}}
}

// Push stores an artifact, and names it by tags.
func Push(t testing.TB, r distribution.Registry, repo string, a Artifact, tags ...string) {
	t.Helper()
	for _, b := range a.Blobs {
		PushBlob(t, r, repo, b)
	}
	if _, err := r.PutManifest(t.Context(), repo, a.Manifest, tags...); err != nil {
		t.Fatal(err)
	}
}

// PushBlob stores a blob.
func PushBlob(t testing.TB, r distribution.Registry, repo string, b []byte) {
	t.Helper()
	up, err := r.StartUpload(t.Context(), repo)
	if err == nil {
		_, err = up.Write(b)
	}
	if err == nil {
		_, err = up.Commit(t.Context(), digest.FromBytes(b))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// PushImage stores an image, and names it by tags.
func PushImage(t testing.TB, r distribution.Registry, repo string, img distributiontest.Image, tags ...string) ocispec.Descriptor {
	t.Helper()
	a := Artifact{Manifest: img.Manifest}
	for _, b := range img.Blobs {
		a.Blobs = append(a.Blobs, b)
	}
	Push(t, r, repo, a, tags...)
	return img.Manifest.Descriptor
}

// Down is a source that does not answer.
type Down struct {
	signature.Source
	Err error
}

// Tagged fails.
func (d Down) Tagged(context.Context, string) (ocispec.Descriptor, error) {
	return ocispec.Descriptor{}, d.Err
}

func marshal(t testing.TB, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
