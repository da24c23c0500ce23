package files

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/engine/machine"
	"cove/engine/runspec"
	"cove/events"
	"cove/images/image"
	"cove/layers"
	"cove/layers/diff"
	"cove/reference"
	"cove/runner"
	"cove/runner/record"
)

// CommitOptions are the choices of Commit.
type CommitOptions struct {
	// Name is given to the image; "" leaves it without.
	Name            string
	Message, Author string
	// Config is put over what the container was told to be, before the changes.
	Config ocispec.ImageConfig
	// Changes are Dockerfile instructions that change only the config.
	Changes []string
	// Running leaves the container's processes running meanwhile; what they
	// write may then be in the image half.
	Running bool
}

// Commit makes an image of a container: its own image, and on top what it
// changed, without what is mounted in it. One that runs is paused meanwhile.
func (fl *Files) Commit(ctx context.Context, ref string, o CommitOptions) (img image.Image, err error) {
	if err := machine.NeedRoot("committing a container"); err != nil {
		return img, err
	}
	c, err := fl.parts.Container(ctx, ref)
	if err != nil {
		return img, err
	}
	hold := c.HoldStill
	if o.Running {
		hold = c.Hold
	}
	err = hold(ctx, func(record.State) error {
		img, err = fl.commit(ctx, c, o)
		return err
	})
	return img, err
}

// commit is Commit of a container that nobody changes meanwhile.
func (fl *Files) commit(ctx context.Context, c *runner.Container, o CommitOptions) (img image.Image, err error) {
	store, err := fl.parts.Images()
	if err != nil {
		return img, err
	}
	base, err := store.Get(ctx, c.Config().ImageID)
	if err != nil {
		return img, fmt.Errorf("the image of container %s: %w", c, err)
	}
	blobs, err := fl.parts.Content()
	if err != nil {
		return img, err
	}
	lease, err := blobs.Lease(ctx, refsOf(base)...)
	if err != nil {
		return img, err
	}
	defer lease.Release()
	layer, err := diff.Commit(ctx, content.Holding(blobs, lease), c.Config().Root, diff.Options{Skip: ownMounts(c)})
	if err != nil {
		return img, fmt.Errorf("container %s: %w", c, err)
	}
	config, err := fl.committed(ctx, c, base, layer.Layer, o)
	if err != nil {
		return img, err
	}
	base.Layers = append(slices.Clone(base.Layers), layer.Layer)
	if err := store.Unpack(ctx, base, lease, nil); err != nil {
		return img, err
	}
	img, err = store.Create(ctx, o.Name, config, base.Layers, lease)
	if err == nil {
		name := o.Name
		if ref, err := reference.Parse(name); err == nil {
			name = ref.Familiar()
		}
		c.Tell(events.Commit, "comment", o.Message, "imageID", img.ID.String(), "imageRef", name)
	}
	return img, err
}

func refsOf(img image.Image) []string {
	refs := []string{img.ID.String(), img.Descriptor.Digest.String()}
	for _, l := range img.Layers {
		refs = append(refs, l.Blob.Digest.String())
	}
	return refs
}

// committed is the config of the image: that of the base, with what the
// container was told to be, and the changes over it.
func (fl *Files) committed(
	ctx context.Context, c *runner.Container, base image.Image, layer layers.Layer, o CommitOptions,
) ([]byte, error) {
	told := o.Config
	if asked := c.Config().Asked; asked != nil {
		told = runspec.Over(ocispec.ImageConfig(asked.Image), told)
	}
	changes, err := fl.parts.Apply(ctx, o.Changes, ocispec.Image{Platform: base.Platform(), Config: told})
	if err != nil {
		return nil, err
	}
	now := fl.parts.Now().UTC()
	img := base.Config
	img.Created, img.Author = &now, cmp.Or(o.Author, img.Author)
	img.Config = runspec.Over(told, changes.ImageConfig)
	img.RootFS.DiffIDs = append(slices.Clone(img.RootFS.DiffIDs), digest.Digest(layer.DiffID))
	img.History = append(slices.Clone(img.History), ocispec.History{
		Created: &now, CreatedBy: strings.Join(c.Config().Spec.Process.Args, " "), Author: o.Author, Comment: o.Message,
	})
	raw, err := runspec.KeepUnknown(base.RawConfig, img)
	if err != nil {
		return nil, err
	}
	return changes.Into(raw)
}
