// Package images is what is done to images, by name: bring them here and send them
// away, name, list, look into, archive and remove them.
package images

import (
	"context"
	"io"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/distribution/progress"
	"cove/engine/dockertypes"
	"cove/engine/listing"
	"cove/engine/parts"
	"cove/engine/uses"
	"cove/images"
	"cove/images/removal"
	"cove/internal/platforms"
	"cove/layers/mount"
)

// Images are the local images of one state root.
type Images struct {
	parts *parts.Parts
	// platform is the one whose images these are, or zero.
	platform ocispec.Platform
}

// Of returns the images that parts hold.
func Of(p *parts.Parts) *Images { return &Images{parts: p} }

// ForPlatform returns the images as one platform, OS/ARCH[/VARIANT], has them: those
// are inspected, saved, loaded and pushed alone, and what is not there for it is
// errdefs.ErrNotFound. "" is all.
func (is *Images) ForPlatform(platform string) (*Images, error) {
	if platform == "" {
		return is, nil
	}
	p, err := platforms.Parse(platform)
	return &Images{parts: is.parts, platform: p}, err
}

// store is opened by the first who needs it.
func (is *Images) store() (*images.Store, error) {
	store, err := is.parts.Images()
	if err != nil || is.platform.OS == "" {
		return store, err
	}
	return store.For(is.platform), nil
}

// Tag gives the image source one more name, taking it from another image if need be.
func (is *Images) Tag(ctx context.Context, source, target string) error {
	store, err := is.store()
	if err != nil {
		return err
	}
	return store.Tag(ctx, source, target)
}

// ListImages lists the images that a filter chooses, newest first, a row for each
// of their names. The errors are those of listing.Images.
func (is *Images) ListImages(ctx context.Context, f listing.ImageFilter) ([]listing.Image, error) {
	store, err := is.store()
	if err != nil {
		return nil, err
	}
	return listing.Images(ctx, store, f, is.parts.Now())
}

// Unreadable says which images no list shows, as their names cannot be read; nil if all can.
func (is *Images) Unreadable(ctx context.Context) error {
	store, err := is.store()
	if err != nil {
		return err
	}
	return store.Unreadable(ctx)
}

// ImageNames are the names of all images, as people type them.
func (is *Images) ImageNames(ctx context.Context) ([]string, error) {
	store, err := is.store()
	if err != nil {
		return nil, err
	}
	all, err := store.List(ctx)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, img := range all {
		for _, n := range img.Names {
			names = append(names, n.Familiar())
		}
	}
	return names, nil
}

// InspectImage tells everything about a local image, in docker's shape.
func (is *Images) InspectImage(ctx context.Context, name string) (*dockertypes.Image, error) {
	store, err := is.store()
	if err != nil {
		return nil, err
	}
	img, err := store.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	driver, err := is.parts.Driver()
	if err != nil {
		return nil, err
	}
	snaps, err := is.parts.Snapshots()
	if err != nil {
		return nil, err
	}
	root, err := snaps.Mounts(ctx, string(img.ChainID()))
	if err != nil {
		root = mount.Mount{} // not unpacked
	}
	return dockertypes.OfImage(img, driver, root, store.Sizes().Image(ctx, img))
}

// RemoveImage removes a name, or an image with all its names by its id. An
// image that a container uses is errdefs.ErrConflict unless force, which leaves
// it without a name; see images.Store.Remove.
func (is *Images) RemoveImage(ctx context.Context, name string, force bool) (removal.Removed, error) {
	store, err := is.store()
	if err != nil {
		return removal.Removed{}, err
	}
	return store.Remove(ctx, name, removal.Options{Force: force, UsedBy: is.usedBy})
}

// usedBy is uses.Images for the store of images, which asks while no name can go.
func (is *Images) usedBy(ctx context.Context) (map[digest.Digest]removal.User, error) {
	return uses.Images(ctx, is.parts)
}

// Save writes images, by name or id, as one archive that is an OCI layout and
// docker's in one; see images.Store.Save.
func (is *Images) Save(ctx context.Context, w io.Writer, names []string) error {
	store, err := is.store()
	if err != nil {
		return err
	}
	return store.Save(ctx, w, names)
}

// Load reads an archive of images and names them as it does; see images.Store.Load.
// What was loaded before an error stands beside it.
func (is *Images) Load(ctx context.Context, r io.Reader, tell progress.Func) ([]images.Loaded, error) {
	store, err := is.store()
	if err != nil {
		return nil, err
	}
	return store.Load(ctx, r, tell)
}

// ImportOptions are the choices of Import.
type ImportOptions struct {
	// Name is given to the image; "" leaves it without.
	Name string
	// Platform is the image's, OS/ARCH[/VARIANT]; "" is this machine's.
	Platform string
	// Message is the comment in the history.
	Message string
	// Changes are Dockerfile instructions that only change the config, as CMD.
	Changes []string
}

// Import makes an image of one layer from the tar of a root filesystem, compressed
// or not, and returns its id.
func (is *Images) Import(ctx context.Context, r io.Reader, o ImportOptions) (id digest.Digest, err error) {
	opts := images.ImportOptions{Name: o.Name, Message: o.Message}
	if o.Platform != "" {
		if opts.Platform, err = platforms.Parse(o.Platform); err != nil {
			return "", err
		}
	}
	if opts.Config, err = is.parts.Apply(ctx, o.Changes, ocispec.Image{Platform: opts.Platform}); err != nil {
		return "", err
	}
	store, err := is.store()
	if err != nil {
		return "", err
	}
	img, err := store.Import(ctx, r, opts)
	return img.ID, err
}
