package signature

import (
	"crypto/x509"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/opencontainers/go-digest"
)

func itoa(n int) string { return strconv.Itoa(n) }

// Form is how a signature is written.
type Form string

// The forms.
const (
	Cosign       Form = "cosign"
	CosignBundle Form = "cosign-bundle"
	Notation     Form = "notation"
)

// Reason is why a signature does not count.
type Reason string

// The reasons.
const (
	Malformed   Reason = "malformed"    // it cannot be read, or is not whole
	OtherDigest Reason = "other-digest" // it is of another artifact
	NoKey       Reason = "no-key"       // no key of its kind is trusted
	WrongKey    Reason = "wrong-key"    // no trusted key made it
	Keyless     Reason = "keyless"      // it has no key that could be trusted
	Expired     Reason = "expired"      // its time, or that of a certificate, is over
	Unsupported Reason = "unsupported"  // it asks for what nothing here does
	Missing     Reason = "missing"      // a part of it is not there, or damaged
	Unsigned    Reason = "unsigned"     // there is none
)

// Failure is why a signature does not count, with what is to be said of it.
type Failure struct {
	Reason Reason
	Detail string
}

func (f *Failure) Error() string { return f.Detail }

func failure(why Reason, format string, args ...any) *Failure {
	return &Failure{why, fmt.Sprintf(format, args...)}
}

// Signer is who a signature says made it; only a trusted key shows that it is true.
type Signer struct {
	KeyID   string    // what the signature calls the key, if it does
	Subject string    // of the certificate
	Issuer  string    // of the certificate, or who vouches for the subject
	At      time.Time // when, as the signer says; zero if he does not
}

// Signature is one signature of an artifact.
type Signature struct {
	Form     Form
	Manifest digest.Digest // of the manifest that holds it
	Signer   Signer

	// check verifies it for an artifact.
	check func(of digest.Digest, keys []Key, now time.Time) (Verified, error)
}

// Verified is a signature that counts.
type Verified struct {
	Key Key
	// From and Until bound the time in which it counts; zero is without a bound.
	From, Until time.Time
}

// At says whether it counts at this time.
func (v Verified) At(now time.Time) bool {
	return !now.Before(v.From) && (v.Until.IsZero() || !now.After(v.Until))
}

// Over is why it does not count at another time.
func (v Verified) Over() Failure {
	return *failure(Expired, "it counts from %s to %s, by its certificates", stamp(v.From), stamp(v.Until))
}

// Verify verifies the signature of an artifact. An error is a *Failure: then no key
// says that the artifact is what its owner signed.
func (s Signature) Verify(of digest.Digest, keys []Key, now time.Time) (Verified, error) {
	return s.check(of, keys, now)
}

// broken is a signature that cannot be read.
func broken(form Form, manifest digest.Digest, format string, args ...any) Signature {
	return failed(form, manifest, failure(Malformed, format, args...))
}

func failed(form Form, manifest digest.Digest, why *Failure) Signature {
	return Signature{
		Form: form, Manifest: manifest,
		check: func(digest.Digest, []Key, time.Time) (Verified, error) { return Verified{}, why },
	}
}

// FailureOf is why a signature does not count, of the error of Verify.
func FailureOf(err error) Failure {
	var f *Failure
	if errors.As(err, &f) {
		return *f
	}
	return Failure{Reason: Malformed, Detail: err.Error()}
}

// bare are the keys that are no certificates.
func bare(keys []Key) (out []Key) {
	for _, k := range keys {
		if k.Certificate == nil {
			out = append(out, k)
		}
	}
	return out
}

// byKey finds the key that made sig of message.
func byKey(keys []Key, message, sig []byte) (Verified, error) {
	keys = bare(keys)
	if len(keys) == 0 {
		return Verified{}, failure(NoKey, "no public key is trusted, and cosign signs with one")
	}
	for _, k := range keys {
		if k.verifies(message, sig) {
			return Verified{Key: k}, nil
		}
	}
	return Verified{}, failure(WrongKey, "it was not made by a key that is trusted")
}

// certified are the certificates among the keys.
func certified(keys []Key) (certs []*x509.Certificate) {
	for _, k := range keys {
		if k.Certificate != nil {
			certs = append(certs, k.Certificate)
		}
	}
	return certs
}
