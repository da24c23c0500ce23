// Package client asks the registry's own API, /api/v1: over HTTP, as anyone may from
// anywhere, or in this process, as whoever may open a registry's root. Both ways lead to the
// same table of operations (package api), so what a command says and how it fails is the
// same by either.
package client

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"

	"cove/errdefs"
)

// Door leads to an API. It is safe for concurrent use.
type Door interface {
	// Do sends a call and reads the answer into call.Into. An answer that is a problem
	// (RFC 9457) is an error of the kind that its code has, with its detail as text.
	Do(ctx context.Context, call Call) error
}

// Call is one request to the API.
type Call struct {
	Method string
	Path   string // below /api/v1, escaped; see Path
	Query  url.Values
	// Body is what is sent as JSON, or, when it is an io.Reader, as it is; nil is nothing.
	Body any
	// Into is what the answer is decoded into, or, when it is an io.Writer, written to as it
	// comes; nil drops it.
	Into any
}

// Path joins the parts of a path. Each is a name as people know it, which may have any
// character; one with slashes is to be the last.
func Path(parts ...string) string {
	var b strings.Builder
	for _, part := range parts {
		b.WriteByte('/')
		for i, piece := range strings.Split(part, "/") {
			if i > 0 {
				b.WriteByte('/')
			}
			b.WriteString(url.PathEscape(piece))
		}
	}
	return b.String()
}

// Check refuses a path that would not be the one that was meant: an empty name, or one
// that HTTP takes for a step to another folder. The error is errdefs.ErrInvalid.
func (c Call) Check() error {
	for part := range strings.SplitSeq(strings.TrimPrefix(c.Path, "/"), "/") {
		switch part {
		case "", ".", "..":
			return errdefs.Errorf(errdefs.ErrInvalid, "%q is no name", part)
		}
	}
	return nil
}

// Get reads one thing.
func Get[T any](ctx context.Context, door Door, path string, query ...string) (v T, err error) {
	err = door.Do(ctx, Call{Method: http.MethodGet, Path: path, Query: Query(query...), Into: &v})
	return v, err
}

// Query are parameters: names with their values. One without a value is left out.
func Query(pairs ...string) url.Values {
	q := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	return q
}

// raw is what is sent as it is.
func (c Call) raw() (io.Reader, bool) {
	r, ok := c.Body.(io.Reader)
	return r, ok
}

// Copies says where the answer goes as it is.
func (c Call) Copies() (io.Writer, bool) {
	w, ok := c.Into.(io.Writer)
	return w, ok
}
