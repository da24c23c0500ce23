// Package content answers about what projects hold, and about the registry as a whole.
package content

import (
	"net/http"
	"slices"

	"cove/registry/auth"
	"cove/registry/describe"
	"cove/registry/harbor/edge"
	"cove/registry/history"
	"cove/registry/immutable"
	"cove/registry/labels"
	"cove/registry/scan"
)

// The methods of the table.
const (
	get    = http.MethodGet
	post   = http.MethodPost
	put    = http.MethodPut
	remove = http.MethodDelete
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
	for _, r := range slices.Concat(o.system(), o.content(), o.rules()) {
		all = append(all, edge.Operation(r))
	}
	return all
}

func (o operations) system() []row {
	return []row{
		{get, "/ping", auth.Open, "process", 200, o.ping},
		{get, "/health", auth.Open, "process", 200, o.health},
		{get, "/systeminfo", auth.Open, "registry", 200, o.info},
		{get, "/configurations", auth.SignIn, "registry", 200, o.configurations},
		{get, "/statistics", auth.SignIn, "visible projects", 200, o.statistics},
		{get, "/search", auth.Open, "visible projects", 200, o.search},
		{get, "/projects/{project}/logs", auth.ReadLog, "project", 200, o.projectLogs},
		{get, "/audit-logs", auth.ReadAudit, "audit log", 200, o.auditLogs},
	}
}

func (o operations) content() []row {
	const (
		repository = "/projects/{project}/repositories/{repository}"
		artifact   = repository + "/artifacts/{reference}"
	)
	return []row{
		{get, "/repositories", auth.Open, "visible repositories", 200, o.allRepositories},
		{get, "/projects/{project}/repositories", auth.ReadProject, "project", 200, o.repositories},
		{get, repository, auth.Read, "repository", 200, o.repositoryGet},
		{put, repository, describe.Change, "repository", 200, o.repositoryChange},
		{remove, repository, history.RemoveRepository, "repository", 200, o.repositoryDelete},
		{get, repository + "/artifacts", auth.Read, "repository", 200, o.artifacts},
		{post, repository + "/artifacts", auth.Push, "repository", 201, o.artifactCopy},
		{get, artifact, auth.Read, "manifest", 200, o.artifact},
		{remove, artifact, auth.Delete, "manifest", 200, o.artifactDelete},
		{get, artifact + "/accessories", auth.Read, "manifest", 200, o.accessories},
		{get, artifact + "/additions/build_history", auth.Read, "manifest", 200, o.buildHistory},
		{get, artifact + "/additions/vulnerabilities", scan.Read, "manifest", 200, o.vulnerabilities},
		{post, artifact + "/labels", labels.PutOn, "manifest", 200, o.labelPut},
		{remove, artifact + "/labels/{label}", labels.TakeOff, "manifest", 200, o.labelTake},
		{post, artifact + "/scan", scan.Create, "manifest", 202, o.scan},
		{get, artifact + "/tags", auth.Read, "manifest", 200, o.tags},
		{post, artifact + "/tags", auth.Push, "manifest", 201, o.tagCreate},
		{remove, artifact + "/tags/{tag}", auth.Delete, "manifest", 200, o.tagDelete},
	}
}

func (o operations) rules() []row {
	const all = "/projects/{project}/immutabletagrules"
	return []row{
		{get, all, immutable.List, "project", 200, o.immutableList},
		{post, all, immutable.Create, "project", 201, o.immutableCreate},
		{put, all + "/{rule}", immutable.Update, "project", 200, o.immutableChange},
		{remove, all + "/{rule}", immutable.Remove, "project", 200, o.immutableDelete},
	}
}
