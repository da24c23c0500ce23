package filter

import (
	"context"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/distribution"
)

// Guard decides whether a manifest that is there may be pulled; its error is the
// answer. The descriptor has the manifest's type as an artifact.
type Guard func(ctx context.Context, repo string, desc ocispec.Descriptor) error

// Guarded asks each guard, in order, before a manifest is served or said to be there.
func Guarded(r distribution.Registry, guards ...Guard) distribution.Registry {
	return &guarded{Registry: r, guards: guards}
}

type guarded struct {
	distribution.Registry
	guards []Guard
}

func (r *guarded) ask(ctx context.Context, repo string, desc ocispec.Descriptor, err error) error {
	for _, guard := range r.guards {
		if err == nil {
			err = guard(ctx, repo, desc)
		}
	}
	return err
}

func (r *guarded) StatManifest(ctx context.Context, repo string, dgst digest.Digest) (ocispec.Descriptor, error) {
	desc, err := r.Registry.StatManifest(ctx, repo, dgst)
	if err := r.ask(ctx, repo, desc, err); err != nil {
		return ocispec.Descriptor{}, err
	}
	return desc, nil
}

func (r *guarded) GetManifest(ctx context.Context, repo string, dgst digest.Digest) (distribution.Manifest, error) {
	m, err := r.Registry.GetManifest(ctx, repo, dgst)
	if err := r.ask(ctx, repo, m.Descriptor, err); err != nil {
		return distribution.Manifest{}, err
	}
	return m, nil
}

func (r *guarded) StatTag(ctx context.Context, repo, tag string) (ocispec.Descriptor, error) {
	desc, err := r.Registry.StatTag(ctx, repo, tag)
	if err := r.ask(ctx, repo, desc, err); err != nil {
		return ocispec.Descriptor{}, err
	}
	return desc, nil
}

func (r *guarded) GetTag(ctx context.Context, repo, tag string) (distribution.Manifest, error) {
	m, err := r.Registry.GetTag(ctx, repo, tag)
	if err := r.ask(ctx, repo, m.Descriptor, err); err != nil {
		return distribution.Manifest{}, err
	}
	return m, nil
}
