package edge

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"cove/errdefs"
	"cove/internal/strictyaml"
)

// CORS says which pages of other origins may ask the registry from a browser
// (https://fetch.spec.whatwg.org/#http-cors-protocol).
type CORS struct {
	// Origins are SCHEME://HOST[:PORT], or "*" for all of them, which then come
	// without credentials.
	Origins []string `yaml:"origins"`
	// Credentials lets browsers send cookies and passwords that they keep.
	Credentials bool `yaml:"credentials"`
	// MaxAge is how long a browser may remember an answer; 0 is 10m.
	MaxAge strictyaml.Duration `yaml:"max_age"`
}

// Check refuses what cannot be.
func (c CORS) Check() error {
	invalid := func(format string, args ...any) error {
		return errdefs.Errorf(errdefs.ErrInvalid, "config: cors: "+format, args...)
	}
	for _, origin := range c.Origins {
		u, err := url.Parse(origin)
		switch {
		case origin == "*" && c.Credentials:
			return invalid("credentials go to origins that are named, not to *")
		case origin == "*":
		case err != nil, u.Scheme != "https" && u.Scheme != "http", u.Host == "",
			origin != strings.ToLower(u.Scheme+"://"+u.Host):
			return invalid("origins: %q is not https://HOST[:PORT], in small letters and without a path", origin)
		}
	}
	switch {
	case len(c.Origins) == 0 && (c.Credentials || c.MaxAge != 0):
		return invalid("there are no origins for its other settings")
	case c.MaxAge < 0:
		return invalid("max_age is %v; use a time as 10m", time.Duration(c.MaxAge))
	}
	return nil
}

// corsPath is whether programs ask there; pages are for browsers that came here.
func corsPath(path string) bool {
	return path == "/v2" || strings.HasPrefix(path, "/v2/") || path == "/token" || strings.HasPrefix(path, "/api/")
}

const (
	corsMethods = "GET, HEAD, POST, PUT, PATCH, DELETE"
	corsHeaders = "Accept, Authorization, Content-Range, Content-Type, If-Match, If-None-Match, Range"
	corsExposed = "Docker-Content-Digest, Docker-Distribution-Api-Version, Docker-Upload-Uuid, Etag, Link, Location, " +
		"OCI-Filters-Applied, OCI-Subject, OCI-Tag, Content-Range, Range, Retry-After, Warning, WWW-Authenticate, X-Total-Count"
)

// Handler answers preflights, and says of other answers who may read them. Without
// origins it is next.
func (c CORS) Handler(next http.Handler) http.Handler {
	if len(c.Origins) == 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !corsPath(r.URL.Path) {
			next.ServeHTTP(w, r)
			return
		}
		h := w.Header()
		h.Add("Vary", "Origin")
		allowed := c.allow(h, r.Header.Get("Origin"))
		if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
			if allowed {
				h.Set("Access-Control-Expose-Headers", corsExposed)
			}
			next.ServeHTTP(w, r)
			return
		}
		// A preflight has no credentials, and asks about the origin alone: who may do
		// what is asked of the request that follows.
		if allowed {
			h.Set("Access-Control-Allow-Methods", corsMethods)
			h.Set("Access-Control-Allow-Headers", corsHeaders)
			h.Set("Access-Control-Max-Age", strconv.Itoa(int(c.MaxAge.Or(10*time.Minute).Seconds())))
		}
		w.WriteHeader(http.StatusNoContent)
	})
}

// allow names the origin in an answer, if it may read it.
func (c CORS) allow(h http.Header, origin string) bool {
	switch {
	case origin == "":
		return false
	case slices.Contains(c.Origins, origin):
		h.Set("Access-Control-Allow-Origin", origin)
		if c.Credentials {
			h.Set("Access-Control-Allow-Credentials", "true")
		}
		return true
	case slices.Contains(c.Origins, "*"):
		h.Set("Access-Control-Allow-Origin", "*")
		return true
	}
	return false
}
