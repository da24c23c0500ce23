// Package filter has registries that wrap another one: each changes a single
// thing about it, and they nest. A server takes the outermost.
//
//	r = filter.Metered(r, meter)
//	r = filter.Immutable(r, isRelease)
//	r = filter.ReadOnly(r, "this registry moves house until noon")
//
// What a wrapper does not speak of passes through untouched, errors and bytes
// alike. All of them are safe for concurrent use if what they wrap is.
package filter

import (
	"context"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/distribution"
	"cove/errdefs"
)

// ReadOnly refuses every change with errdefs.ErrDenied and the reason.
func ReadOnly(r distribution.Registry, reason string) distribution.Registry {
	return ReadOnlyWhile(r, func() string { return reason })
}

// ReadOnlyWhile is ReadOnly while there is a reason, for which it asks at each change.
func ReadOnlyWhile(r distribution.Registry, reason func() string) distribution.Registry {
	return &readOnly{Registry: r, reason: reason}
}

type readOnly struct {
	distribution.Registry
	reason func() string
}

func (r *readOnly) refuse() error {
	if reason := r.reason(); reason != "" {
		return errdefs.Errorf(errdefs.ErrDenied, "%s", reason)
	}
	return nil
}

func (r *readOnly) StartUpload(ctx context.Context, repo string) (distribution.Upload, error) {
	if err := r.refuse(); err != nil {
		return nil, err
	}
	return r.Registry.StartUpload(ctx, repo)
}

func (r *readOnly) ResumeUpload(ctx context.Context, repo, id string) (distribution.Upload, error) {
	if err := r.refuse(); err != nil {
		return nil, err
	}
	return r.Registry.ResumeUpload(ctx, repo, id)
}

func (r *readOnly) MountBlob(
	ctx context.Context, repo, from string, dgst digest.Digest,
) (ocispec.Descriptor, error) {
	if err := r.refuse(); err != nil {
		return ocispec.Descriptor{}, err
	}
	return r.Registry.MountBlob(ctx, repo, from, dgst)
}

func (r *readOnly) PutManifest(
	ctx context.Context, repo string, m distribution.Manifest, tags ...string,
) (digest.Digest, error) {
	if err := r.refuse(); err != nil {
		return "", err
	}
	return r.Registry.PutManifest(ctx, repo, m, tags...)
}

func (r *readOnly) DeleteBlob(ctx context.Context, repo string, dgst digest.Digest) error {
	if err := r.refuse(); err != nil {
		return err
	}
	return r.Registry.DeleteBlob(ctx, repo, dgst)
}

func (r *readOnly) DeleteManifest(ctx context.Context, repo string, dgst digest.Digest) error {
	if err := r.refuse(); err != nil {
		return err
	}
	return r.Registry.DeleteManifest(ctx, repo, dgst)
}

func (r *readOnly) DeleteTag(ctx context.Context, repo, tag string) error {
	if err := r.refuse(); err != nil {
		return err
	}
	return r.Registry.DeleteTag(ctx, repo, tag)
}
