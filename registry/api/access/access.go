// Package access has the operations of the API on who may what: groups, roles,
// members of projects.
package access

import (
	"cmp"
	"net/http"
	"strings"
	"time"

	"cove/registry/accounts"
	"cove/registry/api/rest"
	"cove/registry/auth"
	"cove/registry/browse"
	"cove/registry/metadata/people"
	"cove/registry/projects"
	"cove/registry/robots"
	"cove/registry/trust"
)

// The methods of the table.
const (
	get    = http.MethodGet
	post   = http.MethodPost
	put    = http.MethodPut
	patch  = http.MethodPatch
	remove = http.MethodDelete
)

// Services are what the operations call, all of them.
type Services struct {
	Accounts *accounts.Accounts
	Projects *projects.Projects
	Robots   *robots.Robots
	Trust    *trust.Rules
	Browse   *browse.Browser
}

// Operations are the rows of the API's table.
func (s Services) Operations() []rest.Operation {
	var all []rest.Operation
	for _, some := range [][]rest.Operation{
		s.members(), s.groups(), s.roles(), s.robots(), s.trust(), s.tokens(), s.explain(),
	} {
		all = append(all, some...)
	}
	return all
}

// Member is a user or a group with a role, in a project or in all.
type Member struct {
	Name         string `json:"name"`
	Kind         string `json:"kind"` // user or group
	Role         string `json:"role"`
	Repositories string `json:"repositories"` // where: a glob of names within the project
	Admin        bool   `json:"admin"`        // of the registry
}

// MemberOf is a member as it is told.
func MemberOf(m browse.Member) Member {
	kind := "user"
	if m.Group {
		kind = "group"
	}
	return Member{m.Name, kind, m.Role, m.Repositories, m.Admin}
}

// MemberRole is the role that a user or a group is to have.
type MemberRole struct {
	Role  string `json:"role"`
	Group bool   `json:"group,omitempty"` // the name is a group's
	// where: a glob of names within the project; all if it is left out
	Repositories string `json:"repositories,omitempty"`
}

var (
	ofGroup = rest.Parameter{Name: "kind", About: `"group" if the name is a group's`, Kind: rest.KindText}
	where   = rest.Parameter{
		Name: "repositories", About: "only what it has in these, as listMembers shows them", Kind: rest.KindText,
	}
)

func (s Services) members() []rest.Operation {
	return []rest.Operation{
		{
			Method: get, Path: "/projects/{project}/members", Right: auth.ListMembers, Object: "project",
			ID: "listMembers", Summary: "List the members by name",
			Query:  rest.PageOf(),
			Answer: rest.Page[Member]{},
			Status: 200, Serve: s.memberList,
		},
		{
			Method: put, Path: "/projects/{project}/members/{user}", Right: auth.SetMembers, Object: "project",
			ID: "setMember", Summary: "Give a user or a group a role",
			Body:   MemberRole{},
			Status: 204, Serve: s.memberSet,
		},
		{
			Method: remove, Path: "/projects/{project}/members/{user}", Right: auth.SetMembers, Object: "project",
			ID: "deleteMember", Summary: "End a membership",
			Query:  []rest.Parameter{ofGroup, where},
			Status: 204, Serve: s.memberDelete,
		},
		{
			Method: get, Path: "/members", Right: auth.ManageUsers, Object: "users",
			ID: "listSystemMembers", Summary: "List who has a role in all projects",
			Query:  rest.PageOf(),
			Answer: rest.Page[Member]{},
			Status: 200, Serve: s.systemList,
		},
		{
			Method: put, Path: "/members/{user}", Right: auth.ManageUsers, Object: "users",
			ID: "setSystemMember", Summary: "Give a user or a group a role in all projects, as auditor; none takes it back",
			Body:   MemberRole{},
			Status: 204, Serve: s.systemSet,
		},
	}
}

func (s Services) memberList(asked *rest.Ask) (any, error) {
	found, more, err := s.Browse.MembersPage(asked.Context(), asked.Caller, asked.PathValue("project"), asked.List())
	return memberPage(asked, found, more, err)
}

