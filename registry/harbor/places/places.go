// Package places answers about projects: what they are called, what they want of
// signatures and scans, and who may see them.
package places

import (
	"net/http"

	"cove/registry/auth"
	"cove/registry/harbor/edge"
)

// operations are served over the services of an edge.
type operations struct{ *edge.Edge }

// Operations are the rows of the façade's table.
func Operations(e *edge.Edge) (all []edge.Operation) {
	const (
		get, post = http.MethodGet, http.MethodPost
		put       = http.MethodPut
		one       = "/projects/{project}"
	)
	o := operations{e}
	for _, r := range []struct {
		Method, Path string
		Right        auth.Right
		Object       string
		Status       int
		Serve        func(*edge.Ask) (any, error)
	}{
		{get, "/projects", auth.Open, "visible projects", 200, o.projectList},
		{post, "/projects", auth.SignIn, "projects", 201, o.projectCreate},
		{get, one, auth.ReadProject, "project", 200, o.projectGet},
		{put, one, auth.SetVisibility, "project", 200, o.projectChange},
		{http.MethodDelete, one, auth.RemoveProject, "project", 200, o.projectDelete},
		{get, one + "/_deletable", auth.RemoveProject, "project", 200, o.projectDeletable},
		{get, one + "/summary", auth.ReadProject, "project", 200, o.projectSummary},
		{get, one + "/metadatas/", auth.ReadProject, "project", 200, o.metadata},
		{get, one + "/metadatas/{meta}", auth.ReadProject, "project", 200, o.metadataOne},
		{put, one + "/metadatas/{meta}", auth.SetVisibility, "project", 200, o.metadataSet},
	} {
		all = append(all, edge.Operation(r))
	}
	return all
}
