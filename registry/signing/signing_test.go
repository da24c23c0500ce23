package signing_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/content/memstore"
	"cove/distribution"
	"cove/distribution/distributiontest"
	"cove/distribution/filter"
	"cove/distribution/signature"
	"cove/distribution/signature/signaturetest"
	"cove/errdefs"
	"cove/registry/auth"
	"cove/registry/metadata"
	"cove/registry/metadata/metadatatest"
	"cove/registry/signing"
	"cove/registry/store"
)

const repo = "team/app"

// everyone may do everything: who may is for the judge.
type everyone struct{}

func (everyone) May(context.Context, distribution.Action, string) bool { return true }

// bench is a registry with the policy around it.
type bench struct {
	*testing.T
	*signing.Signing
	db      *metadata.DB
	bytes   content.BlobStore
	store   *store.Registry
	served  distribution.Registry
	now     time.Time
	context context.Context
}

func newBench(t *testing.T, db *metadata.DB) *bench {
	t.Helper()
	b := &bench{T: t, db: db, bytes: memstore.New(time.Now), now: time.Now()}
	b.context = auth.WithCaller(t.Context(), auth.Operator())
	var err error
	if b.store, err = store.New(t.Context(), store.Config{Store: b.bytes, DB: db, Rights: everyone{}}, true); err != nil {
		t.Fatal(err)
	}
	b.Signing = signing.New(signing.Config{DB: db, Registry: b.store, Now: func() time.Time { return b.now }})
	b.served = filter.Guarded(b.store, b.MayPull)
	return b
}

// TestSigning runs each test below over a database of its own, in each engine.
func TestSigning(t *testing.T) {
	t.Parallel()
	metadatatest.Each(t, func(t *testing.T, open func(testing.TB, func() time.Time) *metadata.DB) {
		for name, test := range map[string]func(*bench){
			"only signed images are pulled": testSigned, "an index speaks for its images": testIndex,
			"keys that go": testKeysThatGo, "everywhere": testEverywhere, "what says something of images": testAccessories, "policy": testPolicy,
			"certificates end": testCertificates, "reports": testReport, "who may": testRights,
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				test(newBench(t, open(t, time.Now)))
			})
		}
	})
}

func (b *bench) image(seed uint64, tags ...string) ocispec.Descriptor {
	b.Helper()
	return signaturetest.PushImage(b, b.store, repo, distributiontest.NewImage(b, seed, 50), tags...)
}

func (b *bench) sign(s signaturetest.Signer, of ocispec.Descriptor) {
	b.Helper()
	signaturetest.Push(b, b.store, repo, signaturetest.Simple(b, nil, s.Sign(b, signaturetest.Payload(of.Digest))), signature.TagOf(of.Digest))
}

func (b *bench) trust(name string, s signaturetest.Signer) {
	b.Helper()
	if _, err := b.Trust(b.context, auth.Operator(), "team", name, string(s.PEM)); err != nil {
		b.Fatal(err)
	}
}

func (b *bench) require(on bool) {
	b.Helper()
	if err := b.Require(b.context, auth.Operator(), "team", on); err != nil {
		b.Fatal(err)
	}
}

// pulls asks in each way that clients do; says is in the refusal, "" for none.
func (b *bench) pulls(of digest.Digest, tag, says string) {
	b.Helper()
	_, get := b.served.GetManifest(b.context, repo, of)
	_, head := b.served.StatManifest(b.context, repo, of)
	errs := map[string]error{"GET by digest": get, "HEAD by digest": head}
	if tag != "" {
		_, errs["GET by tag"] = b.served.GetTag(b.context, repo, tag)
		_, errs["HEAD by tag"] = b.served.StatTag(b.context, repo, tag)
	}
	for how, err := range errs {
		switch {
		case says == "" && err != nil:
			b.Errorf("%s: %v", how, err)
		case says != "" && (!errors.Is(err, errdefs.ErrDenied) || !strings.Contains(err.Error(), says)):
			b.Errorf("%s: %v, want a refusal with %q", how, err, says)
		}
	}
}

