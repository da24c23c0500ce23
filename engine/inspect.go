package engine

import (
	"context"
	"errors"

	"cove/engine/containers"
	"cove/engine/dockertypes"
	"cove/engine/listing"
	"cove/engine/uses"
	"cove/errdefs"
)

// Kind is what a name may be of.
type Kind string

// The kinds; AnyKind tries them all.
const (
	AnyKind       Kind = ""
	ContainerKind Kind = "container"
	ImageKind     Kind = "image"
	NetworkKind   Kind = "network"
	VolumeKind    Kind = "volume"
)

// Check refuses a kind that does not exist, with errdefs.ErrInvalid.
func (k Kind) Check() error {
	switch k {
	case AnyKind, ContainerKind, ImageKind, NetworkKind, VolumeKind:
		return nil
	}
	return errdefs.Errorf(errdefs.ErrInvalid, "type %s: want container, image, network or volume", k)
}

// Inspect tells everything about a container, image, network or volume, in docker's
// shape. A name of AnyKind is a container's, or else an image's, a network's, a
// volume's. A kind that does not exist is errdefs.ErrInvalid.
func (e *Engine) Inspect(ctx context.Context, kind Kind, name string) (any, error) {
	switch kind {
	case ContainerKind:
		return e.InspectContainer(ctx, name)
	case ImageKind:
		return e.InspectImage(ctx, name)
	case NetworkKind:
		return e.InspectNetwork(ctx, name)
	case VolumeKind:
		return e.InspectVolume(ctx, name)
	}
	if err := kind.Check(); err != nil {
		return nil, err
	}
	for _, kind := range []Kind{ContainerKind, ImageKind, NetworkKind, VolumeKind} {
		// A name that one kind cannot have may still be another's.
		found, err := e.Inspect(ctx, kind, name)
		if err == nil || !errors.Is(err, errdefs.ErrNotFound) && !errors.Is(err, errdefs.ErrInvalid) {
			return found, err
		}
	}
	return nil, errdefs.Errorf(errdefs.ErrNotFound, "No such object: %s", name)
}

// InspectContainer tells everything about a container, in docker's shape.
func (e *Engine) InspectContainer(ctx context.Context, ref string) (*dockertypes.Container, error) {
	c, err := e.Container(ctx, ref)
	if err != nil {
		return nil, err
	}
	state, err := c.State(ctx)
	if err != nil {
		return nil, err
	}
	driver, err := e.parts.Driver()
	if err != nil {
		return nil, err
	}
	return dockertypes.OfContainer(c, state, driver), nil
}

// MeasureContainer adds to what InspectContainer told what the container takes.
func (e *Engine) MeasureContainer(ctx context.Context, told *dockertypes.Container) error {
	c, err := e.Container(ctx, told.ID)
	if err != nil {
		return err
	}
	size, err := e.ContainerSize(ctx, listing.Container{Config: c.Config()})
	if err != nil {
		return err
	}
	told.SizeRw, told.SizeRootFs = &size.RW, &size.RootFS
	return nil
}

// InspectVolume tells everything about a volume, in docker's shape.
func (e *Engine) InspectVolume(ctx context.Context, name string) (*dockertypes.Volume, error) {
	v, err := e.parts.Volumes().Get(name)
	if err == nil && v.Anonymous { // it may have been left by a dead container, and goes with that
		if _, err = uses.Volumes(ctx, e.parts); err == nil {
			v, err = e.parts.Volumes().Get(name)
		}
	}
	if err != nil {
		return nil, err
	}
	return dockertypes.OfVolume(v, e.parts.Volumes().Path(name)), nil
}

// Resize sets the size of a container's terminal. One that does not run is
// errdefs.ErrConflict.
func (e *Engine) Resize(ctx context.Context, ref string, size containers.Size) error {
	c, err := e.Container(ctx, ref)
	if err != nil {
		return err
	}
	return c.Resize(ctx, size)
}
