package signature

import (
	"time"

	"github.com/opencontainers/go-digest"

	"cove/distribution/signature/notation"
)

// notary reads an envelope of the Notary Project's.
func notary(manifest digest.Digest, mediaType string, body []byte) Signature {
	if !notation.Known(mediaType) {
		return failed(Notation, manifest, failure(Unsupported, "envelopes of type %q are not read", mediaType))
	}
	e, err := notation.Read(mediaType, body)
	if err != nil {
		return broken(Notation, manifest, "the envelope does not verify: %v", err)
	}
	leaf := e.Chain[0]
	s := Signature{Form: Notation, Manifest: manifest, Signer: Signer{
		Subject: leaf.Subject.String(), Issuer: leaf.Issuer.String(), At: e.At,
	}}
	s.check = func(of digest.Digest, keys []Key, now time.Time) (Verified, error) {
		if what := e.Unsupported(); what != "" {
			return Verified{}, failure(Unsupported, "it asks for %s, which is not understood here", what)
		}
		if err := same(e.Signed, of); err != nil {
			return Verified{}, err
		}
		certs := certified(keys)
		if len(certs) == 0 {
			return Verified{}, failure(NoKey, "no certificate is trusted, and notation signs with one")
		}
		trusted := e.Trusted(certs)
		if trusted == nil {
			return Verified{}, failure(WrongKey, "no certificate that is trusted vouches for %s", s.Signer.Subject)
		}
		v := Verified{}
		v.From, v.Until = e.Valid()
		if !v.At(now) {
			over := v.Over()
			return v, &over
		}
		for _, k := range keys {
			if k.Certificate != nil && k.Certificate.Equal(trusted) {
				v.Key = k
			}
		}
		return v, nil
	}
	return s
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
