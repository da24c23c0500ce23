// Package people answers about users, groups, members of projects and robots.
package people

import (
	"net/http"
	"slices"

	"cove/registry/auth"
	"cove/registry/harbor/edge"
)

// The methods of the table.
const (
	get    = http.MethodGet
	post   = http.MethodPost
	put    = http.MethodPut
	patch  = http.MethodPatch
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
	for _, r := range slices.Concat(o.people(), o.groupRows(), o.members(), o.robots()) {
		all = append(all, edge.Operation(r))
	}
	return all
}

func (o operations) people() []row {
	return []row{
		{get, "/users/current", auth.SignIn, "account", 200, o.current},
		{get, "/users", auth.ManageUsers, "users", 200, o.users},
		{post, "/users", auth.ManageUsers, "users", 201, o.userCreate},
		{get, "/users/{user}", auth.ManageUsers, "users", 200, o.user},
		{put, "/users/{user}", auth.ManageUsers, "users", 200, o.userChange},
		{remove, "/users/{user}", auth.ManageUsers, "users", 200, o.userDelete},
		{put, "/users/{user}/sysadmin", auth.ManageUsers, "users", 200, o.userAdmin},
		{put, "/users/{user}/password", auth.SignIn, "account", 200, o.userPassword},
	}
}

func (o operations) groupRows() []row {
	return []row{
		{get, "/usergroups", auth.ManageUsers, "users", 200, o.groups},
		{post, "/usergroups", auth.ManageUsers, "users", 201, o.groupCreate},
		{get, "/usergroups/search", auth.ManageUsers, "users", 200, o.groupSearch},
		{get, "/usergroups/{group}", auth.ManageUsers, "users", 200, o.group},
		{put, "/usergroups/{group}", auth.ManageUsers, "users", 200, o.groupChange},
		{remove, "/usergroups/{group}", auth.ManageUsers, "users", 200, o.groupDelete},
	}
}

func (o operations) members() []row {
	const all = "/projects/{project}/members"
	return []row{
		{get, all, auth.ListMembers, "project", 200, o.memberList},
		{post, all, auth.SetMembers, "project", 201, o.memberCreate},
		{get, all + "/{member}", auth.ListMembers, "project", 200, o.memberGet},
		{put, all + "/{member}", auth.SetMembers, "project", 200, o.memberChange},
		{remove, all + "/{member}", auth.SetMembers, "project", 200, o.memberDelete},
	}
}

// robots are accounts of programs. Harbor has one list of those of all projects and of the
// registry, so the path does not say which right a request takes: the service asks, of the
// project that the robot is of.
func (o operations) robots() []row {
	return []row{
		{get, "/robots", auth.SignIn, "visible robots", 200, o.robotList},
		{post, "/robots", auth.SignIn, "robots", 201, o.robotCreate},
		{get, "/robots/{robot}", auth.SignIn, "robots", 200, o.robotGet},
		{put, "/robots/{robot}", auth.SignIn, "robots", 200, o.robotChange},
		{patch, "/robots/{robot}", auth.SignIn, "robots", 200, o.robotSecret},
		{remove, "/robots/{robot}", auth.SignIn, "robots", 200, o.robotDelete},
		{get, "/projects/{project}/robots", auth.ListRobots, "project", 200, o.robotsOfProject},
	}
}
