package containers

import (
	"context"
	"errors"
	"fmt"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/distribution/progress"
	engineimages "cove/engine/images"
	"cove/engine/uses"
	"cove/errdefs"
	"cove/images/gc"
	"cove/images/image"
	"cove/internal/platforms"
	"cove/layers/compress/codec"
	"cove/layers/mount"
	"cove/reference"
)

// PullPolicy says when the registry is asked for an image that is to be run.
type PullPolicy string

// The policies; "" is PullMissing.
const (
	PullMissing PullPolicy = "missing"
	PullAlways  PullPolicy = "always"
	PullNever   PullPolicy = "never"
)

// CanPull is errdefs.ErrNotLinked when this program cannot bring the image of a container
// here: Create and Run return that too, before they did anything.
func CanPull() error {
	_, err := codec.Linked()
	return err
}

// imageToRun finds the image of a container, pulling it as the policy says, and
// keeps it under the lease until the container is recorded. A program that cannot
// unpack what would have to be pulled is told errdefs.ErrNotLinked.
func (cs *Containers) imageToRun(ctx context.Context, lease content.Lease, o CreateOptions) (image.Image, error) {
	store, err := cs.parts.Images()
	if err != nil {
		return image.Image{}, err
	}
	var want ocispec.Platform
	if o.Platform != "" {
		if want, err = platforms.Parse(o.Platform); err != nil {
			return image.Image{}, err
		}
	}
	hold := func(img image.Image) error {
		return lease.Add(ctx, uses.ImagePrefix+img.ID.String(), gc.SnapshotPrefix+string(img.ChainID()))
	}
	if o.Pull != PullAlways {
		img, err := store.GetHeld(ctx, o.Image, hold)
		if err == nil {
			err = checkPlatform(img, want)
		}
		if !errors.Is(err, errdefs.ErrNotFound) || o.Pull == PullNever {
			return img, err
		}
	}
	ref, err := reference.Parse(o.Image)
	if err != nil {
		return image.Image{}, err
	}
	if err := CanPull(); err != nil {
		return image.Image{}, err // before anything is told or asked
	}
	if o.Pull != PullAlways && o.Progress != nil { // who is shown nothing of it is not told, either
		cs.parts.Notify(fmt.Sprintf("Unable to find image '%s' locally", ref.Familiar()))
	}
	pulled, err := engineimages.Of(cs.parts).Pull(ctx, o.Image,
		engineimages.PullOptions{Progress: o.Progress, Platform: o.Platform})
	if err != nil {
		return image.Image{}, err
	}
	return store.GetHeld(ctx, pulled[0].ID.String(), hold)
}

// checkPlatform refuses an image that is here, with ErrNotFound, when it is of
// another platform than was asked for.
func checkPlatform(img image.Image, want ocispec.Platform) error {
	have := img.Config.Platform
	if want.OS != "" && platforms.Rank(&have, want) == 0 {
		return errdefs.Errorf(errdefs.ErrNotFound,
			"the image was found but its platform (%s) does not match the specified platform (%s)",
			platforms.Format(have), platforms.Format(want))
	}
	return nil
}

// warnPlatform warns of an image that this machine may not be able to run, when nobody
// asked for its platform. It is told when nothing can have another program begin again.
func (cs *Containers) warnPlatform(img image.Image, asked string) {
	have := img.Config.Platform
	if asked != "" {
		return
	}
	if host := platforms.Host(); platforms.Rank(&have, host) == 0 {
		cs.parts.Notify(fmt.Sprintf("WARNING: The requested image's platform (%s) does not match the detected host "+
			"platform (%s) and no specific platform was requested", platforms.Format(have), platforms.Format(host)))
	}
}

// stack prepares a writable snapshot on the image's layers, which the lease
// holds, and unpacks them first when they are not.
func (cs *Containers) stack(
	ctx context.Context, key string, img image.Image, lease content.Lease, tell progress.Func,
) (mount.Mount, error) {
	snaps, err := cs.parts.Snapshots()
	if err != nil {
		return mount.Mount{}, err
	}
	chain := string(img.ChainID())
	m, err := snaps.Prepare(ctx, key, chain)
	if !errors.Is(err, errdefs.ErrNotFound) {
		return m, err
	}
	if err := CanPull(); err != nil {
		return mount.Mount{}, err
	}
	store, err := cs.parts.Images()
	if err != nil {
		return mount.Mount{}, err
	}
	if err := store.Unpack(ctx, img, lease, tell); err != nil {
		return mount.Mount{}, err
	}
	return snaps.Prepare(ctx, key, chain)
}
