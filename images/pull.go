package images

import (
	"context"
	"errors"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/distribution/manifest"
	"cove/distribution/progress"
	"cove/errdefs"
	"cove/events"
	"cove/images/damage"
	"cove/images/gc"
	"cove/images/image"
	"cove/images/remote"
	"cove/images/told"
	"cove/images/transfer"
	"cove/internal/platforms"
	"cove/reference"
)

// PullOptions are the choices of Pull and Resolve.
type PullOptions struct {
	// Platform is which image is taken of an index; zero is the store's.
	Platform ocispec.Platform
	Progress progress.Func
}

// Pulled is what a Pull did.
type Pulled struct {
	Image image.Image
	// Digest is that of the name at the registry: of an index, or the manifest.
	Digest digest.Digest
	// Newer says that the name stands for something else than before, or is
	// new here.
	Newer bool
}

// Pull brings an image here, unpacks it while it arrives, and names it as it is
// named there.
func (s *Store) Pull(ctx context.Context, name string, opts PullOptions) (Pulled, error) {
	ref, err := reference.Parse(name)
	if err != nil {
		return Pulled{}, err
	}
	lease, err := gc.Record(ctx, s.cfg.Content)
	if err != nil {
		return Pulled{}, err
	}
	defer lease.Release()
	img, origin, err := s.fetch(ctx, ref, opts, lease)
	if err == nil {
		err = s.Unpack(ctx, img, lease, opts.Progress)
	}
	if err != nil {
		said := s.explain(ctx, "pulling", ref, err)
		if transfer.Hopeless(err) {
			said = errors.Join(said, s.sweep(ctx, lease)) // else what came is for the next try
		}
		return Pulled{}, said
	}
	if ref.Digest != "" {
		ref = ref.WithDigest(ref.Digest) // docker drops a tag beside a digest too
	}
	before, err := s.names.Get(ref.String())
	if err != nil && !errors.Is(err, errdefs.ErrNotFound) {
		return Pulled{}, err
	}
	if err := s.put(ctx, img, origin, ref); err != nil {
		return Pulled{}, err
	}
	told.Moved(s.cfg.Root, events.Pull, ref, img)
	img, err = s.Get(ctx, img.ID.String())
	return Pulled{Image: img, Digest: origin, Newer: before.Image != img.ID}, err
}

// ResolveOptions are the choices of Resolve.
type ResolveOptions struct {
	PullOptions
	// Always asks the registry even if the name is here.
	Always bool
	// Hold is put on what is fetched; it must stay until Unpack and a name.
	Hold content.Lease
}

// Resolve finds an image here or at its registry, and brings its manifest and
// config, but no layers, here. It gets no name. Unpack brings the rest.
func (s *Store) Resolve(ctx context.Context, name string, opts ResolveOptions) (image.Image, error) {
	if opts.Hold == nil {
		return image.Image{}, errdefs.Errorf(errdefs.ErrInvalid, "resolving %s: a lease is needed", name)
	}
	if !opts.Always {
		img, err := s.getFor(ctx, name, s.platform(opts.Platform))
		if err == nil {
			err = opts.Hold.Add(ctx, img.Refs()...)
		}
		if !errors.Is(err, errdefs.ErrNotFound) {
			return img, err
		}
	}
	ref, err := reference.Parse(name)
	if err != nil {
		return image.Image{}, err
	}
	img, _, err := s.fetch(ctx, ref, opts.PullOptions, opts.Hold)
	if err != nil {
		return image.Image{}, s.explain(ctx, "resolving", ref, err)
	}
	return img, nil
}

// getFor is Get for one platform; an image of another is errdefs.ErrNotFound.
func (s *Store) getFor(ctx context.Context, name string, want ocispec.Platform) (image.Image, error) {
	img, err := s.Get(ctx, name)
	if err != nil {
		return img, err
	}
	if manifest.IsIndex(img.Target.MediaType) {
		other, err := s.openFor(ctx, img.Target, want)
		other.Names, other.Digests, other.Source = img.Names, img.Digests, img.Source
		return other, err
	}
	have := img.Platform()
	if platforms.Rank(&have, want) == 0 {
		return img, errdefs.Errorf(errdefs.ErrNotFound,
			"image %s: is for %s here, not for %s; pull it for that platform", name, platforms.Format(have), platforms.Format(want))
	}
	return img, nil
}

