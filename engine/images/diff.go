package images

import (
	"context"
	"errors"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/distribution/progress"
	"cove/images"
	"cove/images/compare"
	"cove/images/image"
	"cove/internal/platforms"
)

// What a difference consists of: files that changed, and what of one is another.
type (
	Change = compare.Change
	Detail = compare.Detail
	File   = compare.File
	Diff   = compare.Diff
	Kind   = compare.Kind
)

// The kinds of changes.
const (
	Added   = compare.Added
	Changed = compare.Changed
	Deleted = compare.Deleted
)

// DiffOptions are the choices of CompareImages.
type DiffOptions struct {
	compare.Options
	// Platform is that of both images, for names that stand for several:
	// OS/ARCH[/VARIANT]; "" is this machine's.
	Platform string
	// Progress is told of layers that are fetched.
	Progress progress.Func
}

// CompareImages compares the files and configs of two images, here or at their registries. What
// is fetched for it goes with the next garbage collection, as nothing names it.
func (is *Images) CompareImages(ctx context.Context, before, after string, o DiffOptions) (d Diff, err error) {
	blobs, err := is.parts.Content()
	if err != nil {
		return d, err
	}
	hold, err := blobs.Lease(ctx)
	if err != nil {
		return d, err
	}
	defer func() { err = errors.Join(err, hold.Release()) }()
	was, err := is.bring(ctx, before, hold, o)
	if err != nil {
		return d, err
	}
	now, err := is.bring(ctx, after, hold, o)
	if err != nil {
		return d, err
	}
	return o.Both(ctx, blobs, was, now)
}

// bring finds an image, and has its layers here.
func (is *Images) bring(ctx context.Context, name string, hold content.Lease, o DiffOptions) (image.Image, error) {
	store, err := is.parts.Images()
	if err != nil {
		return image.Image{}, err
	}
	var platform ocispec.Platform
	if o.Platform != "" {
		if platform, err = platforms.Parse(o.Platform); err != nil {
			return image.Image{}, err
		}
	}
	img, err := store.Resolve(ctx, name, images.ResolveOptions{
		PullOptions: images.PullOptions{Platform: platform, Progress: o.Progress}, Hold: hold,
	})
	if err != nil {
		return img, err
	}
	return img, store.Fetch(ctx, img, hold, o.Progress)
}