func testSigned(b *bench) {
	ours, other := signaturetest.New(b, "ecdsa"), signaturetest.New(b, "ed25519")
	img := b.image(1, "v1")
	b.pulls(img.Digest, "v1", "") // nobody asked for signatures
	b.trust("release", ours)
	b.pulls(img.Digest, "v1", "") // nor now
	b.require(true)
	b.pulls(img.Digest, "v1", "it is not signed; project \"team\" lets only what one of its keys (release) has signed be pulled")
	b.sign(other, img)
	b.pulls(img.Digest, "v1", "it was not made by a key that is trusted")
	b.sign(ours, img)
	b.pulls(img.Digest, "v1", "")
	if err := b.store.DeleteTag(b.context, repo, signature.TagOf(img.Digest)); err != nil {
		b.Fatal(err)
	}
	b.pulls(img.Digest, "v1", "it is not signed")
	b.require(false)
	b.pulls(img.Digest, "v1", "")
	b.require(true)
	// A signature that is there before its image, and one of an image elsewhere.
	late := distributiontest.NewImage(b, 9, 10)
	b.sign(ours, late.Manifest.Descriptor)
	signaturetest.PushImage(b, b.store, repo, late, "late")
	b.pulls(late.Manifest.Descriptor.Digest, "late", "")
	moved := b.image(10, "moved")
	signaturetest.Push(b, b.store, repo, signaturetest.Simple(b, nil, ours.Sign(b, signaturetest.Payload(img.Digest))), signature.TagOf(moved.Digest))
	b.pulls(moved.Digest, "moved", "what is signed is "+img.Digest.String())
	// One that lies in another repository says nothing here.
	far := b.image(11, "far")
	signaturetest.Push(b, b.store, "team/other", signaturetest.Simple(b, &far, ours.Sign(b, signaturetest.Payload(far.Digest))))
	b.pulls(far.Digest, "far", "it is not signed")
}

func testIndex(b *bench) {
	ours := signaturetest.New(b, "ecdsa")
	one, two, alone := b.image(1), b.image(2), b.image(3)
	b.trust("release", ours)
	inner := distributiontest.Index(b, one, two)
	outer := distributiontest.Index(b, inner.Descriptor)
	signaturetest.Push(b, b.store, repo, signaturetest.Artifact{Manifest: inner}, "inner")
	signaturetest.Push(b, b.store, repo, signaturetest.Artifact{Manifest: outer}, "outer")
	b.require(true)
	for _, d := range []digest.Digest{one.Digest, two.Digest, inner.Descriptor.Digest, outer.Descriptor.Digest} {
		b.pulls(d, "", "it is not signed")
	}
	b.sign(ours, one) // an image speaks for no index
	b.pulls(one.Digest, "", "")
	b.pulls(inner.Descriptor.Digest, "inner", "it is not signed")
	b.sign(ours, outer.Descriptor)
	b.pulls(outer.Descriptor.Digest, "outer", "")
	b.pulls(inner.Descriptor.Digest, "inner", "")
	b.pulls(two.Digest, "", "")
	b.pulls(alone.Digest, "", "it is not signed")
	r, err := b.Report(b.context, auth.Operator(), repo, "", two.Digest)
	if err != nil || !r.Counts || r.Verdict.Through != outer.Descriptor.Digest || r.Verdict.Key != "release" {
		b.Errorf("%+v, %v", r, err)
	}
}

// testKeysThatGo: another server, which has verified before, asks for the keys anew.
func testKeysThatGo(b *bench) {
	ours := signaturetest.New(b, "rsa")
	img := b.image(1, "v1")
	b.sign(ours, img)
	b.trust("release", ours)
	b.require(true)
	other := signing.New(signing.Config{DB: b.db, Registry: b.store})
	for range 3 {
		if err := other.MayPull(b.context, repo, img); err != nil {
			b.Fatal(err)
		}
	}
	if err := b.Distrust(b.context, auth.Operator(), "team", "release"); err != nil {
		b.Fatal(err)
	}
	if err := other.MayPull(b.context, repo, img); !errors.Is(err, errdefs.ErrDenied) || !strings.Contains(err.Error(), "has no key whose signatures count") {
		b.Errorf("at the other server: %v", err)
	}
	b.pulls(img.Digest, "v1", "has no key whose signatures count")
	b.trust("again", ours)
	b.pulls(img.Digest, "v1", "")
}

