package api

import (
	"net/http"

	"cove/registry/api/access"
	"cove/registry/api/rest"
	"cove/registry/api/scans"
	"cove/registry/api/signatures"
	"cove/registry/api/upstreams"
	"cove/registry/api/webhooks"
	"cove/registry/api/work"
	"cove/registry/auth"
	"cove/registry/describe"
)

// The methods of the table.
const (
	get    = http.MethodGet
	post   = http.MethodPost
	put    = http.MethodPut
	patch  = http.MethodPatch
	remove = http.MethodDelete
)

var match = rest.Parameter{Name: "match", About: "only what has this text in its name", Kind: rest.KindText}

// table is the whole API.
func (a *API) table() []rest.Operation {
	all := []rest.Operation{{
		Method: http.MethodGet, Path: "/openapi.json", Right: auth.Open, Object: "document",
		ID: "getDocument", Summary: "This document",
		Status: http.StatusOK, Serve: a.document,
	}}
	for _, some := range [][]rest.Operation{
		a.people(), a.links(), a.places(), a.content(), a.records(), a.labels(), a.access().Operations(),
		work.New(a.cfg.Policies).Operations(), scans.New(a.cfg.Policies).Operations(),
		upstreams.Services{Proxies: a.cfg.Proxies, Live: a.cfg.Upstreams, Policies: a.cfg.Policies}.Operations(),
		webhooks.Services{Policies: a.cfg.Policies}.Operations(),
		signatures.Services{Policies: a.cfg.Policies}.Operations(),
	} {
		all = append(all, some...)
	}
	takes := losses()
	for i := range all {
		if loss, ok := takes[all[i].ID]; ok {
			all[i].Loss = &loss
		}
	}
	return all
}

// people are the operations on users.
func (a *API) people() []rest.Operation {
	return []rest.Operation{
		{
			Method: get, Path: "/me", Right: auth.SignIn, Object: "account",
			ID: "getMe", Summary: "Who is asking",
			Answer: User{},
			Status: 200, ETag: true, Serve: a.me,
		},
		{
			Method: put, Path: "/me/password", Right: auth.SignIn, Object: "account",
			ID: "setMyPassword", Summary: "Change one's own password",
			Body:   Password{},
			Status: 204, Serve: a.myPassword,
		},
		{
			Method: get, Path: "/users", Right: auth.ManageUsers, Object: "users",
			ID: "listUsers", Summary: "List the users by name",
			Query:  rest.PageOf(),
			Answer: rest.Page[User]{},
			Status: 200, Serve: a.users,
		},
		{
			Method: post, Path: "/users", Right: auth.ManageUsers, Object: "users",
			ID: "createUser", Summary: "Make a user",
			Body:   NewUser{},
			Answer: User{},
			Status: 201, ETag: true, Serve: a.userCreate,
		},
		{
			Method: get, Path: "/users/{user}", Right: auth.ManageUsers, Object: "users",
			ID: "getUser", Summary: "One user",
			Answer: User{},
			Status: 200, ETag: true, Serve: a.user,
		},
		{
			Method: patch, Path: "/users/{user}", Right: auth.ManageUsers, Object: "users",
			ID: "changeUser", Summary: "Disable or enable a user, or make an administrator",
			Body:   UserChange{},
			Answer: User{},
			Status: 200, ETag: true, Serve: a.userChange,
		},
		{
			Method: put, Path: "/users/{user}/password", Right: auth.ManageUsers, Object: "users",
			ID: "setPassword", Summary: "Change a user's password",
			Body:   Password{},
			Status: 204, Serve: a.userPassword,
		},
		{
			Method: remove, Path: "/users/{user}", Right: auth.ManageUsers, Object: "users",
			ID: "deleteUser", Summary: "Remove a user",
			Status: 204, Serve: a.userDelete,
		},
	}
}

// access has the operations on who may what.
func (a *API) access() access.Services {
	return access.Services{
		Accounts: a.cfg.Accounts, Projects: a.cfg.Projects, Robots: a.cfg.Robots, Trust: a.cfg.Trust, Browse: a.browse,
	}
}

