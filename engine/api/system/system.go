// Package system answers docker's API about the engine itself: that it is there, what
// it is, and what it takes.
package system

import (
	"io"
	"net/http"

	"cove/engine"
	"cove/engine/api/route"
	"cove/engine/api/wire"
	"cove/engine/containers/reach"
)

// API answers for an engine.
type API struct{ engine *engine.Engine }

// Of answers for an engine.
func Of(e *engine.Engine) *API { return &API{e} }

// Routes are the rows of the table.
func (a *API) Routes() []route.Route {
	return append(refusals(), []route.Route{
		{Method: "HEAD", Path: "/_ping", Needs: route.Ping, Handler: a.ping, Test: "docker info"},
		{Method: "GET", Path: "/_ping", Needs: route.Ping, Handler: a.ping, Test: "TestPing"},
		{Method: "GET", Path: "/version", Needs: route.Ping, Handler: a.version, Test: "docker version"},
		{Method: "GET", Path: "/info", Needs: route.Read, Handler: a.info, Test: "docker info"},
		{Method: "GET", Path: "/events", Needs: route.Events, Handler: a.events, Test: "docker events"},
		{
			Method: "GET", Path: "/system/df", Since: wire.V(25), Needs: route.Read, Handler: a.usage,
			Test: "docker system df",
		},
	}...)
}

func (a *API) ping(w http.ResponseWriter, r *route.Request) error {
	h := w.Header()
	h.Set("Cache-Control", "no-cache, no-store, must-revalidate")
	h.Set("Pragma", "no-cache")
	h.Set("Builder-Version", "2")
	h.Set("Swarm", "inactive")
	h.Set(reach.Header, r.Access.String())
	h.Set("Content-Type", "text/plain; charset=utf-8")
	if r.Method == http.MethodHead {
		h.Set("Content-Length", "0")
		return nil
	}
	_, err := io.WriteString(w, "OK")
	return err
}

func (a *API) version(w http.ResponseWriter, _ *route.Request) error {
	return wire.JSON(w, http.StatusOK, engine.Version())
}
