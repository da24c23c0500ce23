// Package containers answers docker's API about containers: their life, their
// streams and their files.
package containers

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"cove/engine"
	"cove/engine/api/create"
	"cove/engine/api/execs"
	"cove/engine/api/route"
	"cove/engine/api/stats"
	"cove/engine/api/wire"
	engines "cove/engine/containers"
	"cove/engine/containers/reach"
	"cove/engine/dockertypes"
	"cove/errdefs"
)

// API answers for the containers of an engine.
type API struct {
	engine *engine.Engine
	lobby  lobby
	execs  *execs.API
	// life is that of the server: a session that several clients look at outlives
	// the request that began it.
	life context.Context //nolint:containedctx // it is the server's, not a call's
}

// Of answers for the containers of an engine, until life ends.
func Of(life context.Context, e *engine.Engine) *API {
	return &API{engine: e, life: life, execs: execs.Of(life, e)}
}

// Routes are the rows of the table.
func (a *API) Routes() []route.Route {
	rows := []route.Route{
		{Method: "GET", Path: "/containers/json", Needs: route.Read, Handler: a.list, Narrow: true, Test: "docker ps"},
		{Method: "POST", Path: "/containers/create", Needs: route.All, Handler: a.create, Test: "docker create"},
		{
			Method: "POST", Path: "/containers/prune", Needs: route.All, Handler: a.prune, Since: wire.V(25),
			Test: "docker container prune",
		},
	}
	for _, r := range []route.Route{
		{Method: "GET", Path: "/json", Needs: route.Read, Handler: a.inspect, Test: "docker inspect"},
		{Method: "GET", Path: "/top", Needs: route.Read, Handler: a.top, Test: "docker top"},
		{Method: "GET", Path: "/logs", Needs: route.Read, Handler: a.logs, Test: "docker logs"},
		{Method: "GET", Path: "/changes", Needs: route.Read, Handler: a.changes, Test: "docker diff"},
		{Method: "GET", Path: "/export", Needs: route.Read, Handler: a.export, Test: "docker export"},
		{Method: "GET", Path: "/stats", Needs: route.Read, Handler: stats.Of(a.engine).Stream, Test: "docker stats"},
		{Method: "HEAD", Path: "/archive", Needs: route.Read, Handler: a.statArchive, Test: "docker cp"},
		{Method: "GET", Path: "/archive", Needs: route.Read, Handler: a.getArchive, Test: "docker cp"},
		{Method: "PUT", Path: "/archive", Needs: route.All, Handler: a.putArchive, Test: "docker cp"},
		{Method: "POST", Path: "/start", Needs: route.All, Handler: a.start, Test: "docker start"},
		{Method: "POST", Path: "/stop", Needs: route.All, Handler: a.stop, Test: "docker stop"},
		{Method: "POST", Path: "/restart", Needs: route.All, Handler: a.restart, Test: "docker restart"},
		{Method: "POST", Path: "/kill", Needs: route.All, Handler: a.kill, Test: "docker kill"},
		{Method: "POST", Path: "/pause", Needs: route.All, Handler: a.pause, Test: "docker pause"},
		{Method: "POST", Path: "/unpause", Needs: route.All, Handler: a.unpause, Test: "docker unpause"},
		{Method: "POST", Path: "/rename", Needs: route.All, Handler: a.rename, Test: "docker rename"},
		{Method: "POST", Path: "/update", Needs: route.All, Handler: a.update, Test: "docker update"},
		{Method: "POST", Path: "/wait", Needs: route.Read, Handler: a.wait, Test: "docker wait"},
		{Method: "POST", Path: "/resize", Needs: route.All, Handler: a.resize, Test: "docker run -it"},
		{Method: "POST", Path: "/attach", Needs: route.All, Handler: a.attach, Test: "docker attach"},
		{Method: "GET", Path: "/attach/ws", Needs: route.All, Handler: a.attachSocket, Test: "TestAttachByWebsocket"},
	} {
		r.Path = "/containers/{id}" + r.Path
		r.Labels = a.labels
		rows = append(rows, r)
	}
	rows = append(rows, route.Route{
		Method: "DELETE", Path: "/containers/{id}", Needs: route.All, Handler: a.remove, Labels: a.labels,
		Test: "docker rm",
	})
	return append(rows, a.execs.Routes(a.labels)...)
}