// testEverywhere: a server that has just let everything be pulled hears of it, too.
func testEverywhere(b *bench) {
	img := b.image(1, "v1")
	b.trust("release", signaturetest.New(b, "ecdsa"))
	other := signing.New(signing.Config{DB: b.db, Registry: b.store})
	b.pulls(img.Digest, "v1", "")
	if err := other.MayPull(b.context, repo, img); err != nil {
		b.Fatal(err)
	}
	b.require(true)
	b.pulls(img.Digest, "v1", "lets only what one of its keys")
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		err := other.MayPull(b.context, repo, img)
		if errors.Is(err, errdefs.ErrDenied) {
			break
		}
		if err != nil || time.Now().After(end) {
			b.Fatalf("at the other server: %v", err)
		}
	}
	b.require(false)
	if err := other.MayPull(b.context, repo, img); err != nil {
		b.Errorf("at the other server, when nothing is required any more: %v", err)
	}
}

func testAccessories(b *bench) {
	ours := signaturetest.New(b, "ecdsa")
	img := b.image(1, "v1")
	b.trust("release", ours)
	b.require(true)
	simple := signaturetest.Simple(b, nil, ours.Sign(b, signaturetest.Payload(img.Digest)))
	bill := signaturetest.Referrer(b, "application/spdx+json", "application/spdx+json", img, []byte("{}"))
	signaturetest.Push(b, b.store, repo, simple, signature.TagOf(img.Digest))
	signaturetest.Push(b, b.store, repo, bill)
	b.pulls(simple.Manifest.Descriptor.Digest, signature.TagOf(img.Digest), "")
	b.pulls(bill.Manifest.Descriptor.Digest, "", "")
	// An image is one, whatever it says that it is.
	hidden := distributiontest.NewImage(b, 5, 20)
	var doc ocispec.Manifest
	if err := json.Unmarshal(hidden.Manifest.Body, &doc); err != nil {
		b.Fatal(err)
	}
	doc.Subject, doc.ArtifactType = &img, "application/vnd.dev.cosign.artifact.sig.v1+json"
	hidden.Manifest = distributiontest.NewManifest(b, doc)
	d := signaturetest.PushImage(b, b.store, repo, hidden, signature.TagOf(digest.FromString("x")))
	b.pulls(d.Digest, signature.TagOf(digest.FromString("x")), "it is not signed")
}

func testPolicy(b *bench) {
	b.image(1)
	if err := b.Require(b.context, auth.Operator(), "team", true); !errors.Is(err, errdefs.ErrConflict) {
		b.Errorf("without a key: %v", err)
	}
	key := signaturetest.New(b, "ecdsa")
	b.trust("a", key)
	for name, tt := range map[string]struct {
		project, name, pem string
		want               error
	}{
		"name again":  {"team", "a", string(signaturetest.New(b, "ecdsa").PEM), errdefs.ErrExists},
		"key again":   {"team", "b", string(key.PEM), errdefs.ErrExists},
		"odd name":    {"team", "a b", string(key.PEM), errdefs.ErrInvalid},
		"no key":      {"team", "c", "hello", errdefs.ErrInvalid},
		"no project":  {"nowhere", "c", string(key.PEM), errdefs.ErrNotFound},
		"private key": {"team", "c", "-----BEGIN PRIVATE KEY-----\naGVsbG8=\n-----END PRIVATE KEY-----", errdefs.ErrInvalid},
	} {
		if _, err := b.Trust(b.context, auth.Operator(), tt.project, tt.name, tt.pem); !errors.Is(err, tt.want) {
			b.Errorf("%s: %v", name, err)
		}
	}
	b.require(true)
	p, err := b.Of(b.context, auth.Operator(), "team")
	if err != nil || !p.Required || len(p.Keys) != 1 || p.Keys[0].Name != "a" || p.Keys[0].Algorithm != "ECDSA P-256" || p.At.IsZero() {
		b.Errorf("%+v, %v", p, err)
	}
	if err := b.Distrust(b.context, auth.Operator(), "team", "z"); !errors.Is(err, errdefs.ErrNotFound) {
		b.Error(err)
	}
	if _, err := b.Of(b.context, auth.Operator(), "nowhere"); !errors.Is(err, errdefs.ErrNotFound) {
		b.Error(err)
	}
}

