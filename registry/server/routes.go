package server

import (
	"io"
	"net"
	"net/http"
	"strings"

	protocol "cove/distribution/server"
	"cove/registry/api"
	"cove/registry/auth"
	"cove/registry/harbor"
	"cove/registry/harbor/edge"
	"cove/registry/observe"
	"cove/registry/web"
)

// Rights of routes, besides those of auth.
const (
	Open   = auth.Open
	SignIn = auth.SignIn // for every token, too
)

// Route is one method of one path, and what a request takes.
type Route struct {
	Method string
	Path   string // with parts in braces, as http.ServeMux has them; the protocol's are parsed by itself
	Right  auth.Right
	// Object is what the request is about, and the right with it: in the
	// repository {name} if the path has one.
	Object  string
	Handler http.HandlerFunc // nil: the protocol's
}

// edges are what the registry shows besides the protocol.
type edges struct {
	pages  *web.Pages
	api    *api.API
	harbor *harbor.Facade
}

// routes are all that a registry answers. There is no path besides them.
// A GET answers HEAD too.
func (s *Server) routes(authorizer *auth.Authorizer, m *observe.Metrics, edges edges) []Route {
	all := []Route{
		// it cuts the token down to the account's rights
		{http.MethodGet, auth.TokenPath, Open, "token", authorizer.ServeToken},
		{http.MethodPost, auth.TokenPath, Open, "token", authorizer.ServeToken},
		{http.MethodGet, "/livez", Open, "process", s.serveLive},
		{http.MethodHead, "/livez", Open, "process", s.serveLive},
		{http.MethodGet, "/readyz", Open, "process", s.serveReady},
		{http.MethodHead, "/readyz", Open, "process", s.serveReady},
		{http.MethodGet, "/metrics", Open, "counters", m.Handler().ServeHTTP},
		{http.MethodHead, "/metrics", Open, "counters", m.Handler().ServeHTTP},
	}
	for _, rt := range edges.pages.Routes() {
		all = append(all, Route(rt))
	}
	for _, rt := range edges.api.Routes() {
		all = append(all, Route(rt))
	}
	for _, rt := range edges.harbor.Routes() {
		all = append(all, Route(rt))
	}
	for _, rt := range protocol.Routes() {
		right := SignIn
		if n := len(rt.Actions); n > 0 && strings.Contains(rt.Path, "{name}") {
			right = auth.OfAction(
				rt.Actions[n-1],
			) // what the request is for; those before it are what it needs on the way
		}
		all = append(all, Route{rt.Method, rt.Path, right, rt.Object.String(), nil})
	}
	return all
}

// dispatch sends requests to the protocol or to the routes beside it.
// http.ServeMux would redirect the paths of the protocol that it does not find
// clean.
func (s *Server) dispatch(endpoints http.Handler, routes []Route, edges edges) http.Handler {
	mux := http.NewServeMux()
	for _, rt := range routes {
		if rt.Handler != nil {
			mux.HandleFunc(rt.Method+" "+rt.Path, rt.Handler)
		}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Of blobs too: the pages take scripts from this origin alone, where strangers store
		// bytes.
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if r.URL.Path == "/v2" || strings.HasPrefix(r.URL.Path, "/v2/") {
			endpoints.ServeHTTP(w, r)
			return
		}
		_, pattern := mux.Handler(r)
		if pattern == "" && edge.Slashed(r) {
			r = edge.Unslashed(r)
			_, pattern = mux.Handler(r)
		}
		if pattern == "" && edges.notFound(w, r, methods(mux, r)) {
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// notFound answers to a path that there is not, or, with the methods that it
// takes, to another method of one that there is: a program with a problem, a
// browser with a page. It is false where plain text will do.
func (e edges) notFound(w http.ResponseWriter, r *http.Request, allowed string) bool {
	switch {
	case strings.HasPrefix(r.URL.Path, edge.Base+"/"):
		edge.NotFound(w, allowed)
		return true
	case r.URL.Path == "/api" || strings.HasPrefix(r.URL.Path, "/api/"):
		e.api.NotFound(w, r, allowed)
		return true
	case !strings.Contains(r.Header.Get("Accept"), "text/html"):
		return false
	}
	status := http.StatusNotFound
	if allowed != "" {
		status = http.StatusMethodNotAllowed
		w.Header().Set("Allow", allowed)
	}
	e.pages.Failed(w, r, status, "")
	return true
}

// methods lists those that the path of a request answers; "" for a path that
// there is not.
func methods(mux *http.ServeMux, r *http.Request) string {
	var allowed []string
	for _, method := range []string{
		http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
	} {
		other := &http.Request{Method: method, URL: r.URL, Host: r.Host}
		if _, pattern := mux.Handler(other); pattern != "" {
			allowed = append(allowed, method)
		}
	}
	return strings.Join(allowed, ", ")
}

// serveLive answers while the process can answer at all.
func (s *Server) serveLive(w http.ResponseWriter, _ *http.Request) {
	_, _ = io.WriteString(w, "ok\n")
}

// serveReady answers whether requests should be sent here.
func (s *Server) serveReady(w http.ResponseWriter, r *http.Request) {
	select {
	case <-s.draining:
		http.Error(w, "stopping", http.StatusServiceUnavailable)
		return
	default:
	}
	if err := s.state.db.Ping(r.Context()); err != nil {
		s.log.ErrorContext(r.Context(), "not ready", "error", err)
		http.Error(w, "the database does not answer", http.StatusServiceUnavailable)
		return
	}
	_, _ = io.WriteString(w, "ok\n")
}

// redirectHandler sends plain HTTP to the same host's https port.
func (s *Server) redirectHandler() http.Handler {
	_, port, err := net.SplitHostPort(s.Address())
	if err != nil {
		port = "443"
	}
	return s.live.Behind(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		target := "https://" + strings.TrimSuffix(net.JoinHostPort(strings.Trim(host, "[]"), port), ":443") +
			r.URL.RequestURI()
		if s.cfg.ExternalURL != "" {
			target = strings.TrimSuffix(s.cfg.ExternalURL, "/") + r.URL.RequestURI()
		}
		http.Redirect(w, r, target, http.StatusPermanentRedirect)
	}))
}
