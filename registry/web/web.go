package web

import (
	"log/slog"
	"net/http"
	"time"

	"cove/distribution"
	"cove/registry/accounts"
	"cove/registry/audit"
	"cove/registry/auth"
	"cove/registry/browse"
	"cove/registry/metadata"
	"cove/registry/projects"
	"cove/registry/web/message"
	"cove/registry/web/session"
	"cove/registry/web/view"
)

// Config is what the pages need. All but CA and ExternalURL is required.
type Config struct {
	DB       *metadata.DB
	Registry distribution.Registry // what is deleted and read goes through it
	Judge    auth.Judge
	Login    *auth.Login
	Accounts *accounts.Accounts
	Projects *projects.Projects
	Audit    *audit.Log
	Sessions *session.Store
	Log      *slog.Logger
	// CA is the certificate, in PEM, that clients must be told to trust; nil when
	// there is none of ours.
	CA func() ([]byte, error)
	// ExternalURL is where clients reach the registry; "" means as the request did.
	ExternalURL string
	Now         func() time.Time
}

// Pages are the handlers. They are safe for concurrent use.
type Pages struct {
	cfg       Config
	browse    *browse.Browser
	guard     *session.Guard
	views     *view.Views
	languages *message.Catalogue
}

// New returns the pages.
func New(cfg Config) (*Pages, error) {
	p := &Pages{cfg: cfg, browse: browse.New(cfg.DB, cfg.Registry, cfg.Judge)}
	var err error
	if p.guard, err = session.NewGuard(cfg.ExternalURL); err != nil {
		return nil, err
	}
	if p.languages, err = message.Load(); err != nil {
		return nil, err
	}
	p.views, err = view.New()
	return p, err
}

// Route is one method of one path, and the right that it takes.
type Route struct {
	Method, Path string // with parts in braces, as http.ServeMux has them
	Right        auth.Right
	Object       string // what the request is about
	Handler      http.HandlerFunc
}

// row is a Route before it is guarded.
type row struct {
	method, path string
	right        auth.Right
	object       string
	serve        func(*ask) error
}

// Routes lists all routes of the pages.
func (p *Pages) Routes() []Route {
	table := p.table()
	routes := make([]Route, len(table))
	for i, rw := range table {
		routes[i] = Route{rw.method, rw.path, rw.right, rw.object, p.handle(rw)}
	}
	return routes
}

func (p *Pages) table() []row {
	const get, post = http.MethodGet, http.MethodPost
	return []row{
		{get, "/{$}", auth.Open, "greeting", p.home},
		{get, "/static/{file}", auth.Open, "file of the pages", p.static},
		{get, "/ca.crt", auth.Open, "certificate", p.certificate},
		{get, "/start", auth.Open, "greeting", p.start},
		{post, "/preferences", auth.Open, "preferences", p.prefer},
		{get, "/sign-in", auth.Open, "session", p.signIn},
		{post, "/sign-in", auth.Open, "session", p.signInDo},
		{post, "/sign-out", auth.SignIn, "session", p.signOutDo},

		{get, "/projects", auth.Open, "visible projects", p.projects},
		{post, "/projects", auth.SignIn, "projects", p.projectCreate},
		{get, "/projects/{project}", auth.Pull, "project", p.project},
		{get, "/projects/{project}/members", auth.SetMembers, "project", p.members},
		{post, "/projects/{project}/members", auth.SetMembers, "project", p.memberSet},
		{get, "/projects/{project}/settings", auth.SetVisibility, "project", p.settings},
		{post, "/projects/{project}/visibility", auth.SetVisibility, "project", p.visibilitySet},
		{post, "/projects/{project}/remove", auth.RemoveProject, "project", p.projectRemove},

		{get, "/search", auth.Open, "visible names", p.search},
		{get, "/repositories/{repository...}", auth.Pull, "repository", p.repository},
		{post, "/tags/delete/{repository...}", auth.Delete, "repository", p.tagsDelete},
		{post, "/tags/restore/{repository...}", auth.Push, "repository", p.tagsRestore},
		{get, "/artifacts/{artifact...}", auth.Pull, "manifest", p.artifact},
		{get, "/files/{artifact...}", auth.Pull, "manifest", p.files},
		{post, "/artifacts/delete/{artifact...}", auth.Delete, "manifest", p.artifactDelete},

		{get, "/account", auth.SignIn, "account", p.account},
		{post, "/account/password", auth.SignIn, "account", p.accountPassword},
		{post, "/account/sessions", auth.SignIn, "account", p.accountSessions},
		{get, "/users", auth.ManageUsers, "users", p.users},
		{post, "/users", auth.ManageUsers, "users", p.userCreate},
		{post, "/users/{user}/password", auth.ManageUsers, "users", p.userPassword},
		{post, "/users/{user}/remove", auth.ManageUsers, "users", p.userRemove},
		{get, "/audit", auth.ReadAudit, "audit log", p.audit},
	}
}
