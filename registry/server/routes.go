package server

import (
	"io"
	"net"
	"net/http"
	"strings"

	"cove/registry/auth"
)

// route is one path outside of the Distribution protocol. Everyone may use all
// of them: what needs a right is asked inside (the token endpoint), and the
// others tell nothing of what is stored.
type route struct {
	path    string
	methods []string
	handler http.HandlerFunc
}

func (s *Server) table(authorizer *auth.Authorizer, m *metrics) []route {
	get := []string{http.MethodGet, http.MethodHead}
	return []route{
		{"/", get, s.serveRoot},
		{auth.TokenPath, []string{http.MethodGet, http.MethodPost}, authorizer.ServeToken},
		{"/livez", get, s.serveLive},
		{"/readyz", get, s.serveReady},
		{"/metrics", get, m.handler().ServeHTTP},
	}
}

// routes sends requests to the protocol or to the table. http.ServeMux would
// redirect the paths of the protocol that it does not find clean.
func (s *Server) routes(protocol http.Handler, authorizer *auth.Authorizer, m *metrics) http.Handler {
	byPath := map[string]route{}
	for _, rt := range s.table(authorizer, m) {
		byPath[rt.path] = rt
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v2" || strings.HasPrefix(r.URL.Path, "/v2/") {
			protocol.ServeHTTP(w, r)
			return
		}
		rt, ok := byPath[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		for _, method := range rt.methods {
			if r.Method == method {
				w.Header().Set("X-Content-Type-Options", "nosniff")
				rt.handler(w, r)
				return
			}
		}
		w.Header().Set("Allow", strings.Join(rt.methods, ", "))
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
	})
}

func (s *Server) serveRoot(w http.ResponseWriter, _ *http.Request) {
	_, _ = io.WriteString(w, "This is a cove registry. Images are pushed and pulled with docker, podman, containerd or cove.\n")
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
	return s.proxies.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		target := "https://" + strings.TrimSuffix(net.JoinHostPort(strings.Trim(host, "[]"), port), ":443") + r.URL.RequestURI()
		if s.cfg.ExternalURL != "" {
			target = strings.TrimSuffix(s.cfg.ExternalURL, "/") + r.URL.RequestURI()
		}
		http.Redirect(w, r, target, http.StatusPermanentRedirect)
	}))
}
