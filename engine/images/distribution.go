package images

import (
	"cmp"
	"context"
	"encoding/json"
	"io"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/errdefs"
	"cove/images/remote"
	"cove/reference"
)

// Distribution is what a registry has under a name, in docker's shape.
type Distribution struct {
	Descriptor ocispec.Descriptor
	Platforms  []ocispec.Platform
}

// maxConfig is the longest config of an image that is read to learn its platform.
const maxConfig = 4 << 20

// Distribution asks the registry of a name what it has there; nothing is pulled.
func (is *Images) Distribution(ctx context.Context, name string) (d Distribution, err error) {
	ref, err := reference.Parse(name)
	if err != nil {
		return d, err
	}
	registry, err := is.parts.Registry()
	if err != nil {
		return d, err
	}
	repo := registry.Repository(ref.Registry, ref.Repository)
	desc, body, err := repo.Resolve(ctx, cmp.Or(ref.Digest.String(), ref.Tag))
	if err != nil {
		return d, err
	}
	d = Distribution{Descriptor: desc, Platforms: []ocispec.Platform{}}
	var m struct {
		Config    ocispec.Descriptor
		Manifests []ocispec.Descriptor
	}
	if err := json.Unmarshal(body, &m); err != nil {
		return d, errdefs.Errorf(errdefs.ErrCorrupt, "the manifest of %s: %w", ref, err)
	}
	for _, one := range m.Manifests {
		if one.Platform != nil {
			d.Platforms = append(d.Platforms, *one.Platform)
		}
	}
	if len(m.Manifests) > 0 || m.Config.Digest == "" || m.Config.Size > maxConfig {
		return d, nil
	}
	p, err := platformOf(ctx, repo, m.Config)
	d.Platforms = append(d.Platforms, p)
	return d, err
}

func platformOf(ctx context.Context, repo remote.Repository, config ocispec.Descriptor) (p ocispec.Platform,
	err error,
) {
	r, err := repo.OpenBlob(ctx, config, 0, nil)
	if err != nil {
		return p, err
	}
	defer r.Close()
	text, err := io.ReadAll(io.LimitReader(r, maxConfig))
	if err != nil {
		return p, err
	}
	if err := json.Unmarshal(text, &p); err != nil {
		return p, errdefs.Errorf(errdefs.ErrCorrupt, "the config %s: %w", config.Digest, err)
	}
	return p, nil
}
