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
	return &readOnly{Registry: r, reason: reason}
}

type readOnly struct {
	distribution.Registry
	reason string
}

func (r *readOnly) refuse() error { return errdefs.Errorf(errdefs.ErrDenied, "%s", r.reason) }

func (r *readOnly) StartUpload(context.Context, string) (distribution.Upload, error) {
	return nil, r.refuse()
}

func (r *readOnly) ResumeUpload(context.Context, string, string) (distribution.Upload, error) {
	return nil, r.refuse()
}

func (r *readOnly) MountBlob(context.Context, string, string, digest.Digest) (ocispec.Descriptor, error) {
	return ocispec.Descriptor{}, r.refuse()
}

func (r *readOnly) PutManifest(context.Context, string, distribution.Manifest, ...string) (digest.Digest, error) {
	return "", r.refuse()
}

func (r *readOnly) DeleteBlob(context.Context, string, digest.Digest) error { return r.refuse() }

func (r *readOnly) DeleteManifest(context.Context, string, digest.Digest) error { return r.refuse() }

func (r *readOnly) DeleteTag(context.Context, string, string) error { return r.refuse() }