func testCertificates(b *bench) {
	builder := signaturetest.Certified(b, "builder", b.now.Add(-time.Hour), b.now.Add(time.Hour))
	img := b.image(1, "v1")
	b.trust("ca", builder)
	b.require(true)
	signaturetest.Push(b, b.store, repo, signaturetest.Referrer(b, signaturetest.TypeNotation, "application/jose+json", img,
		builder.Envelope(b, "application/jose+json", img, b.now)))
	b.pulls(img.Digest, "v1", "")
	b.now = b.now.Add(2 * time.Hour) // it was verified before, and ends nevertheless
	b.pulls(img.Digest, "v1", "it counts from")
}

func testReport(b *bench) {
	ours, other := signaturetest.New(b, "ecdsa"), signaturetest.New(b, "ecdsa")
	img := b.image(1, "v1")
	b.trust("release", ours)
	b.sign(ours, img)
	signaturetest.Push(b, b.store, repo, signaturetest.Referrer(b, signaturetest.TypeBundle, signaturetest.TypeBundle, img,
		other.Bundle(b, signaturetest.Statement(img.Digest, signaturetest.SignPredicate))))
	beside := signing.New(signing.Config{DB: b.db, Bytes: func(context.Context) (content.Provider, func() error, error) {
		return b.bytes, func() error { return nil }, nil
	}})
	for name, s := range map[string]*signing.Signing{"served": b.Signing, "stored": beside} {
		r, err := s.Report(b.context, auth.Operator(), repo, "v1", "")
		if err != nil {
			b.Fatal(err)
		}
		if r.Digest != img.Digest || r.Required || !r.Counts || r.Verdict.Key != "release" || len(r.Signatures) != 2 {
			b.Fatalf("%s: %+v", name, r)
		}
		if s := r.Signatures[0]; s.Form != signature.Cosign || s.Key != "release" {
			b.Errorf("%s: %+v", name, s)
		}
		if s := r.Signatures[1]; s.Form != signature.CosignBundle || s.Key != "" || s.Failure.Reason != signature.WrongKey || s.Signer.KeyID != "aGludA==" {
			b.Errorf("%s: %+v", name, s)
		}
	}
	if _, err := b.Report(b.context, auth.Operator(), repo, "", digest.FromString("x")); !errors.Is(err, errdefs.ErrNotFound) {
		b.Error(err)
	}
	if _, err := signing.New(signing.Config{DB: b.db}).Report(b.context, auth.Operator(), repo, "v1", ""); !errors.Is(err, errdefs.ErrUnsupported) {
		b.Error(err)
	}
}

func testRights(b *bench) {
	img := b.image(1, "v1")
	nobody := auth.Caller{}
	_, of := b.Of(b.context, nobody, "team")
	_, report := b.Report(b.context, nobody, repo, "", img.Digest)
	_, trust := b.Trust(b.context, nobody, "team", "a", string(signaturetest.New(b, "ecdsa").PEM))
	for what, err := range map[string]error{
		"of": of, "report": report, "trust": trust,
		"require": b.Require(b.context, nobody, "team", false), "distrust": b.Distrust(b.context, nobody, "team", "a"),
	} {
		if err == nil {
			b.Errorf("%s: anybody may", what)
		}
	}
}
