package signature_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	core "github.com/notaryproject/notation-core-go/signature"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content/memstore"
	"cove/distribution/distributiontest"
	"cove/distribution/signature"
	"cove/distribution/signature/signaturetest"
	"cove/errdefs"
)

const (
	repo = "team/app"
	jws  = "application/jose+json"
	cose = "application/cose"
)

// stage is a registry with an image.
type stage struct {
	t   *testing.T
	reg *distributiontest.Memory
	img ocispec.Descriptor
	raw []byte
}

func newStage(t *testing.T) *stage {
	t.Helper()
	s := &stage{t: t, reg: distributiontest.NewMemory(memstore.New(nil))}
	img := distributiontest.NewImage(t, 1, 100)
	s.raw = img.Manifest.Body
	s.img = signaturetest.PushImage(t, s.reg, repo, img, "v1")
	return s
}

// tagged signs by cosign's tag.
func (s *stage) tagged(layers ...signaturetest.Layer) {
	s.t.Helper()
	signaturetest.Push(s.t, s.reg, repo, signaturetest.Simple(s.t, nil, layers...), signature.TagOf(s.img.Digest))
}

func (s *stage) refer(kind, mediaType string, body []byte) {
	s.t.Helper()
	signaturetest.Push(s.t, s.reg, repo, signaturetest.Referrer(s.t, kind, mediaType, s.img, body))
}

