package web

import (
	"net/http"

	"cove/registry/accounts"
	"cove/registry/audit"
	"cove/registry/auth"
	"cove/registry/policies"
	"cove/registry/projects"
	"cove/registry/robots"
	"cove/registry/trust"
	"cove/registry/web/access"
	"cove/registry/web/hooks"
	"cove/registry/web/images"
	"cove/registry/web/page"
	"cove/registry/web/people"
	"cove/registry/web/scans"
	"cove/registry/web/signatures"
	"cove/registry/web/system"
	"cove/registry/web/work"
)

// Config is what the pages need. All but CA, ExternalURL, Provider and Registration is required.
type Config struct {
	page.Config
	Login    *auth.Login
	Accounts *accounts.Accounts
	Projects *projects.Projects
	Robots   *robots.Robots
	Trust    *trust.Rules
	Audit    *audit.Log
	Policies *policies.Policies
	Proxies  work.Proxies
	System   system.Config
	// CA is the certificate, in PEM, that clients must be told to trust; nil when
	// there is none of ours.
	CA func() ([]byte, error)
	// Provider signs people in elsewhere; nil when there is none.
	Provider Provider
	// Registration lets strangers make accounts; nil when they may not.
	Registration *Registration
}

// Pages are the handlers. They are safe for concurrent use.
type Pages struct {
	*page.Desk
	cfg Config
}

// New returns the pages.
func New(cfg Config) (*Pages, error) {
	desk, err := page.New(cfg.Config)
	return &Pages{Desk: desk, cfg: cfg}, err
}

// Route is one method of one path, and the right that it takes.
type Route struct {
	Method, Path string // with parts in braces, as http.ServeMux has them
	Right        auth.Right
	Object       string // what the request is about
	Handler      http.HandlerFunc
}

// Routes lists all routes of the pages.
func (p *Pages) Routes() []Route {
	table := p.table()
	routes := make([]Route, len(table))
	for i, rw := range table {
		routes[i] = Route{rw.Method, rw.Path, rw.Right, rw.Object, p.Handle(rw)}
	}
	return routes
}

func (p *Pages) table() []page.Row {
	get, post := page.Get, page.Post
	rows := []page.Row{
		get("/{$}", auth.Open, "greeting", p.home),
		get("/static/{file}", auth.Open, "file of the pages", p.static),
		get("/ca.crt", auth.Open, "certificate", p.certificate),
		get("/start", auth.Open, "greeting", p.start),
		post("/preferences", auth.Open, "preferences", p.Prefer),
		get("/sign-in", auth.Open, "session", p.signIn),
		post("/sign-in", auth.Open, "session", p.signInDo),
		get(providerPath, auth.Open, "session", p.providerBegin),
		get(callbackPath, auth.Open, "session", p.providerFinish),
		get(testPath, auth.ManageUsers, "users", p.providerTest),
		get("/password", auth.Open, "link", p.password),
		post("/password", auth.Open, "link", p.passwordDo),
		get("/register", auth.Open, "account", p.register),
		post("/register", auth.Open, "account", p.registerDo),
		post("/sign-out", auth.SignIn, "session", p.signOutDo),

		get("/projects", auth.Open, "visible projects", p.projects),
		post("/projects", auth.SignIn, "projects", p.projectCreate),
		get("/projects/{project}", auth.ReadProject, "project", p.project),
		get("/projects/{project}/settings", auth.SetVisibility, "project", p.settings),
		post("/projects/{project}/visibility", auth.SetVisibility, "project", p.visibilitySet),
		post("/projects/{project}/remove", auth.RemoveProject, "project", p.projectRemove),
		post("/restore-project", auth.SignIn, "projects", p.projectRestore),

		get("/search", auth.Open, "visible names", p.search),
	}
	rows = append(rows, page.Live("/audit", auth.ReadAudit, "audit log", p.audit)...)
	rows = append(rows, images.New(p.Desk, p.cfg.Policies).Rows()...)
	rows = append(rows, work.New(p.Desk, p.cfg.Policies, p.cfg.Proxies).Rows()...)
	rows = append(rows, system.New(p.Desk, p.cfg.System).Rows()...)
	rows = append(rows, hooks.New(p.Desk, p.cfg.Policies).Rows()...)
	rows = append(rows, scans.New(p.Desk, p.cfg.Policies).Rows()...)
	rows = append(rows, signatures.New(p.Desk, p.cfg.Policies).Rows()...)
	rows = append(rows, access.New(access.Config{
		Desk: p.Desk, Accounts: p.cfg.Accounts, Robots: p.cfg.Robots, Trust: p.cfg.Trust,
	}).Rows()...)
	return append(rows, people.New(people.Config{
		Desk: p.Desk, Login: p.cfg.Login, Accounts: p.cfg.Accounts, Projects: p.cfg.Projects,
	}).Rows()...)
}
