// Package rules answers about what projects are held to and tell of: quotas, retention and
// webhooks; and about the labels of their artifacts.
package rules

import (
	"net/http"

	"cove/registry/auth"
	"cove/registry/harbor/edge"
	"cove/registry/quota"
	"cove/registry/retention"
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
		keeps     = "/retentions/{retention}"
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

		{get, "/labels", auth.SignIn, "visible labels", 200, o.labelList},
		{post, "/labels", auth.SignIn, "labels", 201, o.labelCreate},
		{get, "/labels/{label}", auth.SignIn, "labels", 200, o.labelGet},
		{put, "/labels/{label}", auth.SignIn, "labels", 200, o.labelChange},
		{http.MethodDelete, "/labels/{label}", auth.SignIn, "labels", 200, o.labelDelete},

		{get, "/retentions/metadatas", auth.SignIn, "words", 200, o.retentionTerms},
		{post, "/retentions", auth.SignIn, "projects", 201, o.retentionCreate},
		{get, keeps, retention.Look, "project", 200, o.retentionGet},
		{put, keeps, retention.Change, "project", 200, o.retentionChange},
		{http.MethodDelete, keeps, retention.Change, "project", 200, o.retentionDelete},
		{get, keeps + "/executions", retention.Look, "project", 200, o.retentionRuns},
		{post, keeps + "/executions", retention.Start, "project", 201, o.retentionStart},
		{http.MethodPatch, keeps + "/executions/{execution}", retention.Start, "project", 200, o.retentionStop},
		{get, keeps + "/executions/{execution}/tasks", retention.Look, "project", 200, o.retentionTasks},
		{get, keeps + "/executions/{execution}/tasks/{task}", retention.Look, "project", 200, o.retentionLog},
	} {
		all = append(all, edge.Operation(r))
	}
	return all
}