// TestVerify has each form in each state that a registry may hold.
func TestVerify(t *testing.T) {
	t.Parallel()
	now := time.Now()
	ours, other := signaturetest.New(t, "ecdsa"), signaturetest.New(t, "ecdsa")
	cert := signaturetest.Certified(t, "builder", now.Add(-time.Hour), now.Add(time.Hour))
	stranger := signaturetest.Certified(t, "builder", now.Add(-time.Hour), now.Add(time.Hour))
	old := signaturetest.Certified(t, "builder", now.Add(-2*time.Hour), now.Add(-time.Hour))
	elsewhere := digest.FromString("another image")
	const good = signature.Reason("")
	for name, tt := range map[string]struct {
		sign  func(s *stage)
		trust []signaturetest.Signer
		want  signature.Reason
	}{
		"nothing":             {func(*stage) {}, []signaturetest.Signer{ours}, signature.Unsigned},
		"tag":                 {func(s *stage) { s.tagged(ours.Sign(t, signaturetest.Payload(s.img.Digest))) }, []signaturetest.Signer{other, ours}, good},
		"tag, other key":      {func(s *stage) { s.tagged(other.Sign(t, signaturetest.Payload(s.img.Digest))) }, []signaturetest.Signer{ours}, signature.WrongKey},
		"tag, other image":    {func(s *stage) { s.tagged(ours.Sign(t, signaturetest.Payload(elsewhere))) }, []signaturetest.Signer{ours}, signature.OtherDigest},
		"tag, no trusted key": {func(s *stage) { s.tagged(ours.Sign(t, signaturetest.Payload(s.img.Digest))) }, nil, signature.NoKey},
		"tag, trusted cert":   {func(s *stage) { s.tagged(ours.Sign(t, signaturetest.Payload(s.img.Digest))) }, []signaturetest.Signer{cert}, signature.NoKey},
		"tag, second is ours": {func(s *stage) {
			s.tagged(other.Sign(t, signaturetest.Payload(s.img.Digest)), ours.Sign(t, signaturetest.Payload(s.img.Digest)))
		}, []signaturetest.Signer{ours}, good},
		"tag, both are others": {func(s *stage) {
			s.tagged(other.Sign(t, signaturetest.Payload(s.img.Digest)), ours.Sign(t, signaturetest.Payload(elsewhere)))
		}, []signaturetest.Signer{ours}, signature.OtherDigest},
		"tag, no signature": {func(s *stage) { s.tagged(signaturetest.Layer{Payload: signaturetest.Payload(s.img.Digest)}) }, []signaturetest.Signer{ours}, signature.Malformed},
		"tag, no base64": {func(s *stage) {
			l := ours.Sign(t, signaturetest.Payload(s.img.Digest))
			l.Annotations["dev.cosignproject.cosign/signature"] = "!"
			s.tagged(l)
		}, []signaturetest.Signer{ours}, signature.Malformed},
		"tag, payload exchanged": {func(s *stage) {
			l := ours.Sign(t, signaturetest.Payload(elsewhere))
			l.Payload = signaturetest.Payload(s.img.Digest)
			s.tagged(l)
		}, []signaturetest.Signer{ours}, signature.WrongKey},
		"tag, other purpose": {func(s *stage) {
			s.tagged(ours.Sign(t, bytes.Replace(signaturetest.Payload(s.img.Digest), []byte("cosign container image signature"), []byte("atomic"), 1)))
		}, []signaturetest.Signer{ours}, signature.Malformed},
		"tag, signed is no JSON": {func(s *stage) { s.tagged(ours.Sign(t, []byte("hello"))) }, []signaturetest.Signer{ours}, signature.Malformed},
		"tag, an image": {func(s *stage) {
			signaturetest.PushImage(t, s.reg, repo, distributiontest.NewImage(t, 7, 10), signature.TagOf(s.img.Digest))
		}, []signaturetest.Signer{ours}, signature.Malformed},
		"tag, huge payload": {func(s *stage) {
			s.tagged(ours.Sign(t, append(signaturetest.Payload(s.img.Digest), bytes.Repeat([]byte(" "), signature.MaxBody)...)))
		}, []signaturetest.Signer{ours}, signature.Malformed},
		"tag, huge manifest": {func(s *stage) {
			layers := make([]signaturetest.Layer, signature.MaxLayers+1)
			for i := range layers {
				layers[i] = other.Sign(t, append(signaturetest.Payload(elsewhere), strings.Repeat(" ", i)...))
			}
			s.tagged(append(layers, ours.Sign(t, signaturetest.Payload(s.img.Digest)))...)
		}, []signaturetest.Signer{ours}, signature.Malformed},
		"referrer": {func(s *stage) {
			signaturetest.Push(t, s.reg, repo, signaturetest.Simple(t, &s.img, ours.Sign(t, signaturetest.Payload(s.img.Digest))))
		}, []signaturetest.Signer{ours}, good},
		"bundle": {func(s *stage) {
			s.refer(signaturetest.TypeBundle, signaturetest.TypeBundle, ours.Bundle(t, signaturetest.Statement(s.img.Digest, signaturetest.SignPredicate)))
		}, []signaturetest.Signer{ours}, good},
		"bundle, other key": {func(s *stage) {
			s.refer(signaturetest.TypeBundle, signaturetest.TypeBundle, other.Bundle(t, signaturetest.Statement(s.img.Digest, signaturetest.SignPredicate)))
		}, []signaturetest.Signer{ours}, signature.WrongKey},
		"bundle, other image": {func(s *stage) {
			s.refer(signaturetest.TypeBundle, signaturetest.TypeBundle, ours.Bundle(t, signaturetest.Statement(elsewhere, signaturetest.SignPredicate)))
		}, []signaturetest.Signer{ours}, signature.OtherDigest},
		"bundle, an attestation": {func(s *stage) {
			s.refer(signaturetest.TypeBundle, signaturetest.TypeBundle, ours.Bundle(t, signaturetest.Statement(s.img.Digest, "https://slsa.dev/provenance/v1")))
		}, []signaturetest.Signer{ours}, signature.Unsigned},
		"bundle, empty":   {func(s *stage) { s.refer(signaturetest.TypeBundle, signaturetest.TypeBundle, []byte("{}")) }, []signaturetest.Signer{ours}, signature.Malformed},
		"bundle, no JSON": {func(s *stage) { s.refer(signaturetest.TypeBundle, signaturetest.TypeBundle, []byte("x")) }, []signaturetest.Signer{ours}, signature.Malformed},
		"bundle of the bytes": {func(s *stage) {
			s.refer(signaturetest.TypeBundle, signaturetest.TypeBundle, ours.Message(t, s.raw))
		}, []signaturetest.Signer{ours}, good},
		"bundle of other bytes": {func(s *stage) {
			s.refer(signaturetest.TypeBundle, signaturetest.TypeBundle, ours.Message(t, []byte("x")))
		}, []signaturetest.Signer{ours}, signature.OtherDigest},
		"JWS":                  {func(s *stage) { s.refer(signaturetest.TypeNotation, jws, cert.Envelope(t, jws, s.img, now)) }, []signaturetest.Signer{ours, cert}, good},
		"COSE":                 {func(s *stage) { s.refer(signaturetest.TypeNotation, cose, cert.Envelope(t, cose, s.img, now)) }, []signaturetest.Signer{cert}, good},
		"COSE, called JWS":     {func(s *stage) { s.refer(signaturetest.TypeNotation, jws, cert.Envelope(t, cose, s.img, now)) }, []signaturetest.Signer{cert}, signature.Malformed},
		"JWS, unknown type":    {func(s *stage) { s.refer(signaturetest.TypeNotation, "text/plain", []byte("x")) }, []signaturetest.Signer{cert}, signature.Unsupported},
		"JWS, other authority": {func(s *stage) { s.refer(signaturetest.TypeNotation, jws, stranger.Envelope(t, jws, s.img, now)) }, []signaturetest.Signer{cert}, signature.WrongKey},
		"JWS, only a key":      {func(s *stage) { s.refer(signaturetest.TypeNotation, jws, cert.Envelope(t, jws, s.img, now)) }, []signaturetest.Signer{ours}, signature.NoKey},
		"JWS, over": {func(s *stage) {
			s.refer(signaturetest.TypeNotation, jws, old.Envelope(t, jws, s.img, now.Add(-90*time.Minute)))
		}, []signaturetest.Signer{old}, signature.Expired},
		"JWS, other image": {func(s *stage) {
			s.refer(signaturetest.TypeNotation, jws, cert.Envelope(t, jws, distributiontest.Blob("x/y", []byte("z")), now))
		}, []signaturetest.Signer{cert}, signature.OtherDigest},
		"JWS, asks for more": {func(s *stage) {
			s.refer(signaturetest.TypeNotation, jws, cert.Envelope(t, jws, s.img, now, core.Attribute{Key: "io.cncf.notary.verificationPlugin", Critical: true, Value: "p"}))
		}, []signaturetest.Signer{cert}, signature.Unsupported},
		"JWS, cut": {func(s *stage) {
			b := cert.Envelope(t, jws, s.img, now)
			s.refer(signaturetest.TypeNotation, jws, b[:len(b)/2])
		}, []signaturetest.Signer{cert}, signature.Malformed},
		"broken and good": {func(s *stage) {
			s.tagged(signaturetest.Layer{Payload: []byte("x")})
			s.refer(signaturetest.TypeNotation, cose, cert.Envelope(t, cose, s.img, now))
		}, []signaturetest.Signer{cert}, good},
		"referrer of something": {func(s *stage) { s.refer("application/spdx+json", "application/spdx+json", []byte("{}")) }, []signaturetest.Signer{ours}, signature.Unsigned},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			tt.sign(s)
			var keys []signature.Key
			for _, signer := range tt.trust {
				keys = append(keys, signer.Key(t))
			}
			v, err := signature.Verify(t.Context(), signature.In(s.reg, repo), s.img.Digest, keys, now)
			if tt.want == good {
				if err != nil {
					t.Fatal(err)
				}
				if !v.At(now) || v.Key.ID == "" {
					t.Errorf("verified %+v", v)
				}
				return
			}
			if got := signature.FailureOf(err); err == nil || got.Reason != tt.want {
				t.Errorf("%v: %s, want %s", err, got.Reason, tt.want)
			}
		})
	}
}

