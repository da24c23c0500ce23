package mounts

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"cove/engine/runspec"
	"cove/errdefs"
	"cove/images/image"
	"cove/layers/mount"
	"cove/layers/snapshot/overlay"
	"cove/runner/record"
)

// mountImage has the files of an image mounted; the image is pulled, and kept, as the
// one that the container is made from.
func (c Container) mountImage(ctx context.Context, m *record.Mounted, v runspec.Volume) error {
	img, err := c.Image(ctx, v.Source)
	if err != nil {
		return fmt.Errorf("mount at %s: image %s: %w", v.Target, v.Source, err)
	}
	if len(img.Layers) == 0 {
		return errdefs.Errorf(errdefs.ErrInvalid, "mount at %s: image %s has no files", v.Target, v.Source)
	}
	stack, err := c.filesOf(ctx, img)
	if err != nil {
		return fmt.Errorf("mount at %s: image %s: %w", v.Target, v.Source, err)
	}
	stack.IDMap = c.Root.IDMap
	m.Type, m.Image, m.ImageID, m.Snapshot = record.MountImage, v.Source, img.ID.String(), string(img.ChainID())
	m.Stack, m.Source = &stack, stack.Source
	if stack.Type == "overlay" {
		m.Source = stack.Lower[0]
	}
	return nil
}

// filesOf is the read-only mount of an image, whose layers are unpacked if they were not.
func (c Container) filesOf(ctx context.Context, img image.Image) (mount.Mount, error) {
	snaps, err := c.Parts.Snapshots()
	if err != nil {
		return mount.Mount{}, err
	}
	m, err := snaps.Mounts(ctx, string(img.ChainID()))
	if !errors.Is(err, errdefs.ErrNotFound) {
		return m, err
	}
	store, err := c.Parts.Images()
	if err != nil {
		return mount.Mount{}, err
	}
	if err := store.Unpack(ctx, img, c.Lease, c.Progress); err != nil {
		return mount.Mount{}, err
	}
	return snaps.Mounts(ctx, string(img.ChainID()))
}

// writtenElsewhere puts a directory that takes what the container writes over what is
// mounted.
func writtenElsewhere(m *record.Mounted, v runspec.Volume, own mount.IDMap) error {
	if m.Stack == nil {
		info, err := os.Stat(m.Source)
		switch {
		case err != nil:
			return fmt.Errorf("volume %s: %w", m.Source, err)
		case !info.IsDir():
			return errdefs.Errorf(errdefs.ErrInvalid, "volume %s: option O: it is no directory", m.Source)
		}
		if m.Subpath != "" {
			return errdefs.Errorf(errdefs.ErrInvalid, "volume %s: option O: not of a directory in a volume", m.Source)
		}
		m.Stack = &mount.Mount{Type: "bind", Source: m.Source}
		if m.MapOwners {
			m.Stack.IDMap = own
		} else if !m.Owners.IsZero() {
			m.Stack.IDMap = m.Owners
		}
	}
	if m.Stack.Type == "bind" {
		m.Stack.Type, m.Stack.Lower, m.Stack.Source = "overlay", []string{m.Stack.Source}, ""
	}
	m.Stack.ReadOnly, m.Stack.Options = false, overlay.Options()
	m.Stack.Upper, m.Stack.Work = v.Upper, v.Work
	if m.Fresh = v.Upper == ""; m.Fresh {
		return nil
	}
	for _, dir := range []string{v.Upper, v.Work} {
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			return errdefs.Errorf(errdefs.ErrInvalid, "volume %s: option O: %s is no directory that is there",
				m.Source, dir)
		}
	}
	return nil
}

// owners says which ids of the disk are shown as which of the host's.
func owners(v runspec.Volume, source string, own mount.IDMap) (m mount.IDMap, err error) {
	if o := v.Owners; o.UID == nil && o.GID == nil {
		if m.UIDs, err = ranges(v.Target, o.Host.UIDs, o.Container.UIDs, own.UIDs); err != nil {
			return m, err
		}
		m.GIDs, err = ranges(v.Target, o.Host.GIDs, o.Container.GIDs, own.GIDs)
		return m, err
	}
	var st unix.Stat_t
	if err := unix.Stat(source, &st); err != nil {
		return m, fmt.Errorf("mount at %s: %s: %w", v.Target, source, err)
	}
	if m.UIDs, err = exchanged(v.Target, own.UIDs, st.Uid, v.Owners.UID); err != nil {
		return m, err
	}
	m.GIDs, err = exchanged(v.Target, own.GIDs, st.Gid, v.Owners.GID)
	return m, err
}

// everyID are the ids of a container without a user namespace.
var everyID = []mount.IDRange{{Size: 1<<32 - 1}}

// ranges puts those of the container in terms of the host.
func ranges(target string, host, container, own []mount.IDRange) ([]mount.IDRange, error) {
	all := slices.Clone(host)
	for _, r := range container {
		outside, err := mount.Translate(own, r)
		if err != nil {
			return nil, fmt.Errorf("mount at %s: %w", target, err)
		}
		all = append(all, outside)
	}
	return all, nil
}

// exchanged shows files of one id on disk with another of the container, those of
// that with the first, and all others as they are.
func exchanged(target string, own []mount.IDRange, disk uint32, shown *uint32) ([]mount.IDRange, error) {
	if len(own) == 0 {
		own = everyID
	}
	if shown == nil || *shown == disk {
		return own, nil
	}
	at, err := mount.Translate(own, mount.IDRange{Inside: disk, Outside: *shown, Size: 1})
	if err != nil {
		return nil, fmt.Errorf("mount at %s: %w", target, err)
	}
	all := []mount.IDRange{at}
	if back, err := mount.Translate(own, mount.IDRange{Inside: *shown, Outside: disk, Size: 1}); err == nil {
		all = append(all, back)
	}
	return append(all, mount.Without(own, disk, *shown)...), nil
}
