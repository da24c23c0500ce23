package engine

import (
	"context"

	"cove/engine/inspect"
	"cove/layers/mount"
)

// InspectContainer tells everything about a container, in docker's shape.
func (e *Engine) InspectContainer(ctx context.Context, ref string) (*inspect.Container, error) {
	c, err := e.Container(ctx, ref)
	if err != nil {
		return nil, err
	}
	state, err := c.State(ctx)
	if err != nil {
		return nil, err
	}
	driver, err := e.driver()
	if err != nil {
		return nil, err
	}
	return inspect.OfContainer(c, state, driver), nil
}

// InspectImage tells everything about a local image, in docker's shape.
func (e *Engine) InspectImage(ctx context.Context, name string) (*inspect.Image, error) {
	store, err := e.images()
	if err != nil {
		return nil, err
	}
	img, err := store.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	driver, err := e.driver()
	if err != nil {
		return nil, err
	}
	snaps, err := e.snapshots()
	if err != nil {
		return nil, err
	}
	root, err := snaps.Mounts(ctx, string(img.ChainID()))
	if err != nil {
		root = mount.Mount{} // not unpacked
	}
	return inspect.OfImage(img, driver, root, store.Size(ctx, img))
}

// InspectVolume tells everything about a volume, in docker's shape.
func (e *Engine) InspectVolume(_ context.Context, name string) (*inspect.Volume, error) {
	v, err := e.volumes().Get(name)
	if err != nil {
		return nil, err
	}
	return inspect.OfVolume(v, e.volumes().Path(name)), nil
}
