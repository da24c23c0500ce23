// Package rules answers about what projects are held to and tell of: quotas and webhooks.
package rules

import (
	"net/http"

	"cove/registry/auth"
	"cove/registry/harbor/edge"
	"cove/registry/quota"
	"cove/registry/webhook"
)

// operations are served over the services of an edge.
type operations struct{ *edge.Edge }

// row is an edge.Operation, in one line.
type row struct {
	Method, Path string
	Right        auth.Right
	Object       string
	Status       int
	Serve        func(*edge.Ask) (any, error)
}

// Operations are the rows of the façade's table.
func Operations(e *edge.Edge) (all []edge.Operation) {
	o := operations{e}
	const (
		hooks     = "/projects/{project}/webhook"
		get       = http.MethodGet
		put, post = http.MethodPut, http.MethodPost
	)
	for _, r := range []row{
		{get, "/quotas", quota.Set, "quotas", 200, o.quotaList},
		{get, "/quotas/{quota}", quota.Set, "quotas", 200, o.quotaGet},
		{put, "/quotas/{quota}", quota.Set, "quotas", 200, o.quotaSet},

		{get, hooks + "/events", webhook.List, "project", 200, o.hookEvents},
		{get, hooks + "/policies", webhook.List, "project", 200, o.hookList},
		{post, hooks + "/policies", webhook.Create, "project", 201, o.hookCreate},
		{get, hooks + "/policies/{hook}", webhook.List, "project", 200, o.hookGet},
		{put, hooks + "/policies/{hook}", webhook.Update, "project", 200, o.hookChange},
		{http.MethodDelete, hooks + "/policies/{hook}", webhook.Remove, "project", 200, o.hookDelete},
	} {
		all = append(all, edge.Operation(r))
	}
	return all
}
