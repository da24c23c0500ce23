package images

import (
	"context"
	"io"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/errdefs"
	"cove/events"
	"cove/images/damage"
	"cove/images/image"
	"cove/images/names"
	"cove/images/tarball"
	"cove/images/told"
)

// Save writes images, by name or id, as one tar that is both an OCI layout and a
// docker archive. A name without tag is every tag of its repository, as in
// docker. The same images give the same bytes.
func (s *Store) Save(ctx context.Context, w io.Writer, asked []string) error {
	if len(asked) == 0 {
		return errdefs.Errorf(errdefs.ErrInvalid, "saving: no image is named")
	}
	lease, err := s.cfg.Content.Lease(ctx)
	if err != nil {
		return err
	}
	defer lease.Release()
	var out []tarball.Image
	var blobs []ocispec.Descriptor
	all, err := s.names.All(ctx)
	if err != nil {
		return err
	}
	for _, name := range names.Expand(all, asked) {
		img, err := s.Get(ctx, name)
		if err != nil {
			return err
		}
		if err := lease.Add(ctx, img.Refs()...); err != nil {
			return err
		}
		s.whole(ctx, img, lease)
		out = tarball.Add(out, tarball.Image{
			Names: img.CalledBy(name), Target: s.target(img), Config: img.Manifest.Config,
			Layers: img.Manifest.Layers,
		})
		if blobs, err = image.Closure(ctx, s.cfg.Content, s.target(img), blobs); err != nil {
			return err
		}
	}
	slices.SortStableFunc(out, func(a, b tarball.Image) int {
		return strings.Compare(string(a.Target.Digest), string(b.Target.Digest))
	})
	if err = tarball.Write(ctx, w, s.cfg.Content, out, blobs); err == nil {
		for _, saved := range out {
			told.Whole(s.cfg.Root, events.Save, saved.Config.Digest)
		}
	}
	return damage.Explain(ctx, s.cfg.Content, digestsOf(blobs), err)
}

func digestsOf(descs []ocispec.Descriptor) (dgsts []digest.Digest) {
	for _, d := range descs {
		dgsts = append(dgsts, d.Digest)
	}
	return dgsts
}
