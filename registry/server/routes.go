package server

import (
	"io"
	"net"
	"net/http"
	"strings"
	"time"

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
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		target := "https://" + strings.TrimSuffix(net.JoinHostPort(strings.Trim(host, "[]"), port), ":443") + r.URL.RequestURI()
		if s.cfg.ExternalURL != "" {
			target = strings.TrimSuffix(s.cfg.ExternalURL, "/") + r.URL.RequestURI()
		}
		http.Redirect(w, r, target, http.StatusPermanentRedirect)
	})
}

// maxStall is how long a client may send or take nothing in the middle of a
// request. There is no limit to a whole one: layers are large, lines are slow.
const maxStall = time.Minute

// deadlines ends requests whose client has stalled for so long.
func deadlines(next http.Handler, stall time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		if r.Body != nil && r.Body != http.NoBody {
			r.Body = &patientBody{ReadCloser: r.Body, rc: rc, stall: stall}
		}
		next.ServeHTTP(&patientWriter{ResponseWriter: w, rc: rc, stall: stall}, r)
	})
}

// patientBody moves the deadline with every read.
type patientBody struct {
	io.ReadCloser
	rc    *http.ResponseController
	stall time.Duration
}

func (b *patientBody) Read(p []byte) (int, error) {
	_ = b.rc.SetReadDeadline(time.Now().Add(b.stall)) // not every connection has deadlines
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		// What comes next on the connection is another request's, with the
		// server's own deadlines; and its background read must not time out.
		_ = b.rc.SetReadDeadline(time.Time{})
	}
	return n, err
}

// patientWriter moves the deadline with every piece of an answer.
type patientWriter struct {
	http.ResponseWriter
	rc    *http.ResponseController
	stall time.Duration
}

// Unwrap is for http.ResponseController.
func (w *patientWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *patientWriter) extend() {
	_ = w.rc.SetWriteDeadline(time.Now().Add(w.stall)) // not every connection has deadlines
}

func (w *patientWriter) Write(p []byte) (int, error) {
	w.extend()
	return w.ResponseWriter.Write(p)
}

// piece is what a client must take within the deadline: 68 kB/s.
const piece = 4 << 20

// ReadFrom sends a file in pieces. Each goes down as one limited reader over
// the file itself, the form in which net finds sendfile.
func (w *patientWriter) ReadFrom(src io.Reader) (total int64, err error) {
	lr, ok := src.(*io.LimitedReader)
	if !ok {
		lr = &io.LimitedReader{R: src, N: 1<<63 - 1}
	}
	for lr.N > 0 && err == nil {
		w.extend()
		var n int64
		want := min(lr.N, piece)
		n, err = io.CopyN(w.ResponseWriter, lr.R, want)
		total += n
		lr.N -= n
	}
	if err == io.EOF { //nolint:errorlint // CopyN's own, as it is
		err = nil
	}
	return total, err
}