// places are the operations on projects.
func (a *API) places() []rest.Operation {
	return []rest.Operation{
		{
			Method: get, Path: "/projects", Right: auth.Open, Object: "visible projects",
			ID: "listProjects", Summary: "List the projects that one may see, by name",
			Query:  rest.PageOf(match),
			Answer: rest.Page[Project]{},
			Status: 200, Serve: a.projects,
		},
		{
			Method: post, Path: "/projects", Right: auth.SignIn, Object: "projects",
			ID: "createProject", Summary: "Make a project",
			Body:   NewProject{},
			Answer: Project{},
			Status: 201, ETag: true, Serve: a.projectCreate,
		},
		{
			Method: get, Path: "/projects/{project}", Right: auth.ReadProject, Object: "project",
			ID: "getProject", Summary: "One project",
			Answer: Project{},
			Status: 200, ETag: true, Serve: a.project,
		},
		{
			Method: patch, Path: "/projects/{project}", Right: auth.SetVisibility, Object: "project",
			ID: "changeProject", Summary: "Let anyone pull, or members only; take indexes without all of their manifests",
			Body:   ProjectChange{},
			Answer: Project{},
			Status: 200, ETag: true, Serve: a.projectChange,
		},
		{
			Method: remove, Path: "/projects/{project}", Right: auth.RemoveProject, Object: "project",
			ID: "deleteProject", Summary: "Remove a project that holds no images",
			Status: 204, Serve: a.projectDelete,
		},
		{
			Method: post, Path: "/projects/{project}/restore", Right: auth.SignIn, Object: "projects",
			ID: "restoreProject", Summary: "Make a removed project anew, with what was deleted in it and is not collected yet",
			Answer: RestoredProject{},
			Status: 200, Serve: a.projectRestore,
		},
	}
}

// content are the operations on what repositories hold.
func (a *API) content() []rest.Operation {
	return []rest.Operation{
		{
			Method: get, Path: "/projects/{project}/repositories", Right: auth.ReadProject, Object: "project",
			ID: "listRepositories", Summary: "List the repositories that hold something, by name",
			Query:  rest.PageOf(match),
			Answer: rest.Page[Repository]{},
			Status: 200, Serve: a.repositories,
		},
		{
			Method: get, Path: "/repositories/{repository...}", Right: auth.Read, Object: "repository",
			ID: "getRepository", Summary: "A repository with what it holds, and what is said of it",
			Answer: DescribedRepository{},
			Status: 200, Serve: a.repository,
		},
		{
			Method: get, Path: "/descriptions/{repository...}", Right: auth.Read, Object: "repository",
			ID: "getDescription", Summary: "What is said of a repository",
			Answer: Description{},
			Status: 200, ETag: true, Serve: a.description,
		},
		{
			Method: put, Path: "/descriptions/{repository...}", Right: describe.Change, Object: "repository",
			ID: "setDescription", Summary: "Describe a repository",
			Body:   NewDescription{},
			Answer: Description{},
			Status: 200, ETag: true, Serve: a.describe,
		},
		{
			Method: get, Path: "/tags/{repository...}", Right: auth.Read, Object: "repository",
			ID: "listTags", Summary: "List the tags of a repository",
			Query: rest.PageOf(match, rest.Parameter{
				Name: "order", About: "newest (if it is not said), name, or size (the largest first; up to 1,000 tags)", Kind: rest.KindText,
			}, rest.Parameter{
				Name: "label", About: "only those of artifacts with a label of this name", Kind: rest.KindText,
			}),
			Answer: rest.Page[Tag]{},
			Status: 200, Serve: a.tags,
		},
		{
			Method: get, Path: "/artifacts/{artifact...}", Right: auth.Read, Object: "manifest",
			ID: "getArtifact", Summary: "One artifact in depth: team/app:v1 or team/app@sha256:…",
			Answer: Artifact{},
			Status: 200, ETag: true, Serve: a.artifact,
		},
		{
			Method: get, Path: "/space/{artifact...}", Right: auth.Pull, Object: "manifest",
			ID: "getSpace", Summary: "What takes the space in an image: its largest files, and those that layers hide",
			Answer: Space{},
			Status: 200, Serve: a.space,
		},
		{
			Method: remove, Path: "/artifacts/{artifact...}", Right: auth.Delete, Object: "manifest",
			ID:      "deleteArtifact",
			Summary: "Delete a tag (team/app:v1), or an artifact with all its tags (team/app@sha256:…)",
			Status:  204, Serve: a.artifactDelete,
		},
	}
}

// records are the operations on what was done.
func (a *API) records() []rest.Operation {
	return []rest.Operation{
		{
			Method: get, Path: "/audit", Right: auth.ReadAudit, Object: "audit log",
			ID: "listAudit", Summary: "Who changed what, the newest first",
			Query: rest.PageOf(
				rest.Parameter{Name: "actor", About: "only what this user did", Kind: rest.KindText},
				rest.Parameter{Name: "action", About: "only this, as project.create", Kind: rest.KindText},
				rest.Parameter{Name: "object", About: "only what was done to this", Kind: rest.KindText},
				rest.Parameter{Name: "since", About: "only from this time on (RFC 3339)", Kind: rest.KindText},
				rest.Parameter{Name: "until", About: "only before this time (RFC 3339)", Kind: rest.KindText},
			),
			Answer: rest.Page[Event]{},
			Status: 200, Serve: a.audit,
		},
		{
			Method: get, Path: "/audit/forwards", Right: auth.ReadAudit, Object: "audit log",
			ID: "listAuditForwards", Summary: "How far the receivers of the audit log are",
			Answer: Forwards{},
			Status: 200, Serve: a.forwards,
		},
	}
}

func (a *API) document(*rest.Ask) (any, error) { return rest.Document(a.table()) }
