// Package replicas answers about other registries and what is copied from and to them.
package replicas

import (
	"net/http"

	"cove/registry/auth"
	"cove/registry/harbor/edge"
)

// operations are served over the services of an edge.
type operations struct{ *edge.Edge }

// row is an edge.Operation, in one line. All of them take the same right.
type row struct {
	Method, Path string
	Object       string
	Status       int
	Serve        func(*edge.Ask) (any, error)
}

// Operations are the rows of the façade's table.
func Operations(e *edge.Edge) (all []edge.Operation) {
	o := operations{e}
	const (
		get, post, put, remove = http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete

		registry = "/registries/{registry}"
		policy   = "/replication/policies/{policy}"
		run      = "/replication/executions/{execution}"
	)
	for _, r := range []row{
		{get, "/registries", "registries", 200, o.endpointList},
		{post, "/registries", "registries", 201, o.endpointCreate},
		{post, "/registries/ping", "registries", 200, o.endpointPing},
		{get, registry, "registries", 200, o.endpointGet},
		{put, registry, "registries", 200, o.endpointChange},
		{remove, registry, "registries", 200, o.endpointDelete},
		{get, registry + "/info", "registries", 200, o.endpointInfo},
		{get, "/replication/adapters", "registries", 200, o.adapters},

		{get, "/replication/policies", "replication", 200, o.ruleList},
		{post, "/replication/policies", "replication", 201, o.ruleCreate},
		{get, policy, "replication", 200, o.ruleGet},
		{put, policy, "replication", 200, o.ruleChange},
		{remove, policy, "replication", 200, o.ruleDelete},
		{get, "/replication/executions", "replication", 200, o.runList},
		{post, "/replication/executions", "replication", 201, o.runStart},
		{get, run, "replication", 200, o.runGet},
		{put, run, "replication", 200, o.runStop},
		{get, run + "/tasks", "replication", 200, o.taskList},
		{get, run + "/tasks/{task}/log", "replication", 200, o.taskLog},
	} {
		all = append(all, edge.Operation{
			Method: r.Method, Path: r.Path, Right: auth.ManageRegistries, Object: r.Object, Status: r.Status,
			Serve: r.Serve,
		})
	}
	return all
}
