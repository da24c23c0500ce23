package filter

import (
	"context"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/distribution"
)

// Meter is told what has happened. It is called from many goroutines, after the
// success of each call and with its context.
type Meter interface {
	// Stored: size bytes became a blob or manifest of repo; mounted ones, which
	// moved no bytes, and ones that were there already included.
	Stored(ctx context.Context, repo string, desc ocispec.Descriptor)
	// Served: a manifest was read, or a blob was opened to be read.
	Served(ctx context.Context, repo string, desc ocispec.Descriptor)
	// Deleted: a blob, manifest (dgst) or tag is gone from repo.
	Deleted(ctx context.Context, repo string, dgst digest.Digest, tag string)
}

// Metered tells m what is stored in, served from and deleted of a registry.
func Metered(r distribution.Registry, m Meter) distribution.Registry {
	return &metered{Registry: r, m: m}
}

type metered struct {
	distribution.Registry
	m Meter
}

func (r *metered) OpenBlob(ctx context.Context, repo string, dgst digest.Digest) (content.Reader, error) {
	rd, err := r.Registry.OpenBlob(ctx, repo, dgst)
	if err == nil {
		r.m.Served(ctx, repo, ocispec.Descriptor{Digest: dgst, Size: rd.Size()})
	}
	return rd, err
}

func (r *metered) StartUpload(ctx context.Context, repo string) (distribution.Upload, error) {
	return r.upload(repo)(r.Registry.StartUpload(ctx, repo))
}

func (r *metered) ResumeUpload(ctx context.Context, repo, id string) (distribution.Upload, error) {
	return r.upload(repo)(r.Registry.ResumeUpload(ctx, repo, id))
}

func (r *metered) upload(repo string) func(distribution.Upload, error) (distribution.Upload, error) {
	return func(u distribution.Upload, err error) (distribution.Upload, error) {
		if err != nil {
			return nil, err
		}
		return &meteredUpload{Upload: u, m: r.m, repo: repo}, nil
	}
}

type meteredUpload struct {
	distribution.Upload
	m    Meter
	repo string
}

func (u *meteredUpload) Commit(ctx context.Context, dgst digest.Digest) (ocispec.Descriptor, error) {
	desc, err := u.Upload.Commit(ctx, dgst)
	if err == nil {
		u.m.Stored(ctx, u.repo, desc)
	}
	return desc, err
}

func (r *metered) MountBlob(ctx context.Context, repo, from string, dgst digest.Digest) (ocispec.Descriptor, error) {
	desc, err := r.Registry.MountBlob(ctx, repo, from, dgst)
	if err == nil {
		r.m.Stored(ctx, repo, desc)
	}
	return desc, err
}

func (r *metered) GetManifest(ctx context.Context, repo string, dgst digest.Digest) (distribution.Manifest, error) {
	m, err := r.Registry.GetManifest(ctx, repo, dgst)
	if err == nil {
		r.m.Served(ctx, repo, m.Descriptor)
	}
	return m, err
}

func (r *metered) GetTag(ctx context.Context, repo, tag string) (distribution.Manifest, error) {
	m, err := r.Registry.GetTag(ctx, repo, tag)
	if err == nil {
		r.m.Served(ctx, repo, m.Descriptor)
	}
	return m, err
}

func (r *metered) PutManifest(
	ctx context.Context, repo string, m distribution.Manifest, tags ...string,
) (digest.Digest, error) {
	subject, err := r.Registry.PutManifest(ctx, repo, m, tags...)
	if err == nil {
		r.m.Stored(ctx, repo, m.Descriptor)
	}
	return subject, err
}

func (r *metered) DeleteBlob(ctx context.Context, repo string, dgst digest.Digest) error {
	return r.deleted(ctx, repo, dgst, "", r.Registry.DeleteBlob(ctx, repo, dgst))
}

func (r *metered) DeleteManifest(ctx context.Context, repo string, dgst digest.Digest) error {
	return r.deleted(ctx, repo, dgst, "", r.Registry.DeleteManifest(ctx, repo, dgst))
}

func (r *metered) DeleteTag(ctx context.Context, repo, tag string) error {
	return r.deleted(ctx, repo, "", tag, r.Registry.DeleteTag(ctx, repo, tag))
}

func (r *metered) deleted(ctx context.Context, repo string, dgst digest.Digest, tag string, err error) error {
	if err == nil {
		r.m.Deleted(ctx, repo, dgst, tag)
	}
	return err
}
