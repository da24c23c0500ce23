package remote

import (
	"context"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/reference"
)

// Signature is one of an image, and whether it counts.
type Signature struct {
	Form     string        // cosign, cosign-bundle, notation
	Of       digest.Digest // the index or the image that it is beside
	Manifest digest.Digest // that holds it
	Signer   string        // as it says itself
	At       *time.Time    // as it says itself
	Key      string        // the file of the key that verifies it; "" if it does not count
	Until    *time.Time    // to when it counts; nil is without end
	Reason   string        // why it does not count, in a word
	Detail   string        // and for people
}

// Signer is a repository whose signatures can be looked at.
type Signer interface {
	// Verify refuses, with errdefs.ErrDenied and why, what no rule lets in. of are the
	// digests of the index that ref names, of those within, and of the image, last.
	Verify(ctx context.Context, rules []Rule, ref reference.Reference, of []digest.Digest) error
	// Signatures lists what signs these, by keys in files; more says that there are others.
	Signatures(ctx context.Context, of []digest.Digest, keys []string) (all []Signature, more bool, err error)
}

// AllNames is the prefix of the rule of all names.
const AllNames = "*"

// RuleOf is the rule of a repository, by its full name; false if there is none.
func RuleOf(rules []Rule, name string) (rule Rule, found bool) {
	for _, r := range rules {
		if !r.fits(name) {
			continue
		}
		longer := rule.Prefix == AllNames || r.Prefix != AllNames && len(r.Prefix) > len(rule.Prefix)
		if !found || longer {
			rule, found = r, true
		}
	}
	return rule, found
}

func (r Rule) fits(name string) bool {
	return r.Prefix == AllNames || name == r.Prefix || strings.HasPrefix(name, strings.TrimSuffix(r.Prefix, "/")+"/")
}