func (a *API) labels(ctx context.Context, r *route.Request) (map[string]string, error) {
	c, err := a.engine.Container(ctx, r.Param("id"))
	if err != nil {
		return nil, err
	}
	r.Pin("id", c.ID())
	return c.Config().Labels, nil
}

func (a *API) inspect(w http.ResponseWriter, r *route.Request) error {
	told, err := a.engine.InspectContainer(r.Context(), r.Param("id"))
	if err != nil {
		return err
	}
	if wire.Bool(r.URL.Query(), "size") {
		if err := a.engine.MeasureContainer(r.Context(), told); err != nil {
			return err
		}
	}
	told.ExecIDs = a.execs.RunningIn(told.ID)
	return wire.JSON(w, http.StatusOK, inspected(told, r.Version))
}

func (a *API) create(w http.ResponseWriter, r *route.Request) error {
	o, err := create.Options(r.Request, func(image string) *dockertypes.Config {
		img, err := a.image(r, image)
		if err != nil {
			return nil // it is said when it is needed
		}
		return img.Config
	})
	if err != nil {
		return err
	}
	o.Name, o.Platform = strings.TrimPrefix(r.URL.Query().Get("name"), "/"), r.URL.Query().Get("platform")
	o.Pull = engines.PullNever // the client pulls, and shows it
	if o.Shared.IPC == "" && r.Version.Before(wire.V(40)) {
		o.Shared.IPC = "shareable" // what there was before there was a choice
	}
	warnings := append(unpublish(&o), reach.Warnings(r.Context(), o.Volumes)...)
	id, err := a.engine.Create(r.Context(), o)
	if err != nil {
		return a.missing(r, o.Image, o.Platform, a.taken(r, o.Name, err))
	}
	return wire.JSON(w, http.StatusCreated, struct {
		ID       string `json:"Id"`
		Warnings []string
	}{id, warnings})
}

// unpublish leaves out ports that are the host's own, or nobody's, as docker does, and
// warns of it in docker's words.
func unpublish(o *engines.CreateOptions) (warnings []string) {
	warnings = []string{}
	if o.Network != "host" && o.Network != "none" {
		return warnings
	}
	if o.Network == "host" && len(o.Ports) > 0 {
		warnings = append(warnings, "Published ports are discarded when using host network mode")
	}
	o.Ports, o.PublishAll = nil, false
	return warnings
}

// taken has docker's words if the name is another container's: programs look for them.
func (a *API) taken(r *route.Request, name string, err error) error {
	if wire.Status(err) != http.StatusConflict {
		return err
	}
	c, cerr := a.engine.Container(r.Context(), name)
	if cerr != nil || c.Name() != name {
		return err
	}
	return errdefs.Errorf(errdefs.ErrExists, "Conflict. The container name %q is already in use by container %q. "+
		"You have to remove (or rename) that container to be able to reuse that name.", "/"+name, c.ID())
}

// missing has docker's words if it is the image that is not here: clients pull it. They
// take 404 for that alone, so that another thing that is not here makes a bad request.
func (a *API) missing(r *route.Request, image, platform string, err error) error {
	if _, ierr := a.image(r, image); ierr != nil {
		return wire.Missing(err, "image", image)
	}
	if wire.Status(err) == http.StatusNotFound && platform == "" {
		return &wire.StatusError{Status: http.StatusBadRequest, Err: err}
	}
	return err
}

func (a *API) image(r *route.Request, name string) (*dockertypes.Image, error) {
	imgs, err := a.engine.ForPlatform("")
	if err != nil {
		return nil, err
	}
	return imgs.InspectImage(r.Context(), name)
}

func (a *API) update(w http.ResponseWriter, r *route.Request) error {
	o, err := create.Update(r.Request, r.Version)
	if err != nil {
		return err
	}
	if err := a.engine.Update(r.Context(), r.Param("id"), o); err != nil {
		return err
	}
	return wire.JSON(w, http.StatusOK, struct{ Warnings []string }{[]string{}})
}

