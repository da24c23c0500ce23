package webtest

import (
	"net/url"
	"testing"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/distribution/signature"
	"cove/distribution/signature/signaturetest"
)

// Sign signs an image as cosign does, by a tag.
func (s *Site) Sign(t testing.TB, repo string, of ocispec.Descriptor, by signaturetest.Signer) {
	t.Helper()
	s.Attach(t, repo, signature.TagOf(of.Digest), signaturetest.Simple(t, nil, by.Sign(t, signaturetest.Payload(of.Digest))))
}

// Attach pushes what says something of an image, under a tag, or by its digest when tag
// is "".
func (s *Site) Attach(t testing.TB, repo, tag string, a signaturetest.Artifact) {
	t.Helper()
	for _, b := range a.Blobs {
		s.blob(t, repo, "application/octet-stream", b)
	}
	s.Manifest(t, repo, tag, a.Manifest.Descriptor.MediaType, a.Manifest.Body)
}

// Signing has a project let only signed images be pulled, with one that is signed by a
// key, by another, and by a certificate that nobody trusts, and one that is not. It
// returns the path of the project's page.
func (s *Site) Signing(t testing.TB, project string) (path string) {
	t.Helper()
	repo, from := project+"/app", time.Now().Add(-time.Hour)
	key, other := signaturetest.New(t, "ecdsa"), signaturetest.New(t, "ed25519")
	builder := signaturetest.Certified(t, "builder", from, from.AddDate(1, 0, 0))
	signed := s.Push(t, repo, "v1", Image{})
	s.Push(t, repo, "v2", Image{Steps: []string{"unsigned"}, Layers: []map[string]string{{"a": "b"}}})
	s.Sign(t, repo, signed, key)
	s.Attach(t, repo, "", signaturetest.Referrer(t, signaturetest.TypeBundle, signaturetest.TypeBundle, signed,
		other.Bundle(t, signaturetest.Statement(signed.Digest, signaturetest.SignPredicate))))
	s.Attach(t, repo, "", signaturetest.Referrer(t, signaturetest.TypeNotation, "application/jose+json", signed,
		builder.Envelope(t, "application/jose+json", signed, from.Add(time.Minute))))
	path = "/projects/" + project + "/signing"
	admin := s.As(t, "admin")
	admin.Get(path, 200)
	ca := signaturetest.Certified(t, "authority", from, from.AddDate(5, 0, 0))
	for name, pem := range map[string][]byte{"release": key.PEM, "authority": ca.PEM} {
		admin.Post(path+"/keys", url.Values{"name": {name}, "pem": {string(pem)}}, 303)
	}
	admin.Post(path, url.Values{"required": {"1"}}, 303)
	return path
}
