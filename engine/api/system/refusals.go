package system

import (
	"net/http"
	"strings"

	"cove/engine/api/route"
	"cove/engine/api/wire"
	"cove/errdefs"
)

// swarmPaths are those of a cluster, which clients ask about and do without.
var swarmPaths = []string{
	"GET /swarm", "POST /swarm/init", "POST /swarm/join", "POST /swarm/leave", "POST /swarm/update",
	"GET /swarm/unlockkey",
	"POST /swarm/unlock", "GET /services", "POST /services/create", "GET /services/{id}", "DELETE /services/{id}",
	"POST /services/{id}/update", "GET /services/{id}/logs", "GET /nodes", "GET /nodes/{id}", "DELETE /nodes/{id}",
	"POST /nodes/{id}/update", "GET /tasks", "GET /tasks/{id}", "GET /tasks/{id}/logs", "GET /secrets",
	"POST /secrets/create",
	"GET /secrets/{id}", "DELETE /secrets/{id}", "POST /secrets/{id}/update", "GET /configs", "POST /configs/create",
	"GET /configs/{id}", "DELETE /configs/{id}", "POST /configs/{id}/update",
}

// unsupportedPaths are those of what cove has not.
var unsupportedPaths = []string{
	"GET /containers/{id}/checkpoints", "POST /containers/{id}/checkpoints",
	"DELETE /containers/{id}/checkpoints/{name}", "DELETE /containers/{id}/{link}",
	"GET /plugins/privileges", "POST /plugins/pull", "POST /plugins/create",
	"GET /plugins/{name...}/json", "DELETE /plugins/{name...}", "POST /plugins/{name...}/enable",
	"POST /plugins/{name...}/disable", "POST /plugins/{name...}/upgrade", "POST /plugins/{name...}/push",
	"POST /plugins/{name...}/set",
}

func refusals() []route.Route {
	rows := []route.Route{{
		Method: "GET", Path: "/plugins", Since: wire.V(25), Needs: route.Read, Handler: noPlugins,
		Test: "docker plugin ls",
	}}
	for _, list := range []struct {
		paths  []string
		answer route.Handler
	}{{swarmPaths, noSwarm}, {unsupportedPaths, unsupported}} {
		for _, at := range list.paths {
			method, path, _ := strings.Cut(at, " ")
			rows = append(rows, route.Route{
				Method: method, Path: path, Needs: route.Ping, Handler: list.answer,
				Test: "TestRefusals",
			})
		}
	}
	return rows
}

func noSwarm(http.ResponseWriter, *route.Request) error {
	return &wire.StatusError{Status: http.StatusServiceUnavailable, Err: errdefs.Errorf(errdefs.ErrUnsupported,
		"This node is not a swarm manager. Swarms are not supported: containers run on this machine alone")}
}

func unsupported(_ http.ResponseWriter, r *route.Request) error {
	return errdefs.Errorf(errdefs.ErrUnsupported, "%s is not supported", r.URL.Path)
}

func noPlugins(w http.ResponseWriter, _ *route.Request) error {
	return wire.JSON(w, http.StatusOK, []struct{}{})
}