func (s *Store) platform(p ocispec.Platform) ocispec.Platform {
	if p.OS == "" {
		return s.cfg.Platform
	}
	return p
}

// fetch brings the manifest and config of ref here, under the lease, and
// returns with them the digest that ref has at its registry.
func (s *Store) fetch(
	ctx context.Context, ref reference.Reference, opts PullOptions, hold content.Lease,
) (image.Image, digest.Digest, error) {
	repo, err := s.repository(ref)
	if err != nil {
		return image.Image{}, "", err
	}
	desc, body, err := repo.Resolve(ctx, ref.Object())
	if err != nil {
		return image.Image{}, "", err
	}
	origin, chain := desc.Digest, []digest.Digest{desc.Digest}
	opts.Progress.Tell(progress.Event{Kind: progress.Resolved, Desc: desc})
	img := image.Image{Source: ref}
	for depth := 0; ; depth++ {
		m, err := image.Parse(desc, body)
		if err != nil {
			return image.Image{}, "", err
		}
		if !manifest.IsIndex(m.MediaType) {
			desc.Size, desc.MediaType = int64(len(body)), m.MediaType
			img.Take(image.Bare(desc), m)
			break
		}
		if depth == image.MaxDepth {
			return image.Image{}, "", errdefs.Errorf(errdefs.ErrInvalid, "index %s: is nested deeper than %d", origin,
				image.MaxDepth)
		}
		if desc, err = platforms.Choose(m.Manifests, s.platform(opts.Platform)); err != nil {
			return image.Image{}, "", err
		}
		if body, err = repo.Manifest(ctx, desc); err != nil {
			return image.Image{}, "", err
		}
		chain = append(chain, desc.Digest)
	}
	if s.cfg.Verify != nil {
		if err := s.cfg.Verify(ctx, repo, ref, chain); err != nil {
			return image.Image{}, "", err
		}
	}
	img.Target = img.Descriptor
	return img, origin, s.fetchConfig(ctx, repo, &img, body, hold)
}

// fetchConfig stores the manifest and brings the config.
func (s *Store) fetchConfig(
	ctx context.Context, repo remote.Repository, img *image.Image, body []byte, hold content.Lease,
) error {
	config := img.Manifest.Config
	if config.Size > content.MaxRead {
		return errdefs.Errorf(errdefs.ErrInvalid, "image config %s: %d bytes are too many", config.Digest, config.Size)
	}
	if err := hold.Add(ctx, img.Descriptor.Digest.String(), config.Digest.String()); err != nil {
		return err
	}
	intact, err := damage.Intact(ctx, s.cfg.Content, img.Descriptor)
	if err == nil && !intact {
		_, err = content.WriteBytes(ctx, s.cfg.Content, img.Descriptor, body)
	}
	if err == nil {
		_, err = damage.Intact(ctx, s.cfg.Content, config)
	}
	if err != nil {
		return err
	}
	if err := repo.FetchBlob(ctx, s.cfg.Content, config, nil); err != nil {
		return err
	}
	raw, err := content.ReadBlob(ctx, s.cfg.Content, config)
	if err != nil {
		return err
	}
	return img.ParseConfig(raw)
}

// RemoteTags lists the tags that ref's registry has of its repository.
func (s *Store) RemoteTags(ctx context.Context, ref reference.Reference) ([]string, error) {
	repo, err := s.repository(ref)
	if err != nil {
		return nil, err
	}
	tags, err := repo.Tags(ctx)
	if err != nil {
		return nil, s.explain(ctx, "listing the tags of", ref.WithTag(""), err)
	}
	return tags, nil
}

func (s *Store) repository(ref reference.Reference) (remote.Repository, error) {
	if s.cfg.Registry == nil {
		return nil, errdefs.Errorf(errdefs.ErrUnsupported, "no registry client is configured")
	}
	registry, err := s.cfg.Registry()
	if err != nil {
		return nil, err
	}
	return registry.Repository(ref.Registry, ref.Repository), nil
}

// explain says what was tried, and the commonest reason why it went wrong.
func (s *Store) explain(ctx context.Context, doing string, ref reference.Reference, err error) error {
	return transfer.Attempt{Doing: doing, Ref: ref, Known: s.cfg.Known, Registry: s.cfg.Registry}.Explain(ctx, err)
}
