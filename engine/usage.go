package engine

import (
	"context"
	"errors"

	"github.com/opencontainers/go-digest"

	"cove/engine/listing"
	"cove/engine/parts"
	"cove/engine/rootfs"
	"cove/engine/uses"
	"cove/errdefs"
	"cove/images/image"
	"cove/layers"
	"cove/layers/tree"
)

// Usage is what one kind of thing takes on disk.
type Usage struct {
	Type          string
	Total, Active int
	Size          int64
	Reclaimable   int64
}

// add counts one more, of which bytes are its own.
func (u *Usage) add(active bool, bytes int64) {
	u.Total++
	u.Size += bytes
	if active {
		u.Active++
	} else {
		u.Reclaimable += bytes
	}
}

// DiskUsage is what there is, and what each takes: the bytes of files.
type DiskUsage struct {
	Images     []ImageUsage
	Containers []ContainerUsage
	Volumes    []VolumeUsage
	Cache      []CacheEntry
	// LayersSize is that of all layers of images, each counted once.
	LayersSize int64
	// unused is that of the layers of which no container's image has any.
	unused int64
}

// ImageUsage is one image.
type ImageUsage struct {
	listing.Image
	// Shared is the size of the layers that another image has too.
	Shared int64
	// Containers counts those made from it.
	Containers int
}

// ContainerUsage is one container.
type ContainerUsage struct {
	listing.Container
	ContainerSize
}

// VolumeUsage is one volume.
type VolumeUsage struct {
	Volume
	Size int64
}

// Sum adds up each kind, in docker's order.
func (d DiskUsage) Sum() []Usage {
	imgs := Usage{Type: "Images", Total: len(d.Images), Size: d.LayersSize, Reclaimable: d.unused}
	for _, img := range d.Images {
		if img.Containers > 0 {
			imgs.Active++
		}
	}
	ctrs, vols, cache := Usage{Type: "Containers"}, Usage{Type: "Local Volumes"}, Usage{Type: "Build Cache"}
	for _, c := range d.Containers {
		ctrs.add(c.Runs(), c.RW)
	}
	for _, v := range d.Volumes {
		vols.add(len(v.Users) > 0, v.Size)
	}
	for _, c := range d.Cache {
		cache.add(len(c.Images) > 0, c.Size)
	}
	return []Usage{imgs, ctrs, vols, cache}
}

// DiskUsage measures what images, containers, volumes and the build cache take.
func (e *Engine) DiskUsage(ctx context.Context) (d DiskUsage, err error) {
	if err := e.imageUsage(ctx, &d); err != nil {
		return d, err
	}
	all, err := e.Containers(ctx, listing.Filter{})
	if err != nil {
		return d, err
	}
	for _, c := range all {
		size, err := e.ContainerSize(ctx, c)
		if err != nil {
			continue // removed meanwhile
		}
		d.Containers = append(d.Containers, ContainerUsage{c, size})
	}
	vols, err := e.Volumes(ctx, nil)
	if err != nil {
		return d, err
	}
	for _, v := range vols {
		disk, err := tree.Measure(ctx, v.Path)
		if err != nil {
			continue // removed meanwhile
		}
		d.Volumes = append(d.Volumes, VolumeUsage{v, disk.FileBytes})
	}
	d.Cache, err = e.BuildCache(ctx)
	return d, err
}

// imageUsage counts each layer once, whatever images share it.
func (e *Engine) imageUsage(ctx context.Context, d *DiskUsage) error {
	store, err := e.parts.Images()
	if err != nil {
		return err
	}
	all, err := store.List(ctx)
	if err != nil {
		return err
	}
	used, err := uses.Count(ctx, e.parts)
	if err != nil {
		return err
	}
	layersOf := layerTable{}
	for _, img := range all {
		layersOf.add(img, store.Sizes().Layers(ctx, img), used[img.ID] > 0)
	}
	for _, img := range all {
		row := ImageUsage{Image: listing.OfImage(img)[0], Containers: used[img.ID]}
		row.Size = store.Sizes().Image(ctx, img)
		row.Shared = layersOf.shared(img)
		d.Images = append(d.Images, row)
	}
	for _, l := range layersOf {
		d.LayersSize += l.size
		if !l.used {
			d.unused += l.size
		}
	}
	return nil
}

// layerTable has what is known of each layer of images, by its chainID.
type layerTable map[layers.ChainID]*layerUse

type layerUse struct {
	size   int64
	images map[digest.Digest]bool
	used   bool // by a container
}

func (t layerTable) add(img image.Image, sizes []int64, used bool) {
	var chain layers.ChainID
	for i, l := range img.Layers {
		chain = chain.Append(l.DiffID)
		if t[chain] == nil {
			t[chain] = &layerUse{size: sizes[i], images: map[digest.Digest]bool{}}
		}
		t[chain].images[img.ID] = true
		t[chain].used = t[chain].used || used
	}
}

func (t layerTable) shared(img image.Image) (n int64) {
	var chain layers.ChainID
	for _, l := range img.Layers {
		chain = chain.Append(l.DiffID)
		if use := t[chain]; len(use.images) > 1 {
			n += use.size
		}
	}
	return n
}

// ContainerSize is what a container takes: RW what it wrote, RootFS that and its
// image, in bytes of files.
type ContainerSize struct{ RW, RootFS int64 }

// ContainerSize measures what a container wrote, and adds its image's size. One that
// was removed meanwhile is errdefs.ErrNotFound.
func (e *Engine) ContainerSize(ctx context.Context, c listing.Container) (s ContainerSize, err error) {
	snaps, err := e.parts.Snapshots()
	if err != nil {
		return s, err
	}
	own, err := snaps.Usage(ctx, c.SnapshotKey)
	if err != nil {
		return s, err
	}
	info, err := snaps.Stat(ctx, c.SnapshotKey)
	if err != nil {
		return s, err
	}
	below := int64(0)
	for key := info.Parent; key != ""; key = info.Parent {
		size, err := snaps.Size(ctx, key)
		if errors.Is(err, errdefs.ErrNotFound) { // it is older than sizes
			disk, uerr := snaps.Usage(ctx, key)
			size, err = disk.FileBytes, uerr
		}
		if err == nil {
			info, err = snaps.Stat(ctx, key)
		}
		if err != nil {
			return s, err
		}
		below += size
	}
	driver, err := e.parts.Driver()
	if err != nil {
		return s, err
	}
	s.RW = max(0, own.FileBytes-rootfs.BytesOfMarks(c.Root))
	if !parts.KeepsChanges(driver) { // it copied what is below
		s.RW = max(0, s.RW-below)
	}
	s.RootFS = below + s.RW
	return s, nil
}