// TestKeysOfEachKind verifies with each algorithm, and not with each other's key.
func TestKeysOfEachKind(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"ecdsa", "ecdsa-p384", "rsa", "ed25519"} {
		s, signer, other := newStage(t), signaturetest.New(t, kind), signaturetest.New(t, kind)
		s.tagged(signer.Sign(t, signaturetest.Payload(s.img.Digest)))
		if _, err := signature.Verify(t.Context(), signature.In(s.reg, repo), s.img.Digest, []signature.Key{other.Key(t)}, time.Now()); err == nil {
			t.Errorf("%s: another key counts", kind)
		}
		v, err := signature.Verify(t.Context(), signature.In(s.reg, repo), s.img.Digest, []signature.Key{signer.Key(t)}, time.Now())
		if err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		if v.Key.Algorithm == "" || !strings.HasPrefix(v.Key.ID, "sha256:") {
			t.Errorf("%s: %+v", kind, v.Key)
		}
	}
}

// TestSourceThatDoesNotAnswer: a registry that is down is not one without signatures.
func TestSourceThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	down := errdefs.Errorf(errdefs.ErrUnavailable, "down")
	_, err := signature.Verify(t.Context(), signaturetest.Down{Err: down}, digest.FromString("x"), nil, time.Now())
	if !errors.Is(err, down) {
		t.Error(err)
	}
}

