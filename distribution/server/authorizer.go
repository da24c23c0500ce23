package server

import (
	"context"
	"net/http"

	"cove/distribution"
)

// Authorizer says whether a request may have the accesses. It returns the
// context to go on with (which carries the caller), or an error of kind
// errdefs.ErrUnauthenticated, for which the server adds Challenge to the
// answer, or errdefs.ErrDenied.
type Authorizer interface {
	Authorize(r *http.Request, access ...distribution.Access) (context.Context, error)
	// Challenge is the value of WWW-Authenticate for a refused request.
	Challenge(r *http.Request, access ...distribution.Access) string
}
