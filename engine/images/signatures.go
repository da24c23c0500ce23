package images

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/engine/config"
	"cove/errdefs"
	"cove/images/remote"
	"cove/internal/platforms"
	"cove/reference"
)

// VerifyOptions say whose signatures count. Without any the configuration does.
type VerifyOptions struct {
	// Keys are files of public keys and certificates in PEM.
	Keys []string
	// Policy is a configuration file, whose signatures: count.
	Policy string
}

// Verified is what signs an image at its registry, and whether it would be pulled.
type Verified struct {
	Name   string        `json:"name"`
	Digest digest.Digest `json:"digest"` // that the name stands for
	// Image is the image of this platform, if the name is that of an index.
	Image      digest.Digest `json:"image,omitempty"`
	Keys       []string      `json:"keys"` // the files that were asked for
	Counts     bool          `json:"counts"`
	Reason     string        `json:"reason,omitempty"` // why not, with the way out
	Signatures []Signature   `json:"signatures"`
	More       bool          `json:"more,omitempty"` // there are others that were not looked at
}

// Signature is one of them.
type Signature struct {
	Form     string        `json:"form"` // cosign, cosign-bundle, notation
	Of       digest.Digest `json:"of"`   // the index or the image that it is beside
	Manifest digest.Digest `json:"manifest"`
	Signer   string        `json:"signer,omitempty"` // as it says itself
	At       *time.Time    `json:"at,omitempty"`     // as it says itself
	Key      string        `json:"key,omitempty"`    // of the file that verifies it
	Until    *time.Time    `json:"until,omitempty"`
	Reason   string        `json:"reason,omitempty"` // why it does not count, in a word
	Detail   string        `json:"detail,omitempty"`
}

// Verify asks the registry of a name whether pull and run would take what it has there.
// Nothing is pulled. What would be refused is no error: Verified says so.
func (is *Images) Verify(ctx context.Context, name string, o VerifyOptions) (v Verified, err error) {
	ref, err := reference.Parse(name)
	if err != nil {
		return v, err
	}
	full := ref.Registry + "/" + ref.Repository
	rules, err := is.rules(o)
	if err != nil {
		return v, err
	}
	rule, found := remote.RuleOf(rules, full)
	switch {
	case !found:
		return v, errdefs.Suggest(errdefs.Errorf(errdefs.ErrInvalid,
			"nothing says whose signatures of %s count", full), errdefs.GiveKey, "")
	case rule.Unsigned:
		return v, errdefs.Suggest(errdefs.Errorf(errdefs.ErrInvalid,
			"%s asks for no signature of %s", rule.File, full), errdefs.GiveKey, "")
	}
	registry, err := is.parts.Registry()
	if err != nil {
		return v, err
	}
	repo := registry.Repository(ref.Registry, ref.Repository)
	chain, err := is.chain(ctx, repo, ref)
	if err != nil {
		return v, err
	}
	v = Verified{Name: ref.String(), Digest: chain[0], Keys: rule.Keys, Signatures: []Signature{}}
	if last := chain[len(chain)-1]; last != chain[0] {
		v.Image = last
	}
	err = repo.Verify(ctx, []remote.Rule{rule}, ref, chain)
	if v.Counts = err == nil; !v.Counts {
		if !errors.Is(err, errdefs.ErrDenied) {
			return v, err
		}
		v.Reason = err.Error()
	}
	v.Signatures, v.More, err = seen(ctx, repo, chain, rule.Keys)
	return v, err
}

// rules are those that count: of the options, or of the configuration.
func (is *Images) rules(o VerifyOptions) (rules []remote.Rule, err error) {
	if len(o.Keys) > 0 {
		if o.Policy != "" {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "keys and a policy are given: only one of them can count")
		}
		return []remote.Rule{{Prefix: remote.AllNames, Keys: o.Keys}}, nil
	}
	if o.Policy == "" {
		return is.parts.SignatureRules()
	}
	file, err := config.Files{Own: []string{o.Policy}}.Read()
	if err == nil && len(file.Signatures) == 0 {
		err = errdefs.Errorf(errdefs.ErrInvalid, "%s: there is no such file, or it has no signatures:", o.Policy)
	}
	for _, s := range file.Signatures {
		rules = append(rules, remote.Rule(s))
	}
	return rules, err
}

// maxNested is how many indexes within each other are followed.
const maxNested = 3

// chain are the digests from what a name stands for to the image of this platform, as a
// pull follows them.
func (is *Images) chain(ctx context.Context, repo remote.Repository, ref reference.Reference) ([]digest.Digest, error) {
	desc, body, err := repo.Resolve(ctx, cmp.Or(ref.Digest.String(), ref.Tag))
	if err != nil {
		return nil, err
	}
	chain := []digest.Digest{desc.Digest}
	want := is.platform
	if want.OS == "" {
		want = platforms.Host()
	}
	for range maxNested {
		var index struct{ Manifests []ocispec.Descriptor }
		if err := json.Unmarshal(body, &index); err != nil || len(index.Manifests) == 0 {
			return chain, err
		}
		if desc, err = platforms.Choose(index.Manifests, want); err != nil {
			return nil, err
		}
		if body, err = repo.Manifest(ctx, desc); err != nil {
			return nil, err
		}
		chain = append(chain, desc.Digest)
	}
	return chain, nil
}

// seen lists what signs a chain.
func seen(
	ctx context.Context, repo remote.Repository, chain []digest.Digest, keys []string,
) (all []Signature, more bool, err error) {
	found, more, err := repo.Signatures(ctx, chain, keys)
	all = make([]Signature, len(found))
	for i, s := range found {
		all[i] = Signature(s)
	}
	return all, more, err
}