func memberPage(asked *rest.Ask, found []browse.Member, more bool, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	var items []Member
	for _, m := range found {
		items = append(items, MemberOf(m))
	}
	return rest.PageTo(asked, items, rest.Next(more, found, browse.Member.Cursor)), nil
}

func (s Services) memberSet(asked *rest.Ask) (any, error) {
	var m MemberRole
	if err := asked.Read(&m); err != nil {
		return nil, err
	}
	return nil, s.setMember(asked, m)
}

func (s Services) memberDelete(asked *rest.Ask) (any, error) {
	kind := asked.Query.Get("kind")
	if kind != "" && kind != "user" && kind != "group" {
		return nil, rest.Invalid("query: kind %q is neither user nor group", kind)
	}
	return nil, s.setMember(asked, MemberRole{
		Role: projects.NoRole, Group: kind == "group", Repositories: asked.Query.Get("repositories"),
	})
}

func (s Services) setMember(asked *rest.Ask, m MemberRole) error {
	member := projects.Member{User: asked.PathValue("user"), Role: m.Role, Repositories: m.Repositories}
	if m.Group {
		member.User, member.Group = "", member.User
	}
	return s.Projects.SetMember(asked.Context(), asked.Caller, asked.PathValue("project"), member)
}

func (s Services) systemList(asked *rest.Ask) (any, error) {
	found, more, err := s.Browse.SystemMembers(asked.Context(), asked.Caller, asked.List())
	return memberPage(asked, found, more, err)
}

func (s Services) systemSet(asked *rest.Ask) (any, error) {
	var m MemberRole
	if err := asked.Read(&m); err != nil {
		return nil, err
	}
	if m.Repositories != "" {
		return nil, rest.Invalid("body: a role in all projects is one in all repositories")
	}
	member := accounts.SystemMember{User: asked.PathValue("user"), Role: m.Role}
	if m.Group {
		member.User, member.Group = "", member.User
	}
	return nil, s.Accounts.SetSystemRole(asked.Context(), asked.Caller, member)
}

// Group is a set of users.
type Group struct {
	Name      string    `json:"name"`
	Users     int64     `json:"users"`
	CreatedAt time.Time `json:"createdAt"`
}

// GroupOf is a group as it is told.
func GroupOf(g people.Group) Group { return Group{g.Name, g.Users, g.CreatedAt.UTC()} }

// NewGroup is a group to be made.
type NewGroup struct {
	Name string `json:"name"`
}

// Name is the name of a user.
type Name struct {
	Name string `json:"name"`
}

func (s Services) groups() []rest.Operation {
	const users = "users"
	return []rest.Operation{
		{
			Method: get, Path: "/groups", Right: auth.ManageUsers, Object: users,
			ID: "listGroups", Summary: "List the groups by name",
			Query:  rest.PageOf(),
			Answer: rest.Page[Group]{},
			Status: 200, Serve: s.groupList,
		},
		{
			Method: post, Path: "/groups", Right: auth.ManageUsers, Object: users,
			ID: "createGroup", Summary: "Make a group",
			Body: NewGroup{}, Answer: Group{},
			Status: 201, Serve: s.groupCreate,
		},
		{
			Method: remove, Path: "/groups/{group}", Right: auth.ManageUsers, Object: users,
			ID: "deleteGroup", Summary: "Remove a group, and what its users have by it",
			Status: 204, Serve: func(asked *rest.Ask) (any, error) {
				return nil, s.Accounts.RemoveGroup(asked.Context(), asked.Caller, asked.PathValue("group"))
			},
		},
		{
			Method: get, Path: "/groups/{group}/users", Right: auth.ManageUsers, Object: users,
			ID: "listGroupUsers", Summary: "List the users of a group by name",
			Query:  rest.PageOf(),
			Answer: rest.Page[Name]{},
			Status: 200, Serve: s.groupUsers,
		},
		{
			Method: put, Path: "/groups/{group}/users/{user}", Right: auth.ManageUsers, Object: users,
			ID: "addGroupUser", Summary: "Put a user into a group",
			Status: 204, Serve: s.groupSet(true),
		},
		{
			Method: remove, Path: "/groups/{group}/users/{user}", Right: auth.ManageUsers, Object: users,
			ID: "deleteGroupUser", Summary: "Take a user out of a group",
			Status: 204, Serve: s.groupSet(false),
		},
	}
}