// done answers a verb that has nothing to say.
func done(w http.ResponseWriter, err error) error {
	if err == nil {
		w.WriteHeader(http.StatusNoContent)
	}
	return err
}

// stop, as restart, goes on when its client does not wait for it: a container whose stop
// has begun is not left as it is, and one that was to come up again does.
func (a *API) stop(w http.ResponseWriter, r *route.Request) error {
	o, err := stopOptions(r)
	if err != nil {
		return err
	}
	runs, err := a.runs(r)
	switch {
	case err != nil:
		return err
	case !runs:
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	return done(w, a.engine.Stop(context.WithoutCancel(r.Context()), r.Param("id"), o))
}

// stopOptions are those of stop and restart: how long to wait before SIGKILL, and for
// which signal.
func stopOptions(r *route.Request) (o engines.StopOptions, err error) {
	q := r.URL.Query()
	if o.Signal = q.Get("signal"); q.Get("t") == "" {
		return o, nil
	}
	seconds, err := wire.Int(q, "t", 0)
	timeout := engines.Seconds(seconds)
	o.Timeout = &timeout
	return o, err
}

func (a *API) runs(r *route.Request) (bool, error) {
	told, err := a.engine.InspectContainer(r.Context(), r.Param("id"))
	if err != nil {
		return false, err
	}
	return told.State.Running, nil
}

func (a *API) restart(w http.ResponseWriter, r *route.Request) error {
	o, err := stopOptions(r)
	if err != nil {
		return err
	}
	return done(w, a.engine.Restart(context.WithoutCancel(r.Context()), r.Param("id"), o))
}

func (a *API) kill(w http.ResponseWriter, r *route.Request) error {
	return done(w, a.engine.Kill(r.Context(), r.Param("id"), r.URL.Query().Get("signal")))
}

func (a *API) pause(w http.ResponseWriter, r *route.Request) error {
	return done(w, a.engine.Pause(r.Context(), r.Param("id")))
}

func (a *API) unpause(w http.ResponseWriter, r *route.Request) error {
	return done(w, a.engine.Unpause(r.Context(), r.Param("id")))
}

func (a *API) rename(w http.ResponseWriter, r *route.Request) error {
	name := strings.TrimPrefix(r.URL.Query().Get("name"), "/")
	return done(w, a.taken(r, name, a.engine.Rename(r.Context(), r.Param("id"), name)))
}

func (a *API) remove(w http.ResponseWriter, r *route.Request) error {
	q := r.URL.Query()
	if wire.Bool(q, "link") {
		return errdefs.Errorf(errdefs.ErrUnsupported,
			"links of a container are removed with it; there is none to be removed alone")
	}
	err := a.engine.Remove(r.Context(), r.Param("id"), wire.Bool(q, "force"), wire.Bool(q, "v"))
	if errors.Is(err, errdefs.ErrConflict) && !wire.Bool(q, "force") {
		told, ierr := a.engine.InspectContainer(r.Context(), r.Param("id"))
		if ierr == nil && (told.State.Running || told.State.Restarting) { // programs look for docker's words
			return errdefs.Errorf(errdefs.ErrConflict,
				"cannot remove container %q: container is %s: stop the container before removing or force remove",
				told.Name, told.State.Status)
		}
	}
	return done(w, err)
}

func (a *API) prune(w http.ResponseWriter, r *route.Request) error {
	filters, err := wire.Filters(r.URL.Query())
	if err != nil {
		return err
	}
	pruned, err := a.engine.Prune(r.Context(), engine.PruneOptions{Containers: true, Filter: filters})
	if err != nil {
		return err
	}
	return wire.JSON(w, http.StatusOK, struct {
		ContainersDeleted []string
		SpaceReclaimed    int64
	}{pruned.Containers, pruned.Freed})
}

func (a *API) top(w http.ResponseWriter, r *route.Request) error {
	rows, err := a.engine.Top(r.Context(), r.Param("id"), strings.Fields(r.URL.Query().Get("ps_args")))
	if err != nil {
		return err
	}
	return wire.JSON(w, http.StatusOK, struct{ Titles, Processes any }{rows[0], rows[1:]})
}
