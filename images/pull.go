package images

import (
	"context"
	"errors"
	"fmt"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"

	"cove/content"
	"cove/distribution/client"
	"cove/distribution/errcode"
	"cove/distribution/manifest"
	"cove/distribution/progress"
	"cove/errdefs"
	"cove/events"
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
	Image Image
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
	lease, err := s.record(ctx)
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
		if hopeless(err) {
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
	if err := s.put(ctx, ref, img, origin); err != nil {
		return Pulled{}, err
	}
	s.tellMoved(events.Pull, ref, img)
	img, err = s.Get(ctx, img.ID.String())
	return Pulled{Image: img, Digest: origin, Newer: before.Image != img.ID}, err
}

// hopeless says of a failed pull that the image is what is wrong: whoever tries again
// gets the same. Of any other what came is kept for the next try.
func hopeless(err error) bool {
	full := errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT)
	return errors.Is(err, errdefs.ErrInvalid) || errors.Is(err, errdefs.ErrUnsupported) ||
		errors.Is(err, errdefs.ErrExhausted) && !full
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
func (s *Store) Resolve(ctx context.Context, name string, opts ResolveOptions) (Image, error) {
	if opts.Hold == nil {
		return Image{}, errdefs.Errorf(errdefs.ErrInvalid, "resolving %s: a lease is needed", name)
	}
	if !opts.Always {
		img, err := s.getFor(ctx, name, s.platform(opts.Platform))
		if err == nil {
			err = opts.Hold.Add(ctx, img.refs()...)
		}
		if !errors.Is(err, errdefs.ErrNotFound) {
			return img, err
		}
	}
	ref, err := reference.Parse(name)
	if err != nil {
		return Image{}, err
	}
	img, _, err := s.fetch(ctx, ref, opts.PullOptions, opts.Hold)
	if err != nil {
		return Image{}, s.explain(ctx, "resolving", ref, err)
	}
	return img, nil
}

// getFor is Get for one platform; an image of another is errdefs.ErrNotFound.
func (s *Store) getFor(ctx context.Context, name string, want ocispec.Platform) (Image, error) {
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
) (Image, digest.Digest, error) {
	repo, err := s.repository(ref)
	if err != nil {
		return Image{}, "", err
	}
	desc, body, err := repo.Resolve(ctx, ref.Object())
	if err != nil {
		return Image{}, "", err
	}
	origin := desc.Digest
	opts.Progress.Tell(progress.Event{Kind: progress.Resolved, Desc: desc})
	img := Image{Source: ref}
	for depth := 0; ; depth++ {
		m, err := parse(desc, body)
		if err != nil {
			return Image{}, "", err
		}
		if !manifest.IsIndex(m.MediaType) {
			desc.Size, desc.MediaType = int64(len(body)), m.MediaType
			img.take(bare(desc), m)
			break
		}
		if depth == maxIndexDepth {
			return Image{}, "", errdefs.Errorf(errdefs.ErrInvalid, "index %s: is nested deeper than %d", origin,
				maxIndexDepth)
		}
		if desc, err = platforms.Choose(m.Manifests, s.platform(opts.Platform)); err != nil {
			return Image{}, "", err
		}
		if body, err = repo.Manifest(ctx, desc); err != nil {
			return Image{}, "", err
		}
	}
	img.Target = img.Descriptor
	return img, origin, s.fetchConfig(ctx, repo, &img, body, hold)
}

// fetchConfig stores the manifest and brings the config.
func (s *Store) fetchConfig(
	ctx context.Context, repo *client.Repository, img *Image, body []byte, hold content.Lease,
) error {
	config := img.Manifest.Config
	if config.Size > content.MaxRead {
		return errdefs.Errorf(errdefs.ErrInvalid, "image config %s: %d bytes are too many", config.Digest, config.Size)
	}
	if err := hold.Add(ctx, img.Descriptor.Digest.String(), config.Digest.String()); err != nil {
		return err
	}
	intact, err := s.intact(ctx, img.Descriptor)
	if err == nil && !intact {
		_, err = content.WriteBytes(ctx, s.cfg.Content, img.Descriptor, body)
	}
	if err == nil {
		_, err = s.intact(ctx, config)
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
	return img.parseConfig(raw)
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

func (s *Store) repository(ref reference.Reference) (*client.Repository, error) {
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
	err = unnamed(ref, err)
	said := fmt.Errorf("%s %s: %w", doing, ref.Familiar(), err)
	switch kind := errdefs.KindOf(err); {
	case errors.Is(kind, errdefs.ErrNotFound), errors.Is(kind, errdefs.ErrUnavailable):
		if hint := ref.Hint(s.cfg.Known); hint != "" {
			return fmt.Errorf("%w; %s", said, hint)
		}
	case errors.Is(kind, errdefs.ErrDenied), errors.Is(kind, errdefs.ErrUnauthenticated):
		if hint := ref.Hint(s.cfg.Known); hint != "" {
			return fmt.Errorf("%w; %s", said, hint)
		}
		registry, err := s.cfg.Registry()
		if err != nil {
			return said
		}
		return Refused(ctx, registry, ref.Registry, said)
	}
	return said
}

// Refused says of a refusal by a registry whether it is the sign-in that is missing,
// or its rights. One that came with a reason of the registry's keeps that alone.
func Refused(ctx context.Context, registry *client.Client, host string, err error) error {
	var answer *errcode.Error
	if !errors.As(err, &answer) { // refused by us, as plain HTTP is
		return err
	}
	switch {
	case !registry.SignedIn(ctx, host):
		return errdefs.Suggest(fmt.Errorf("%w; it is not there, or not for everybody", err), errdefs.Login, host)
	case errors.Is(err, errdefs.ErrUnauthenticated):
		return errdefs.Suggest(fmt.Errorf("%w; the sign-in that is kept for it may be out of date", err), errdefs.Login,
			host)
	case answer.Code == "": // a HEAD's refusal gives no reason
		return fmt.Errorf("%w; the account signed in may not do this: ask an administrator of the project", err)
	}
	return err
}

// unnamed takes the name that distribution put before an error off again: ours
// comes before it.
func unnamed(ref reference.Reference, err error) error {
	e, ok := errdefs.Outermost(err)
	if !ok || e.Side != ref.Name() {
		return err
	}
	short := *e
	short.Side = ""
	if short.Object == ref.Tag {
		short.Object = ""
	}
	return &short
}
