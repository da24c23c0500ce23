package api

import (
	"log/slog"
	"net/http"

	"cove/distribution"
	"cove/registry/accounts"
	"cove/registry/api/rest"
	"cove/registry/audit"
	"cove/registry/auth"
	"cove/registry/auth/door"
	"cove/registry/browse"
	"cove/registry/metadata"
	"cove/registry/policies"
	"cove/registry/projects"
	"cove/registry/proxy"
	"cove/registry/robots"
	"cove/registry/trust"
)

// Config is what the API needs, all of it.
type Config struct {
	DB       *metadata.DB
	Registry distribution.Registry // what is deleted and read goes through it
	Judge    auth.Judge
	Accounts *accounts.Accounts
	Projects *projects.Projects
	Robots   *robots.Robots
	Trust    *trust.Rules
	Audit    *audit.Log
	Policies *policies.Policies
	Proxies  *proxy.Service
	// Upstreams are those of the proxies, as this process asks them; nil where it does not.
	Upstreams *proxy.Proxies
	// Identify finds out who asks; see auth.Authorizer.
	Identify func(*http.Request) (auth.Caller, error)
	Log      *slog.Logger
	// Origins refuses what browsers send from other sites.
	Origins *http.CrossOriginProtection
}

// API answers below Base. It is safe for concurrent use.
type API struct {
	*rest.Edge

	cfg    Config
	browse *browse.Browser
}

// New returns the API.
func New(cfg Config) *API {
	edge := &rest.Edge{Log: cfg.Log, Door: door.Programs{
		Door: door.Door{DB: cfg.DB, Judge: cfg.Judge}, Identify: cfg.Identify, Origins: cfg.Origins,
	}}
	return &API{Edge: edge, cfg: cfg, browse: browse.New(cfg.DB, cfg.Registry, cfg.Judge)}
}

// Route is one method of one path, and the right that it takes.
type Route struct {
	Method, Path string // with parts in braces, as http.ServeMux has them
	Right        auth.Right
	Object       string // what the request is about
	Handler      http.HandlerFunc
}

// Routes lists all routes of the API.
func (a *API) Routes() []Route {
	table := a.table()
	routes := make([]Route, len(table))
	for i, op := range table {
		routes[i] = Route{op.Method, rest.Base + op.Path, op.Right, op.Object, a.Handle(op)}
	}
	return routes
}
