package lists

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"cove/engine"
)

// OfUsage is the row of one kind of thing.
func OfUsage(u engine.Usage) Usage {
	row := Usage{
		Active: strconv.Itoa(u.Active), Reclaimable: longSize(u.Reclaimable), Size: longSize(u.Size),
		TotalCount: strconv.Itoa(u.Total), Type: u.Type,
	}
	if u.Size > 0 && u.Type != "Build Cache" {
		row.Reclaimable += fmt.Sprintf(" (%d%%)", 100*u.Reclaimable/u.Size)
	}
	return row
}

// DiskUsage is what system df -v has, all in one.
type DiskUsage struct {
	Images     []Image
	Containers []Container
	Volumes    []Volume
	BuildCache []Cache
}

// OfDiskUsage makes the rows of all there is. A container's size is its own.
func OfDiskUsage(d engine.DiskUsage, o Options) DiskUsage {
	all := DiskUsage{Images: []Image{}, Containers: []Container{}, Volumes: []Volume{}, BuildCache: []Cache{}}
	for _, u := range d.Images {
		all.Images = append(all.Images, OfImageUsage(u, o))
	}
	for _, u := range d.Containers {
		all.Containers = append(all.Containers, OfSizedContainer(u.Container, engine.ContainerSize{RW: u.RW}, o))
	}
	for _, u := range d.Volumes {
		all.Volumes = append(all.Volumes, OfVolumeUsage(u))
	}
	for _, e := range d.Cache {
		all.BuildCache = append(all.BuildCache, OfCache(e, o))
	}
	return all
}

// OfCache is the row of what a build step left, or of a context that a client sent.
func OfCache(e engine.CacheEntry, o Options) Cache {
	shared := len(e.Images) > 0
	step := o.cut(strings.Join(strings.Fields(e.Step), " "), 45)
	return Cache{
		CacheType: e.Type, CreatedAt: e.Created.Format(time.RFC3339), CreatedSince: o.since(e.Created),
		Description: step, ID: o.id(e.ID.String()), InUse: strconv.FormatBool(e.InUse),
		KeptBy:       strings.Join(append([]string{"build cache"}, e.Images...), ", "),
		LastAccessed: o.since(e.Used), LastUsedAt: e.Used.Format(time.RFC3339), LastUsedSince: o.since(e.Used),
		Reclaimable: strconv.FormatBool(!shared && !e.InUse), Shared: strconv.FormatBool(shared),
		Size: longSize(e.Size),
		Step: step, UsageCount: strconv.Itoa(e.Uses),
	}
}
