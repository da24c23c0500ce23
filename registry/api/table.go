package api

import (
	"net/http"

	"cove/registry/auth"
)

// The methods of the table.
const (
	get    = http.MethodGet
	post   = http.MethodPost
	put    = http.MethodPut
	patch  = http.MethodPatch
	remove = http.MethodDelete
)

// operation is one method of one path.
type operation struct {
	method, path string // with parts in braces, as http.ServeMux has them
	right        auth.Right
	object       string // what the request is about
	id, summary  string // its name in the document, and what it does
	query        []parameter
	body, answer any // zero values of what is read and answered; nil for nothing
	status       int // of the answer
	etag         bool
	serve        func(*ask) (any, error)
}

// parameter is one of a request's query.
type parameter struct{ name, about, kind string }

// The kinds of parameters: of a JSON schema.
const (
	kindText   = "string"
	kindNumber = "integer"
)

// pageOf adds what every list takes to the parameters of one.
func pageOf(more ...parameter) []parameter {
	return append([]parameter{
		{"limit", "how many entries at most, 1 to 100; 50 if it is not said", kindNumber},
		{"after", `"next" of the page before`, kindText},
	}, more...)
}

var match = parameter{"match", "only what has this text in its name", kindText}

// table is the whole API.
func (a *API) table() []operation {
	all := []operation{{
		http.MethodGet, "/openapi.json", auth.Open, "document", "getDocument", "This document",
		nil, nil, nil, http.StatusOK, false, a.document,
	}}
	for _, some := range [][]operation{a.people(), a.places(), a.content(), a.records()} {
		all = append(all, some...)
	}
	return all
}

// people are the operations on users.
func (a *API) people() []operation {
	return []operation{
		{
			get, "/me", auth.SignIn, "account", "getMe", "Who is asking",
			nil, nil,
			User{},
			200, true, a.me,
		},
		{
			put, "/me/password", auth.SignIn, "account", "setMyPassword", "Change one's own password",
			nil,
			Password{},
			nil, 204, false, a.myPassword,
		},
		{
			get, "/users", auth.ManageUsers, "users", "listUsers", "List the users by name",
			pageOf(), nil,
			Page[User]{},
			200, false, a.users,
		},
		{
			post, "/users", auth.ManageUsers, "users", "createUser", "Make a user",
			nil,
			NewUser{},
			User{},
			201, true, a.userCreate,
		},
		{
			get, "/users/{user}", auth.ManageUsers, "users", "getUser", "One user",
			nil, nil,
			User{},
			200, true, a.user,
		},
		{
			patch, "/users/{user}", auth.ManageUsers, "users",
			"changeUser", "Disable or enable a user, or make an administrator",
			nil,
			UserChange{},
			User{},
			200, true, a.userChange,
		},
		{
			put, "/users/{user}/password", auth.ManageUsers, "users", "setPassword", "Change a user's password",
			nil,
			Password{},
			nil, 204, false, a.userPassword,
		},
		{
			remove, "/users/{user}", auth.ManageUsers, "users", "deleteUser", "Remove a user",
			nil, nil, nil, 204, false, a.userDelete,
		},
	}
}

// places are the operations on projects and their members.
func (a *API) places() []operation {
	return []operation{
		{
			get, "/projects", auth.Open, "visible projects", "listProjects",
			"List the projects that one may see, by name",
			pageOf(match), nil,
			Page[Project]{},
			200, false, a.projects,
		},
		{
			post, "/projects", auth.SignIn, "projects", "createProject", "Make a project",
			nil,
			NewProject{},
			Project{},
			201, true, a.projectCreate,
		},
		{
			get, "/projects/{project}", auth.Pull, "project", "getProject", "One project",
			nil, nil,
			Project{},
			200, true, a.project,
		},
		{
			patch, "/projects/{project}", auth.SetVisibility, "project", "changeProject",
			"Let anyone pull, or members only",
			nil,
			ProjectChange{},
			Project{},
			200, true, a.projectChange,
		},
		{
			remove, "/projects/{project}", auth.RemoveProject, "project", "deleteProject",
			"Remove a project that holds no images",
			nil, nil, nil, 204, false, a.projectDelete,
		},
		{
			get, "/projects/{project}/members", auth.SetMembers, "project", "listMembers", "List the members by name",
			pageOf(), nil,
			Page[Member]{},
			200, false, a.members,
		},
		{
			put, "/projects/{project}/members/{user}", auth.SetMembers, "project", "setMember", "Give a user a role",
			nil,
			MemberRole{},
			nil, 204, false, a.memberSet,
		},
		{
			remove, "/projects/{project}/members/{user}", auth.SetMembers, "project", "deleteMember",
			"End a membership",
			nil, nil, nil, 204, false, a.memberDelete,
		},
	}
}

// content are the operations on what repositories hold.
func (a *API) content() []operation {
	return []operation{
		{
			get, "/projects/{project}/repositories", auth.Pull, "project", "listRepositories",
			"List the repositories that hold something, by name",
			pageOf(match), nil,
			Page[Repository]{},
			200, false, a.repositories,
		},
		{
			get, "/tags/{repository...}", auth.Pull, "repository", "listTags", "List the tags of a repository",
			pageOf(match, parameter{"order", "newest (if it is not said) or name", kindText}),
			nil,
			Page[Tag]{},
			200, false, a.tags,
		},
		{
			get, "/artifacts/{artifact...}", auth.Pull, "manifest", "getArtifact",
			"One artifact in depth: team/app:v1 or team/app@sha256:…",
			nil, nil,
			Artifact{},
			200, true, a.artifact,
		},
		{
			remove, "/artifacts/{artifact...}", auth.Delete, "manifest", "deleteArtifact",
			"Delete a tag (team/app:v1), or an artifact with all its tags (team/app@sha256:…)",
			nil, nil, nil, 204, false, a.artifactDelete,
		},
	}
}

// records are the operations on what was done.
func (a *API) records() []operation {
	return []operation{
		{
			get, "/audit", auth.ReadAudit, "audit log", "listAudit", "Who changed what, the newest first",
			pageOf(
				parameter{"actor", "only what this user did", kindText},
				parameter{"action", "only this, as project.create", kindText},
				parameter{"object", "only what was done to this", kindText},
				parameter{"since", "only from this time on (RFC 3339)", kindText},
				parameter{"until", "only before this time (RFC 3339)", kindText},
			), nil,
			Page[Event]{},
			200, false, a.audit,
		},
	}
}
