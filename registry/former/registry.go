package former

import (
	"context"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/distribution"
	"cove/errdefs"
	"cove/registry/metadata"
)

// Registry is r with the former names that contexts note. What would change something by
// one is errdefs.ErrDenied.
func Registry(r distribution.Registry, n *Names) distribution.Registry { return &registry{r, n} }

type registry struct {
	distribution.Registry
	names *Names
}

func (r *registry) StatBlob(ctx context.Context, repo string, dgst digest.Digest) (ocispec.Descriptor, error) {
	return r.Registry.StatBlob(ctx, Now(ctx, repo), dgst)
}

func (r *registry) OpenBlob(ctx context.Context, repo string, dgst digest.Digest) (content.Reader, error) {
	return r.Registry.OpenBlob(ctx, Now(ctx, repo), dgst)
}

func (r *registry) StatManifest(ctx context.Context, repo string, dgst digest.Digest) (ocispec.Descriptor, error) {
	return r.Registry.StatManifest(ctx, Now(ctx, repo), dgst)
}

func (r *registry) GetManifest(ctx context.Context, repo string, dgst digest.Digest) (distribution.Manifest, error) {
	return r.Registry.GetManifest(ctx, Now(ctx, repo), dgst)
}

func (r *registry) StatTag(ctx context.Context, repo, tag string) (ocispec.Descriptor, error) {
	return r.Registry.StatTag(ctx, Now(ctx, repo), tag)
}

func (r *registry) GetTag(ctx context.Context, repo, tag string) (distribution.Manifest, error) {
	return r.Registry.GetTag(ctx, Now(ctx, repo), tag)
}

func (r *registry) Tags(ctx context.Context, repo string, p distribution.Page) ([]string, bool, error) {
	return r.Registry.Tags(ctx, Now(ctx, repo), p)
}

func (r *registry) Referrers(
	ctx context.Context, repo string, q distribution.ReferrersQuery,
) ([]ocispec.Descriptor, bool, error) {
	return r.Registry.Referrers(ctx, Now(ctx, repo), q)
}

// current refuses a former name.
func current(ctx context.Context, repo string) error {
	f, ok := noted(ctx, repo)
	if !ok {
		return nil
	}
	return errdefs.Errorf(errdefs.ErrDenied, "%s is called %s since %s; push to %s, the old name is for pulls alone",
		f.Name, f.Now, f.At.UTC().Format(time.DateOnly), f.Now)
}

func (r *registry) StartUpload(ctx context.Context, repo string) (distribution.Upload, error) {
	if err := current(ctx, repo); err != nil {
		return nil, err
	}
	return r.Registry.StartUpload(ctx, repo)
}

func (r *registry) ResumeUpload(ctx context.Context, repo, id string) (distribution.Upload, error) {
	if err := current(ctx, repo); err != nil {
		return nil, err
	}
	return r.Registry.ResumeUpload(ctx, repo, id)
}

// MountBlob takes a blob from a repository by its former name too: the registry asks
// whether the caller may pull from it.
func (r *registry) MountBlob(
	ctx context.Context, repo, from string, dgst digest.Digest,
) (ocispec.Descriptor, error) {
	if err := current(ctx, repo); err != nil {
		return ocispec.Descriptor{}, err
	}
	if from != "" {
		now, err := r.names.Now(ctx, metadata.CanonicalName(from))
		if err != nil {
			return ocispec.Descriptor{}, err
		}
		from = now
	}
	return r.Registry.MountBlob(ctx, repo, from, dgst)
}

func (r *registry) PutManifest(
	ctx context.Context, repo string, m distribution.Manifest, tags ...string,
) (digest.Digest, error) {
	if err := current(ctx, repo); err != nil {
		return "", err
	}
	return r.Registry.PutManifest(ctx, repo, m, tags...)
}

func (r *registry) DeleteBlob(ctx context.Context, repo string, dgst digest.Digest) error {
	if err := current(ctx, repo); err != nil {
		return err
	}
	return r.Registry.DeleteBlob(ctx, repo, dgst)
}

func (r *registry) DeleteManifest(ctx context.Context, repo string, dgst digest.Digest) error {
	if err := current(ctx, repo); err != nil {
		return err
	}
	return r.Registry.DeleteManifest(ctx, repo, dgst)
}

func (r *registry) DeleteTag(ctx context.Context, repo, tag string) error {
	if err := current(ctx, repo); err != nil {
		return err
	}
	return r.Registry.DeleteTag(ctx, repo, tag)
}