func (s Services) groupList(asked *rest.Ask) (any, error) {
	found, more, err := s.Accounts.Groups(asked.Context(), asked.Caller, asked.Query.Get("after"), asked.Limit)
	if err != nil {
		return nil, err
	}
	var items []Group
	for _, g := range found {
		items = append(items, GroupOf(g))
	}
	return rest.PageTo(asked, items, rest.Next(more, items, func(g Group) string { return g.Name })), nil
}

func (s Services) groupCreate(asked *rest.Ask) (any, error) {
	var g NewGroup
	if err := asked.Read(&g); err != nil {
		return nil, err
	}
	if err := s.Accounts.AddGroup(asked.Context(), asked.Caller, g.Name); err != nil {
		return nil, err
	}
	made, err := s.Accounts.Group(asked.Context(), asked.Caller, g.Name)
	return GroupOf(made), err
}

func (s Services) groupUsers(asked *rest.Ask) (any, error) {
	found, more, err := s.Accounts.GroupUsers(asked.Context(), asked.Caller, asked.PathValue("group"),
		asked.Query.Get("after"), asked.Limit)
	if err != nil {
		return nil, err
	}
	var items []Name
	for _, name := range found {
		items = append(items, Name{name})
	}
	return rest.PageTo(asked, items, rest.Next(more, found, func(name string) string { return name })), nil
}

func (s Services) groupSet(in bool) func(*rest.Ask) (any, error) {
	return func(asked *rest.Ask) (any, error) {
		return nil, s.Accounts.SetInGroup(
			asked.Context(),
			asked.Caller,
			asked.PathValue("group"),
			asked.PathValue("user"),
			in,
		)
	}
}

// Role is a set of rights with a name.
type Role struct {
	Name        string     `json:"name"`
	Rights      []string   `json:"rights"` // as repository:pull
	Description string     `json:"description,omitempty"`
	CreatedAt   *time.Time `json:"createdAt,omitempty"` // of one that is not built in
}

// RoleOf is a role as it is told.
func RoleOf(r people.CustomRole) Role {
	return Role{r.Name, strings.Fields(r.Rights), r.Description, rest.Moment(r.CreatedAt)}
}

// RoleRights are what a role is to have.
type RoleRights struct {
	Rights      []string `json:"rights"` // as repository:pull; also pull, push, delete, read, or a role
	Description string   `json:"description,omitempty"`
}

func (s Services) roles() []rest.Operation {
	return []rest.Operation{
		{
			Method: get, Path: "/roles", Right: auth.SignIn, Object: "roles",
			ID: "listRoles", Summary: "List the roles, the built-in ones first",
			Answer: rest.Page[Role]{},
			Status: 200, Serve: s.roleList,
		},
		{
			Method: put, Path: "/roles/{role}", Right: auth.ManageRoles, Object: "roles",
			ID: "setRole", Summary: "Make a role, or give it other rights",
			Body:   RoleRights{},
			Status: 204, Serve: s.roleSet,
		},
		{
			Method: remove, Path: "/roles/{role}", Right: auth.ManageRoles, Object: "roles",
			ID: "deleteRole", Summary: "Remove a role that nobody has",
			Status: 204, Serve: func(asked *rest.Ask) (any, error) {
				return nil, s.Accounts.RemoveRole(asked.Context(), asked.Caller, asked.PathValue("role"))
			},
		},
	}
}

func (s Services) roleList(asked *rest.Ask) (any, error) {
	found, err := s.Accounts.Roles(asked.Context(), asked.Caller)
	if err != nil {
		return nil, err
	}
	var items []Role
	for _, r := range found {
		items = append(items, RoleOf(r))
	}
	return rest.PageTo(asked, items, ""), nil
}

func (s Services) roleSet(asked *rest.Ask) (any, error) {
	var r RoleRights
	if err := asked.Read(&r); err != nil {
		return nil, err
	}
	return nil, s.Accounts.SetRole(asked.Context(), asked.Caller, people.CustomRole{
		Name: asked.PathValue("role"), Rights: strings.Join(r.Rights, " "), Description: cmp.Or(r.Description, ""),
	})
}
