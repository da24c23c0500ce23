// Package trust refuses images that nobody has signed whom this machine trusts, before
// anything of them is stored. What is trusted is said by the names of repositories, in
// configuration; how signatures are verified is distribution/signature.
//
// An image counts when its manifest is signed, or the index it was chosen from: who
// asks for it by its own digest has named no index. What is here already was asked when
// it came.
package trust

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/distribution/client"
	"cove/distribution/signature"
	"cove/errdefs"
	"cove/images/remote"
	"cove/reference"
)

// Policy says what is trusted, by the beginnings of names.
type Policy []remote.Rule

// For is the rule of a repository, by its full name; false if there is none.
func (p Policy) For(name string) (rule remote.Rule, found bool) { return remote.RuleOf(p, name) }

// Verify refuses, with errdefs.ErrDenied and why, an image that no rule lets in. of are
// the digests of the index that ref names, of those within, and of the image, last.
func (p Policy) Verify(
	ctx context.Context, repo *client.Repository, ref reference.Reference, of []digest.Digest,
) error {
	name := ref.Registry + "/" + ref.Repository
	rule, found := p.For(name)
	if !found || rule.Unsigned {
		return nil
	}
	if len(rule.Keys) == 0 {
		return errdefs.Errorf(errdefs.ErrDenied, "%s: no image is taken from %s, says %s", name, rule.Prefix, rule.File)
	}
	keys, err := Keys(rule.Keys)
	if err != nil {
		return err
	}
	_, err = First(ctx, repo, of, keys)
	var why *signature.Failure
	if errors.As(err, &why) && rule.File == "" {
		return errdefs.Errorf(errdefs.ErrDenied, "%s@%s is not taken: %s; what counts is a signature by one of %s", name,
			of[0], why.Detail, strings.Join(rule.Keys, ", "))
	}
	if errors.As(err, &why) {
		return errdefs.Errorf(errdefs.ErrDenied,
			"%s@%s is not taken: %s; %s asks for a signature by one of %s: have it signed, or change that file",
			name, of[0], why.Detail, rule.File, strings.Join(rule.Keys, ", "))
	}
	return err
}

// First finds a signature of one of these digests, the last first. An error that is a
// *signature.Failure says why none counts.
func First(
	ctx context.Context, repo *client.Repository, of []digest.Digest, keys []signature.Key,
) (signature.Verified, error) {
	refused := error(signature.Refuse(nil, false))
	for _, dgst := range slices.Backward(of) {
		v, err := signature.Verify(ctx, source{repo}, dgst, keys, time.Now())
		if err == nil {
			return v, nil
		}
		var why *signature.Failure
		if !errors.As(err, &why) {
			return v, err
		}
		if why.Reason != signature.Unsigned {
			refused = err
		}
	}
	return signature.Verified{}, refused
}

// Keys reads files of keys.
func Keys(files []string) ([]signature.Key, error) {
	keys := make([]signature.Key, len(files))
	for i, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "key whose signatures are trusted: %w", err)
		}
		if keys[i], err = signature.ParseKey(file, text); err != nil {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "%s: %w", file, err)
		}
	}
	return keys, nil
}

// source is a repository of another registry.
type source struct{ repo *client.Repository }

func (s source) Tagged(ctx context.Context, tag string) (ocispec.Descriptor, error) {
	return s.repo.Stat(ctx, tag)
}

func (s source) Referrers(ctx context.Context, of digest.Digest) ([]ocispec.Descriptor, error) {
	return s.repo.Referrers(ctx, of, "")
}

func (s source) Manifest(ctx context.Context, desc ocispec.Descriptor) ([]byte, error) {
	return s.repo.Manifest(ctx, desc)
}

func (s source) Blob(ctx context.Context, desc ocispec.Descriptor) (_ []byte, err error) {
	rd, err := s.repo.OpenBlob(ctx, desc, 0, nil)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rd.Close()) }()
	return signature.ReadAll(rd, desc)
}
