package system

import (
	"net/http"
	"slices"
	"time"

	"cove/engine/api/images"
	"cove/engine/api/route"
	"cove/engine/api/wire"
	"cove/engine/dockertypes"
	"cove/errdefs"
)

// usage is what images, containers, volumes and builds take, in docker's shape.
type usage struct {
	LayersSize int64
	Images     any
	Containers []containerUsage
	Volumes    []volumeUsage
	BuildCache []cacheUsage
}

type containerUsage struct {
	ID         string `json:"Id"`
	Names      []string
	Image      string
	ImageID    string
	Command    string
	Created    int64
	SizeRw     int64
	SizeRootFs int64
	Labels     map[string]string
	State      string
	Status     string
	Mounts     []dockertypes.Mount
}

type volumeUsage struct {
	*dockertypes.Volume
	UsageData struct{ Size, RefCount int64 }
}

type cacheUsage struct {
	ID          string
	Type        string
	Description string
	InUse       bool
	Shared      bool
	Size        int64
	CreatedAt   time.Time
	LastUsedAt  time.Time
	UsageCount  int
}

func (a *API) usage(w http.ResponseWriter, r *route.Request) error {
	for _, kind := range r.URL.Query()["type"] {
		if !slices.Contains([]string{"container", "image", "volume", "build-cache"}, kind) {
			return errdefs.Errorf(errdefs.ErrInvalid, "unknown object type: %s", kind)
		}
	}
	told, err := a.engine.DiskUsage(r.Context())
	if err != nil {
		return err
	}
	out := usage{
		LayersSize: told.LayersSize, Images: images.Measured(told, r.Version),
		Containers: []containerUsage{}, Volumes: []volumeUsage{}, BuildCache: []cacheUsage{},
	}
	for _, c := range told.Containers {
		out.Containers = append(out.Containers, containerUsage{
			ID: c.ID, Names: []string{"/" + c.Name}, Image: c.Image, ImageID: c.ImageID, Command: c.Command,
			Created: c.Created.Unix(), SizeRw: c.RW, SizeRootFs: c.RootFS, Labels: c.Labels,
			State:  string(c.State.Status),
			Status: c.Status(a.engine.Now()), Mounts: dockertypes.MountsOf(c.Config),
		})
	}
	for _, v := range told.Volumes {
		one := volumeUsage{Volume: dockertypes.OfVolume(v.Volume.Volume, v.Path)}
		one.UsageData.Size, one.UsageData.RefCount = v.Size, int64(len(v.Users))
		out.Volumes = append(out.Volumes, one)
	}
	for _, c := range told.Cache {
		out.BuildCache = append(out.BuildCache, cacheUsage{
			ID: c.ID.String(), Type: c.Type, Description: c.Step, InUse: c.InUse, Shared: len(c.Images) > 0,
			Size:      c.Size,
			CreatedAt: c.Created, LastUsedAt: c.Used, UsageCount: c.Uses,
		})
	}
	out.only(r)
	return wire.JSON(w, http.StatusOK, out)
}

// only leaves out what was not asked for. Versions before 1.42 ask for all.
func (u *usage) only(r *route.Request) {
	kinds := r.URL.Query()["type"]
	if len(kinds) == 0 || r.Version.Before(wire.V(42)) {
		return
	}
	if !slices.Contains(kinds, "image") {
		u.LayersSize, u.Images = 0, nil
	}
	if !slices.Contains(kinds, "container") {
		u.Containers = nil
	}
	if !slices.Contains(kinds, "volume") {
		u.Volumes = nil
	}
	if !slices.Contains(kinds, "build-cache") {
		u.BuildCache = nil
	}
}
