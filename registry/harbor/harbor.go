// Package harbor answers the part of Harbor's API v2.0 that other programs use: its
// Terraform provider and command line, updaters of images, credential helpers. It is a
// façade: what each path does is done by the services that the registry's own API and
// pages call, with the same rights, and what this registry has no such thing for is an
// error that says so, never an answer that pretends.
//
// Harbor names things by numbers; here these are the ids of the database. Where its paths
// take a name or a number, a text of digits is a number unless the request says
// X-Is-Resource-Name: true.
package harbor

import (
	"net/http"
	"slices"

	"cove/registry/auth"
	"cove/registry/harbor/content"
	"cove/registry/harbor/edge"
	"cove/registry/harbor/people"
	"cove/registry/harbor/places"
	"cove/registry/harbor/replicas"
	"cove/registry/harbor/rules"
)

// Facade answers below edge.Base. It is safe for concurrent use.
type Facade struct{ edge *edge.Edge }

// New returns the façade over the registry's services.
func New(cfg edge.Config) *Facade { return &Facade{edge.New(cfg)} }

// Route is one method of one path, and the right that it takes.
type Route struct {
	Method, Path string // with parts in braces, as http.ServeMux has them
	Right        auth.Right
	Object       string // what the request is about
	Handler      http.HandlerFunc
}

// Routes lists all routes.
func (f *Facade) Routes() []Route {
	var routes []Route
	for _, op := range slices.Concat(content.Operations(f.edge), places.Operations(f.edge), people.Operations(f.edge),
		rules.Operations(f.edge), replicas.Operations(f.edge)) {
		routes = append(routes, Route{op.Method, edge.Base + op.Path, op.Right, op.Object, f.edge.Handle(op)})
	}
	return routes
}