func TestParseKey(t *testing.T) {
	t.Parallel()
	good := string(signaturetest.New(t, "ecdsa").PEM)
	for name, tt := range map[string]struct{ text, says string }{
		"key":       {good, ""},
		"nothing":   {"", "that is no PEM"},
		"cut":       {good[:len(good)-40], "that is no PEM"},
		"garbage":   {"-----BEGIN PUBLIC KEY-----\naGVsbG8=\n-----END PUBLIC KEY-----\n", "public key: "},
		"private":   {"-----BEGIN ENCRYPTED COSIGN PRIVATE KEY-----\naGVsbG8=\n-----END ENCRYPTED COSIGN PRIVATE KEY-----\n", "private key"},
		"two":       {good + good, "more than one key"},
		"trailing":  {good + "x", "more than one key"},
		"other":     {"-----BEGIN X509 CRL-----\naGVsbG8=\n-----END X509 CRL-----\n", "neither a public key nor a certificate"},
		"short RSA": {string(signaturetest.New(t, "rsa-1024").PEM), "1024 bits is too short"},
		"huge":      {strings.Repeat("x", signature.MaxKey+1), "at most"},
		"X25519":    {"-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VuAyEAhSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=\n-----END PUBLIC KEY-----\n", "verify nothing"},
	} {
		_, err := signature.ParseKey("k", []byte(tt.text))
		if tt.says == "" && err != nil || tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says)) {
			t.Errorf("%s: %v, want %q", name, err, tt.says)
		}
	}
}

// TestAccessory: what is pulled without a signature can be nothing that runs.
func TestAccessory(t *testing.T) {
	t.Parallel()
	const layer = `"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip"}]`
	const subject = `,"subject":{"digest":"sha256:ab"}`
	for body, want := range map[string]bool{
		string(signaturetest.Simple(t, nil, signaturetest.Layer{Payload: []byte("x")}).Manifest.Body):                            true,
		`{"config":{"mediaType":"application/vnd.oci.empty.v1+json"},` + layer + subject + `}`:                                   true,
		`{"config":{"mediaType":"application/vnd.oci.empty.v1+json"},` + layer + `}`:                                             false,
		`{"config":{"mediaType":"application/vnd.oci.image.config.v1+json"},` + layer + subject + `}`:                            false,
		`{"artifactType":"a/b","config":{"mediaType":"application/vnd.docker.container.image.v1+json"},` + layer + subject + `}`: false,
		`{"config":{"mediaType":"application/octet-stream"},` + layer + subject + `}`:                                            false,
		`{` + layer + subject + `}`:       false,
		`{"manifests":[]` + subject + `}`: false,
		`{"config":{},"layers":[]}`:       false,
		`{"layers":[{"mediaType":"application/vnd.dev.cosign.simplesigning.v1+json"},{"mediaType":"application/vnd.oci.image.layer.v1.tar"}]}`: false,
		`x`: false,
	} {
		if got := signature.Accessory([]byte(body)); got != want {
			t.Errorf("%s: %v", body, got)
		}
	}
}

func FuzzRead(f *testing.F) {
	ours := signaturetest.New(f, "ecdsa")
	cert := signaturetest.Certified(f, "builder", time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
	of := digest.FromString("x")
	f.Add(uint8(0), signaturetest.Payload(of))
	f.Add(uint8(1), ours.Bundle(f, signaturetest.Statement(of, signaturetest.SignPredicate)))
	f.Add(uint8(1), ours.Message(f, []byte("x")))
	f.Add(uint8(2), cert.Envelope(f, jws, ocispec.Descriptor{Digest: of}, time.Now()))
	f.Add(uint8(3), cert.Envelope(f, cose, ocispec.Descriptor{Digest: of}, time.Now()))
	keys := []signature.Key{signaturetest.New(f, "rsa").Key(f), signaturetest.Certified(f, "x", time.Now(), time.Now().Add(time.Hour)).Key(f)}
	f.Fuzz(func(t *testing.T, form uint8, body []byte) {
		reg := distributiontest.NewMemory(memstore.New(nil))
		subject := distributiontest.Blob("a/b", []byte("subject"))
		var a signaturetest.Artifact
		switch form % 4 {
		case 0:
			a = signaturetest.Simple(t, &subject, signaturetest.Layer{Payload: body, Annotations: map[string]string{"dev.cosignproject.cosign/signature": "aGVsbG8="}})
		case 1:
			a = signaturetest.Referrer(t, signaturetest.TypeBundle, signaturetest.TypeBundle, subject, body)
		case 2:
			a = signaturetest.Referrer(t, signaturetest.TypeNotation, jws, subject, body)
		case 3:
			a = signaturetest.Referrer(t, signaturetest.TypeNotation, cose, subject, body)
		}
		signaturetest.Push(t, reg, repo, a)
		if _, err := signature.Verify(t.Context(), signature.In(reg, repo), subject.Digest, keys, time.Now()); err == nil {
			t.Error("it counts, by a key that signed nothing")
		}
	})
}
