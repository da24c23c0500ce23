// Package people has the pages about who there is: users, members of projects, and
// one's own account.
package people

import (
	"cove/registry/accounts"
	"cove/registry/auth"
	"cove/registry/projects"
	"cove/registry/web/page"
)

// Config is what the pages need, all of it.
type Config struct {
	*page.Desk
	Login    *auth.Login
	Accounts *accounts.Accounts
	Projects *projects.Projects
}

// Pages are the handlers. They are safe for concurrent use.
type Pages struct {
	*page.Desk
	cfg Config
}

// New returns the pages.
func New(cfg Config) *Pages { return &Pages{cfg.Desk, cfg} }

// Rows are the routes of the pages.
func (p *Pages) Rows() []page.Row {
	get, post := page.Get, page.Post
	return []page.Row{
		get("/projects/{project}/members", auth.ListMembers, "project", p.members),
		post("/projects/{project}/members", auth.SetMembers, "project", p.memberSet),
		get("/account", auth.SignIn, "account", p.account),
		post("/account/password", auth.SignIn, "account", p.accountPassword),
		post("/account/sessions", auth.SignIn, "account", p.accountSessions),
		get("/users", auth.ManageUsers, "users", p.users),
		post("/users", auth.ManageUsers, "users", p.userCreate),
		post("/users/{user}/password", auth.ManageUsers, "users", p.userPassword),
		post("/users/{user}/link", auth.ManageUsers, "users", p.userLink),
		post("/users/{user}/unlink", auth.ManageUsers, "users", p.userUnlink),
		post("/users/{user}/change", auth.ManageUsers, "users", p.userChange),
		post("/users/{user}/remove", auth.ManageUsers, "users", p.userRemove),
	}
}
