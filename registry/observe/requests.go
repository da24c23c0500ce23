package observe

import (
	"io"
	"log/slog"
	"net/http"
	"time"
)

// Requests wraps next: it counts each request and, if lines says so, logs it in one
// line. Of the request it takes method, path and addresses only: queries and headers may hold secrets.
func (m *Metrics) Requests(next http.Handler, log *slog.Logger, lines bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		rec := &recorder{ResponseWriter: w}
		m.inFlight.Inc()
		done := func(int, int64) {}
		if m.trace != nil {
			r, done = m.trace.Begin(r)
		}
		// Deferred, because a handler that cuts an answer short panics.
		defer func() {
			m.inFlight.Dec()
			took := time.Since(start)
			m.observe(r.Method, rec.status(), took, rec.written)
			done(rec.status(), rec.written)
			if lines {
				log.LogAttrs(r.Context(), slog.LevelInfo, "request",
					slog.String("method", r.Method), slog.String("path", r.URL.Path), slog.Int("status", rec.status()),
					slog.Int64("bytes", rec.written), slog.Duration("took", took), slog.String("from", r.RemoteAddr),
					slog.String("agent", r.UserAgent()))
			}
		}()
		next.ServeHTTP(rec, r)
	})
}

// recorder notes the status and the length of an answer.
type recorder struct {
	http.ResponseWriter
	code    int
	written int64
}

func (r *recorder) status() int {
	if r.code == 0 {
		return http.StatusOK
	}
	return r.code
}

// Unwrap is for http.ResponseController.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

func (r *recorder) WriteHeader(code int) {
	if r.code == 0 && code >= http.StatusOK {
		r.code = code
	}
	r.ResponseWriter.WriteHeader(code)
}

func (r *recorder) Write(p []byte) (int, error) {
	n, err := r.ResponseWriter.Write(p)
	r.written += int64(n)
	return n, err
}

// ReadFrom keeps sendfile within reach: the response of plain HTTP/1 takes a
// file as it is.
func (r *recorder) ReadFrom(src io.Reader) (int64, error) {
	n, err := io.Copy(r.ResponseWriter, src)
	r.written += n
	return n, err
}
