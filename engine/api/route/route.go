// Package route is what all requests of docker's API go through: the table of its
// paths, versions in paths, who may do what, and errors in docker's shape.
package route

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"cove/engine/api/wire"
	"cove/errdefs"
)

// Permission is what a request needs; see Access.
type Permission string

// The permissions. All has every other in it; Ping needs none.
const (
	Ping   Permission = ""
	Read   Permission = "read"
	Events Permission = "events"
	Images Permission = "images"
	Build  Permission = "build"
	All    Permission = "all"
)

// Permissions lists those that can be given.
func Permissions() []Permission { return []Permission{Read, Events, Images, Build, All} }

// Handler answers a request. An error before the first byte of the answer is sent in
// docker's shape; one after it only ends the connection.
type Handler func(w http.ResponseWriter, r *Request) error

// Route is one row of the table.
type Route struct {
	Method string
	// Path is docker's, without the version: a {name} is one segment, a {name...} one
	// or more, as names of images have.
	Path string
	// Since is the first version of the API that has it; the zero value is the oldest.
	Since wire.Version
	// Needs is the permission that it takes.
	Needs Permission
	// Labels, if set, are those of what a request is about: then whoever may do all to
	// what has one of these labels may do this.
	Labels func(ctx context.Context, r *Request) (map[string]string, error)
	// Narrow says that the handler itself leaves out what its caller may not see
	// (Request.Access).
	Narrow bool
	// Test is the command of docker's, or the test, that drives it; for the
	// documentation.
	Test    string
	Handler Handler
}

// Request is a request whose route was found.
type Request struct {
	*http.Request
	// Version is the one that the path asks for.
	Version wire.Version
	Access  *Access
	params  map[string]string
}

// Param is what stands in the path at {name}.
func (r *Request) Param(name string) string { return r.params[name] }

// Pin puts what a name was found to stand for in its place: what a caller may do was
// decided of that, and the name may be another's a moment later.
func (r *Request) Pin(name, id string) { r.params[name] = id }

// pattern is a path that is cut up.
type pattern struct {
	segments []string
	many     int // index of the {name...}, or -1
}

func compile(path string) pattern {
	p := pattern{segments: strings.Split(strings.Trim(path, "/"), "/")}
	p.many = slices.IndexFunc(p.segments, func(s string) bool { return strings.HasSuffix(s, "...}") })
	return p
}

// match finds the parameters of a path.
func (p pattern) match(path []string) (map[string]string, bool) {
	extra := len(path) - len(p.segments)
	if extra < 0 || extra > 0 && p.many < 0 {
		return nil, false
	}
	params := map[string]string{}
	i := 0
	for k, s := range p.segments {
		n := 1
		if k == p.many {
			n += extra
		}
		text := strings.Join(path[i:i+n], "/")
		i += n
		name, param := strings.CutPrefix(s, "{")
		switch {
		case param && text == "", !param && text != s:
			return nil, false
		case param:
			params[strings.TrimRight(name, ".}")] = text
		}
	}
	return params, true
}

// row is a route that is ready to be matched.
type row struct {
	Route
	pattern pattern
}

// Mux finds the route of a request and has it answered.
type Mux struct {
	rows   []row
	server string
	access *Access
}

// NewMux serves a table to whoever has access. version is the engine's, for the
// header by which clients know an engine. Routes whose paths say more come before
// those that say less, wherever they stand in the table.
func NewMux(table []Route, version string, access *Access) *Mux {
	m := &Mux{server: "Docker/" + version + " (linux)", access: access}
	for _, r := range table {
		m.rows = append(m.rows, row{r, compile(r.Path)})
	}
	slices.SortStableFunc(m.rows, func(a, b row) int { return cmp.Compare(a.vague(), b.vague()) })
	return m
}

// vague is higher the less a path says.
func (r row) vague() int {
	n := strings.Count(r.Path, "{")
	if r.pattern.many >= 0 {
		n += 10
	}
	return n
}

// ServeHTTP answers a request.
func (m *Mux) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Server", m.server)
	h.Set("Api-Version", wire.Newest.String())
	h.Set("Ostype", "linux")
	h.Set("Docker-Experimental", "false")
	err := m.answer(w, r)
	switch {
	case err == nil || errors.Is(err, wire.ErrCut):
	case errors.Is(err, errTooOld):
		wire.WriteTextError(w, err)
	default:
		wire.WriteError(w, err)
	}
}

// errTooOld is told as a text: the clients that it is for know no other errors.
var errTooOld = errdefs.Errorf(errdefs.ErrInvalid,
	"Minimum supported API version is %s, please upgrade your client to a newer version", wire.Oldest)

var errNoPage = errdefs.Errorf(errdefs.ErrNotFound, "page not found")

func (m *Mux) answer(w http.ResponseWriter, r *http.Request) error {
	version, path, err := splitVersion(r.URL.Path)
	if err != nil {
		return err
	}
	if strings.Contains(r.URL.RawQuery, "%00") {
		return errdefs.Errorf(errdefs.ErrInvalid, "the request has a parameter with a NUL character")
	}
	if r.Method == http.MethodOptions {
		return nil // as docker has it, whatever the path
	}
	segments := strings.Split(strings.Trim(path, "/"), "/")
	for _, row := range m.rows {
		if row.Method != r.Method || version.Before(row.Since) {
			continue
		}
		params, ok := row.pattern.match(segments)
		if !ok {
			continue
		}
		req := &Request{Request: r, Version: version, Access: m.access, params: params}
		if err := m.access.check(r.Context(), row.Route, req); err != nil {
			return err
		}
		return row.Handler(w, req)
	}
	return errNoPage
}

// splitVersion takes the version off a path; one without is of the newest. The words
// of its errors are dockerd's, which clients look for.
func splitVersion(path string) (wire.Version, string, error) {
	text, rest, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	v, ok := wire.ParseVersion(strings.TrimPrefix(text, "v"))
	switch {
	case !ok || !strings.HasPrefix(text, "v"):
		return wire.Newest, path, nil
	case v.Before(wire.Oldest):
		return v, "", fmt.Errorf("client version %s is too old. %w", v, errTooOld)
	case wire.Newest.Before(v):
		return v, "", errdefs.Errorf(errdefs.ErrInvalid,
			"client version %s is too new. Maximum supported API version is %s", v, wire.Newest)
	}
	return v, "/" + rest, nil
}
