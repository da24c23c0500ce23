package images

import (
	"context"
	"errors"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/distribution/progress"
	"cove/errdefs"
	"cove/events"
	"cove/images/damage"
	"cove/images/image"
	"cove/images/names"
	"cove/images/remote"
	"cove/images/told"
	"cove/reference"
)

// PushOptions are the choices of Push.
type PushOptions struct {
	Progress progress.Func
	// MountFrom names repositories of the registry that may have the layers, beside those
	// of the images here.
	MountFrom []string
	// ByDigest pushes the image of a name with a digest, which gets no tag.
	ByDigest bool
	// Target, if it has a digest, is what is pushed in place of what has the name here, which it
	// does not get.
	Target ocispec.Descriptor
	// Lacking, if not nil, opens layers that are not here, where the registry lacks them too.
	Lacking content.Provider
}

// Push brings an image to the registry of its name: only the blobs that are
// missing there, mounted from a neighbouring repository where possible, and the
// manifest last. It returns what the name stands for there.
func (s *Store) Push(ctx context.Context, name string, opts PushOptions) (ocispec.Descriptor, error) {
	ref, err := reference.Parse(name)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	if ref.Digest != "" && !opts.ByDigest {
		return ocispec.Descriptor{}, errdefs.Errorf(errdefs.ErrInvalid,
			"pushing %s: a name with a digest cannot be pushed; give it a tag", ref.Familiar())
	}
	all, err := s.names.All(ctx)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	target := opts.Target
	i := slices.IndexFunc(all, func(r names.Record) bool { return r.Name == ref.String() })
	switch {
	case target.Digest != "":
	case i >= 0:
		target = all[i].Target
	default:
		return ocispec.Descriptor{}, errdefs.Errorf(errdefs.ErrNotFound,
			"pushing %s: no image has that name here; tag one first", ref.Familiar())
	}
	lease, err := s.cfg.Content.Lease(ctx)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	defer lease.Release()
	img, err := s.image(ctx, target, all)
	if err == nil {
		err = lease.Add(ctx, img.Refs()...)
	}
	if err == nil {
		if opts.Lacking == nil {
			s.whole(ctx, img, lease)
		}
		opts.MountFrom = s.mountable(ctx, all, ref, opts.MountFrom, layerBlobs(img.Layers)...)
		err = s.push(ctx, ref, img, opts)
		err = damage.Explain(ctx, s.cfg.Content, append(layerBlobs(img.Layers), img.ID, img.Descriptor.Digest), err)
	}
	if err != nil {
		return ocispec.Descriptor{}, s.explain(ctx, "pushing", ref, err)
	}
	told.Moved(s.cfg.Root, events.Push, ref, img)
	return s.target(img), s.pushed(ctx, ref, img)
}

func (s *Store) push(ctx context.Context, ref reference.Reference, img image.Image, opts PushOptions) error {
	repo, err := s.repository(ref)
	if err != nil {
		return err
	}
	layer := map[digest.Digest]bool{}
	for _, l := range img.Layers {
		layer[l.Blob.Digest] = true
	}
	return repo.Push(ctx, s.cfg.Content, s.target(img).Digest, remote.PushOptions{
		Tag: ref.Tag, MountFrom: opts.MountFrom, Lacking: opts.Lacking,
		Progress: func(e progress.Event) {
			if layer[e.Desc.Digest] {
				opts.Progress.Tell(e)
			}
		},
	})
}

// PushBlob brings one blob of an image that will get a name to the registry of that
// name, as a push of the image would.
func (s *Store) PushBlob(
	ctx context.Context, ref reference.Reference, blob ocispec.Descriptor, opts PushOptions,
) error {
	repo, err := s.repository(ref)
	if err != nil {
		return err
	}
	all, err := s.names.All(ctx)
	if err != nil {
		return err
	}
	return repo.PushBlob(ctx, s.cfg.Content, blob, remote.PushOptions{
		MountFrom: s.mountable(ctx, all, ref, opts.MountFrom, blob.Digest), Progress: opts.Progress,
	})
}

// mountable lists repositories of the same registry which hold some of the blobs: those
// of which it is said, and those that an image here was pulled from or pushed to.
func (s *Store) mountable(
	ctx context.Context, all []names.Record, ref reference.Reference, said []string, blobs ...digest.Digest,
) []string {
	return names.Mountable(all, ref, said, func(r names.Record) bool {
		shares, err := s.open(ctx, r.Target)
		return err == nil && slices.ContainsFunc(shares.Manifest.Layers,
			func(d ocispec.Descriptor) bool { return slices.Contains(blobs, d.Digest) })
	})
}

// pushed remembers under which digest the registry knows the name now, unless
// the name was moved or removed meanwhile.
func (s *Store) pushed(ctx context.Context, ref reference.Reference, img image.Image) error {
	sent := s.target(img).Digest
	return s.names.Update(ctx, func(c *names.Change) error {
		r, err := c.Get(ref.String())
		if err != nil || r.Target.Digest != sent || r.Origin == sent {
			return ignoreNotFound(err)
		}
		r.Origin = sent
		return c.Put(r)
	})
}

func ignoreNotFound(err error) error {
	if errors.Is(err, errdefs.ErrNotFound) {
		return nil
	}
	return err
}
