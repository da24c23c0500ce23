package engine

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"cove/distribution/client"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/distribution/progress"
	"cove/errdefs"
	"cove/images"
	"cove/images/gc"
	"cove/internal/platforms"
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

func (e *Engine) openImages() (*images.Store, error) {
	store, err := e.content()
	if err != nil {
		return nil, err
	}
	snaps, err := e.snapshots()
	if err != nil {
		return nil, err
	}
	return images.Open(images.Config{
		Root: e.cfg.Root, Content: store, ContentDir: e.dir("images"),
		Snapshots: snaps, Registry: e.registry, Known: e.knownRegistry, InUse: e.inUse, Now: e.cfg.Now,
	})
}

// inUse visits what containers and the build cache keep from collection.
func (e *Engine) inUse(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		r, err := e.runner()
		if err != nil {
			yield("", err)
			return
		}
		for ref, err := range r.Roots(ctx) {
			if !yield(ref, err) || err != nil {
				return
			}
		}
		for ref, err := range e.buildState().Roots(ctx) {
			if !yield(ref, err) || err != nil {
				return
			}
		}
	}
}

// imageToRun finds the image of a container, pulling it as the policy says, and
// keeps it under the lease until the container is recorded.
func (e *Engine) imageToRun(ctx context.Context, lease content.Lease, o CreateOptions) (images.Image, error) {
	store, err := e.images()
	if err != nil {
		return images.Image{}, err
	}
	var want ocispec.Platform
	if o.Platform != "" {
		if want, err = platforms.Parse(o.Platform); err != nil {
			return images.Image{}, err
		}
	}
	hold := func(img images.Image) error {
		return lease.Add(ctx, imagePrefix+img.ID.String(), gc.SnapshotPrefix+string(img.ChainID()))
	}
	if o.Pull != PullAlways {
		img, err := store.GetHeld(ctx, o.Image, hold)
		if err == nil {
			err = e.checkPlatform(img, want)
		}
		if !errors.Is(err, errdefs.ErrNotFound) || o.Pull == PullNever {
			return img, err
		}
	}
	ref, err := reference.Parse(o.Image)
	if err != nil {
		return images.Image{}, err
	}
	if o.Pull != PullAlways {
		e.cfg.Notify(fmt.Sprintf("Unable to find image '%s' locally", ref.Familiar()))
	}
	if o.Pulling != nil {
		o.Pulling(ref)
	}
	pulled, err := store.Pull(ctx, o.Image, images.PullOptions{Progress: o.Progress, Platform: want})
	if o.Pulled != nil {
		o.Pulled(pulled.Digest, pulled.Newer, err)
	}
	if err != nil {
		return images.Image{}, err
	}
	return store.GetHeld(ctx, pulled.Image.ID.String(), hold)
}

// checkPlatform refuses an image that is here, with ErrNotFound, when it is of
// another platform than was asked for, and warns of one that this machine may
// not be able to run.
func (e *Engine) checkPlatform(img images.Image, want ocispec.Platform) error {
	have := img.Config.Platform
	if want.OS != "" {
		if platforms.Rank(&have, want) == 0 {
			return errdefs.Errorf(errdefs.ErrNotFound,
				"the image was found but its platform (%s) does not match the specified platform (%s)",
				platforms.Format(have), platforms.Format(want))
		}
		return nil
	}
	if host := platforms.Host(); platforms.Rank(&have, host) == 0 {
		e.cfg.Notify(fmt.Sprintf("WARNING: The requested image's platform (%s) does not match the detected host "+
			"platform (%s) and no specific platform was requested", platforms.Format(have), platforms.Format(host)))
	}
	return nil
}

// stack prepares a writable snapshot on the image's layers, which the lease
// holds, and unpacks them first when they are not.
func (e *Engine) stack(
	ctx context.Context, key string, img images.Image, lease content.Lease, tell progress.Func,
) (mount.Mount, error) {
	snaps, err := e.snapshots()
	if err != nil {
		return mount.Mount{}, err
	}
	chain := string(img.ChainID())
	m, err := snaps.Prepare(ctx, key, chain)
	if !errors.Is(err, errdefs.ErrNotFound) {
		return m, err
	}
	store, err := e.images()
	if err != nil {
		return mount.Mount{}, err
	}
	if err := store.Unpack(ctx, img, lease, tell); err != nil {
		return mount.Mount{}, err
	}
	return snaps.Prepare(ctx, key, chain)
}

// Registry is the client of registries.
func (e *Engine) Registry() (*client.Client, error) { return e.registry() }
