// Package volumes answers docker's API about volumes.
package volumes

import (
	"context"
	"errors"
	"net/http"

	"cove/engine"
	"cove/engine/api/route"
	"cove/engine/api/wire"
	"cove/engine/dockertypes"
	"cove/errdefs"
)

// API answers for the volumes of an engine.
type API struct{ engine *engine.Engine }

// Of answers for the volumes of an engine.
func Of(e *engine.Engine) *API { return &API{e} }

// Routes are the rows of the table.
func (a *API) Routes() []route.Route {
	return []route.Route{
		{Method: "GET", Path: "/volumes", Needs: route.Read, Handler: a.list, Narrow: true, Test: "docker volume ls"},
		{Method: "POST", Path: "/volumes/create", Needs: route.All, Handler: a.create, Test: "docker volume create"},
		{
			Method: "POST", Path: "/volumes/prune", Needs: route.All, Handler: a.prune, Since: wire.V(25),
			Test: "docker volume prune",
		},
		{
			Method: "GET", Path: "/volumes/{name}", Needs: route.Read, Handler: a.inspect, Labels: a.labels,
			Test: "docker volume inspect",
		},
		{
			Method: "PUT", Path: "/volumes/{name}", Needs: route.All, Handler: a.update, Since: wire.V(42),
			Test: "TestRefusals",
		},
		{
			Method: "DELETE", Path: "/volumes/{name}", Needs: route.All, Handler: a.remove, Labels: a.labels,
			Test: "docker volume rm",
		},
	}
}

func (a *API) labels(ctx context.Context, r *route.Request) (map[string]string, error) {
	v, err := a.engine.InspectVolume(ctx, r.Param("name"))
	if err != nil {
		return nil, err
	}
	return v.Labels, nil
}

func (a *API) list(w http.ResponseWriter, r *route.Request) error {
	filters, err := wire.Filters(r.URL.Query())
	if err != nil {
		return err
	}
	all, err := a.engine.Volumes(r.Context(), filters)
	if err != nil {
		return err
	}
	out := []*dockertypes.Volume{}
	for _, v := range all {
		if r.Access.Sees(v.Labels) {
			out = append(out, dockertypes.OfVolume(v.Volume, v.Path))
		}
	}
	return wire.JSON(w, http.StatusOK, struct {
		Volumes  []*dockertypes.Volume
		Warnings []string
	}{out, []string{}})
}

func (a *API) create(w http.ResponseWriter, r *route.Request) error {
	var body struct {
		Name, Driver       string
		DriverOpts, Labels map[string]string
		ClusterVolumeSpec  any
	}
	if err := wire.Decode(r.Request, &body); err != nil {
		return err
	}
	switch {
	case body.Driver != "" && body.Driver != "local":
		return errdefs.Errorf(errdefs.ErrNotFound, "plugin %q not found: there is only the volume driver local",
			body.Driver)
	case body.ClusterVolumeSpec != nil:
		return errdefs.Errorf(errdefs.ErrUnsupported, "volume %s: volumes of a swarm are not supported", body.Name)
	}
	v, err := a.engine.NewVolume(r.Context(), engine.WantedVolume{
		Name: body.Name, Labels: body.Labels, Options: body.DriverOpts,
	})
	if err != nil {
		return err
	}
	told, err := a.engine.InspectVolume(r.Context(), v.Name)
	if err != nil {
		return err
	}
	return wire.JSON(w, http.StatusCreated, told)
}

func (a *API) inspect(w http.ResponseWriter, r *route.Request) error {
	told, err := a.engine.InspectVolume(r.Context(), r.Param("name"))
	if err != nil {
		return err
	}
	return wire.JSON(w, http.StatusOK, told)
}

// update is of volumes of a swarm alone.
func (a *API) update(_ http.ResponseWriter, r *route.Request) error {
	if _, err := a.engine.InspectVolume(r.Context(), r.Param("name")); err != nil {
		return err
	}
	return errdefs.Errorf(errdefs.ErrUnsupported, "volume %s is none of a swarm: there is nothing to update",
		r.Param("name"))
}

func (a *API) remove(w http.ResponseWriter, r *route.Request) error {
	err := a.engine.RemoveVolume(r.Context(), r.Param("name"))
	gone := errors.Is(err, errdefs.ErrNotFound) && wire.Bool(r.URL.Query(), "force")
	if errors.Is(err, errdefs.ErrConflict) { // programs look for docker's words
		return errdefs.Errorf(errdefs.ErrConflict, "remove %s: volume is in use: %w", r.Param("name"), err)
	}
	if err != nil && !gone {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// prune removes those that nobody named; versions before 1.42 all that nobody has.
func (a *API) prune(w http.ResponseWriter, r *route.Request) error {
	filters, err := wire.Filters(r.URL.Query())
	if err != nil {
		return err
	}
	o := engine.PruneOptions{Volumes: true, AllVolumes: r.Version.Before(wire.V(42)), Filter: filters}
	pruned, err := a.engine.Prune(r.Context(), o)
	if err != nil {
		return err
	}
	return wire.JSON(w, http.StatusOK, struct {
		VolumesDeleted []string
		SpaceReclaimed int64
	}{pruned.Volumes, pruned.Freed})
}
