package images

import (
	"context"
	"io"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/distribution/manifest"
	"cove/errdefs"
	"cove/events"
	"cove/images/tarball"
	"cove/reference"
)

// Save writes images, by name or id, as one tar that is both an OCI layout and a
// docker archive. A name without tag is every tag of its repository, as in
// docker. The same images give the same bytes.
func (s *Store) Save(ctx context.Context, w io.Writer, names []string) error {
	if len(names) == 0 {
		return errdefs.Errorf(errdefs.ErrInvalid, "saving: no image is named")
	}
	lease, err := s.cfg.Content.Lease(ctx)
	if err != nil {
		return err
	}
	defer lease.Release()
	var out []tarball.Image
	var blobs []ocispec.Descriptor
	asked, err := s.asked(ctx, names)
	if err != nil {
		return err
	}
	for _, name := range asked {
		img, err := s.Get(ctx, name)
		if err != nil {
			return err
		}
		if err := lease.Add(ctx, img.refs()...); err != nil {
			return err
		}
		entry := tarball.Image{
			Names: namesFor(img, name), Target: img.Target, Config: img.Manifest.Config,
			Layers: img.Manifest.Layers,
		}
		out = addEntry(out, entry)
		if blobs, err = s.closure(ctx, img.Target, blobs); err != nil {
			return err
		}
	}
	slices.SortStableFunc(out, func(a, b tarball.Image) int {
		return strings.Compare(string(a.Target.Digest),
			string(b.Target.Digest))
	})
	if err = tarball.Write(ctx, w, s.cfg.Content, out, blobs); err == nil {
		for _, saved := range out {
			s.tellWhole(events.Save, saved.Config.Digest)
		}
	}
	return s.explainDamage(ctx, digestsOf(blobs), err)
}

func digestsOf(descs []ocispec.Descriptor) (dgsts []digest.Digest) {
	for _, d := range descs {
		dgsts = append(dgsts, d.Digest)
	}
	return dgsts
}

// asked replaces each name without a tag by all the tags that it has here, if
// it has any.
func (s *Store) asked(ctx context.Context, names []string) ([]string, error) {
	all, err := s.names.All(ctx)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, name := range names {
		before := len(out)
		if want, err := reference.Parse(name); err == nil && reference.IsNameOnly(name) {
			for _, r := range all {
				if have, err := reference.Parse(r.Name); err == nil && have.Tag != "" && have.Name() == want.Name() {
					out = append(out, r.Name)
				}
			}
		}
		if len(out) == before {
			out = append(out, name)
		}
	}
	return out, nil
}

// namesFor are the names under which an image is saved: the one it was asked
// for by, or none when that was an id.
func namesFor(img Image, asked string) []string {
	ref, err := reference.Parse(asked)
	if err != nil || !slices.Contains(img.Names, ref) {
		return nil
	}
	return []string{ref.String()}
}

func addEntry(out []tarball.Image, e tarball.Image) []tarball.Image {
	i := slices.IndexFunc(out, func(o tarball.Image) bool { return o.Target.Digest == e.Target.Digest })
	if i < 0 {
		return append(out, e)
	}
	out[i].Names = append(out[i].Names, e.Names...)
	slices.Sort(out[i].Names)
	out[i].Names = slices.Compact(out[i].Names)
	return out
}

// closure adds to blobs what target refers to. Images of an index that are for
// other platforms and not here are left out, as docker does.
func (s *Store) closure(
	ctx context.Context, target ocispec.Descriptor, blobs []ocispec.Descriptor,
) ([]ocispec.Descriptor, error) {
	blobs = append(blobs, target)
	children, _, err := s.children(ctx, target)
	if err != nil {
		return nil, err
	}
	for _, c := range children {
		if manifest.IsIndex(target.MediaType) {
			if _, err := s.cfg.Content.Stat(ctx, c.Digest); err != nil {
				continue
			}
		}
		if manifest.IsManifest(c.MediaType) {
			if blobs, err = s.closure(ctx, c, blobs); err != nil {
				return nil, err
			}
			continue
		}
		blobs = append(blobs, c)
	}
	return blobs, nil
}
