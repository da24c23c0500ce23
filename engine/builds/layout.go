package builds

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/builder"
	"cove/content"
	"cove/distribution/copy"
	"cove/distribution/copy/layout"
	"cove/errdefs"
	"cove/reference"
)

// isLayout says whether a base came from a layout, and so has no registry.
func isLayout(name string) bool { return strings.HasPrefix(name, builder.LayoutContext) }

// resolveLayout brings the image that a context "oci-layout://DIRECTORY[:TAG|@DIGEST]"
// means here, for one platform.
func (r resolver) resolveLayout(ctx context.Context, name string, p ocispec.Platform) (base builder.Base, err error) {
	blobs, err := r.e.Content()
	if err != nil {
		return base, err
	}
	desc, err := copyLayout(ctx, holding{content.Holding(blobs, r.hold), blobs}, name, p)
	if err != nil {
		return base, fmt.Errorf("%s: %w", name, err)
	}
	store, err := r.e.Images()
	if err != nil {
		return base, err
	}
	img, err := store.Open(ctx, desc, p)
	if err != nil {
		return base, err
	}
	base = baseOf(name, img)
	base.Name = name
	return base, nil
}

// holding is a content store that leases what arrives.
type holding struct {
	content.Ingester
	copy.BlobStore
}

// Begin implements content.Ingester.
func (h holding) Begin(ctx context.Context, id string) (content.Writer, error) {
	return h.Ingester.Begin(ctx, id)
}

// Abort implements content.Ingester.
func (h holding) Abort(ctx context.Context, id string) error { return h.Ingester.Abort(ctx, id) }

// copyLayout copies the image of a layout that is for a platform.
func copyLayout(
	ctx context.Context, into copy.BlobStore, name string, p ocispec.Platform,
) (desc ocispec.Descriptor, err error) {
	dir, ref, err := parseLayout(name)
	if err != nil {
		return desc, err
	}
	from, err := layout.Open(dir)
	if err != nil {
		return desc, err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	if ref, err = knownAs(from, ref); err != nil {
		return desc, err
	}
	m, err := from.Resolve(ctx, ref)
	if err != nil {
		return desc, err
	}
	ref = m.Descriptor.Digest.String() // the tag may be no tag of a registry
	return copy.Copy(ctx, copy.Store{Content: into}, from, ref, copy.Options{Platforms: []ocispec.Platform{p}})
}

// knownAs is the tag of a layout that is ref, or that is a whole name with that
// tag, as many tools write it.
func knownAs(from *layout.Dir, ref string) (string, error) {
	tags, err := from.Tags()
	if err != nil || ref == "" || slices.Contains(tags, ref) {
		return ref, err
	}
	for _, tag := range tags {
		if strings.HasSuffix(tag, ":"+ref) {
			return tag, nil
		}
	}
	return ref, nil
}

// parseLayout takes the name of a layout apart; ref is a tag, a digest or "".
func parseLayout(name string) (dir, ref string, err error) {
	rest := strings.TrimPrefix(name, builder.LayoutContext)
	dir, sum, hasSum := strings.Cut(rest, "@")
	if hasSum {
		ref = sum
		_, err = reference.ParseDigest(sum)
	} else if i := strings.LastIndex(dir, ":"); i > strings.LastIndex(dir, "/") {
		dir, ref = dir[:i], dir[i+1:]
	}
	if err == nil && dir == "" {
		err = errdefs.Errorf(errdefs.ErrInvalid, "%s: want oci-layout://DIRECTORY[:TAG|@DIGEST]", name)
	}
	return dir, ref, err
}
