package signature_test

import (
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content/memstore"
	"cove/distribution"
	"cove/distribution/distributiontest"
	"cove/distribution/signature"
	"cove/distribution/signature/signaturetest"
)

// TestCosign verifies what cosign itself wrote, of versions 2 and 3, with keys of each
// kind; and none with another's key, or of another image.
func TestCosign(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/cosign.json")
	if err != nil {
		t.Fatal(err)
	}
	var made struct {
		Subject    digest.Digest
		Signatures []struct {
			Tool, Form, Key, Manifest string
			Tagged                    bool
			Blobs                     []string
		}
	}
	if err := json.Unmarshal(text, &made); err != nil {
		t.Fatal(err)
	}
	for _, m := range made.Signatures {
		reg := distributiontest.NewMemory(memstore.New(nil))
		a := signaturetest.Artifact{Manifest: distribution.Manifest{
			Descriptor: distributiontest.Blob(ocispec.MediaTypeImageManifest, []byte(m.Manifest)), Body: []byte(m.Manifest),
		}}
		for _, b := range m.Blobs {
			a.Blobs = append(a.Blobs, []byte(b))
		}
		var tags []string
		if m.Tagged {
			tags = []string{signature.TagOf(made.Subject)}
		}
		signaturetest.Push(t, reg, repo, a, tags...)
		key, err := signature.ParseKey("cosign", []byte(m.Key))
		if err != nil {
			t.Fatal(err)
		}
		src := signature.In(reg, repo)
		v, err := signature.Verify(t.Context(), src, made.Subject, []signature.Key{key}, time.Now())
		if err != nil || v.Key.ID != key.ID {
			t.Errorf("%s, %s, %s: %v", m.Tool, m.Form, key.Algorithm, err)
		}
		other := signaturetest.New(t, "ecdsa").Key(t)
		if _, err := signature.Verify(t.Context(), src, made.Subject, []signature.Key{other}, time.Now()); signature.FailureOf(err).Reason != signature.WrongKey {
			t.Errorf("%s, %s, %s: with another key: %v", m.Tool, m.Form, key.Algorithm, err)
		}
		all, err := signature.Read(t.Context(), src, a.Manifest.Descriptor)
		if err != nil || len(all) != 1 || string(all[0].Form) != m.Form {
			t.Fatalf("%s: %+v, %v", m.Tool, all, err)
		}
		if id := all[0].Signer.KeyID; id != "" && id != key.ID {
			t.Errorf("%s: key %s, want %s", m.Tool, id, key.ID)
		}
		if _, err := all[0].Verify(digest.FromString("x"), []signature.Key{key}, time.Now()); signature.FailureOf(err).Reason != signature.OtherDigest {
			t.Errorf("%s: of another image: %v", m.Tool, err)
		}
	}
}
