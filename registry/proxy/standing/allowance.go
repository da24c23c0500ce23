package standing

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Allowance is how much a registry lets us ask within a time, in its own units: Docker Hub
// counts GETs of manifests.
type Allowance struct {
	// Remaining of Limit are left. Limit is 0 where the registry said only what is left.
	Remaining, Limit int64
	// Window is the time that the limit is for; 0 is not told.
	Window time.Duration
	// At is when it was told; zero is never.
	At time.Time
}

// Heard keeps what an answer says of an allowance, in the headers that Docker Hub has and
// that the IETF drafted (RateLimit-Remaining, as "76;w=21600"). What is elsewhere than the
// registry's own paths, as a token service or a store of blobs, counts for itself.
func (s *Standing) Heard(now time.Time, r *http.Response) {
	if r.Request == nil || !strings.HasPrefix(r.Request.URL.Path, "/v2/") {
		return
	}
	left, window, ok := quota(r.Header.Get("RateLimit-Remaining"))
	if !ok {
		return
	}
	limit, of, _ := quota(r.Header.Get("RateLimit-Limit"))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.allowance = Allowance{Remaining: left, Limit: limit, Window: max(window, of), At: now}
}

// maxWindow bounds what is believed of a window: a year.
const maxWindow = 365 * 24 * 60 * 60

// quota reads "76;w=21600": a number, and the seconds that it is for.
func quota(text string) (n int64, window time.Duration, ok bool) {
	number, params, _ := strings.Cut(text, ";")
	n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
	if err != nil || n < 0 {
		return 0, 0, false
	}
	for param := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(param), "=")
		seconds, err := strconv.ParseInt(value, 10, 64)
		if err == nil && name == "w" && seconds > 0 && seconds <= maxWindow {
			window = time.Duration(seconds) * time.Second
		}
	}
	return n, window, true
}

// Summary is how the upstreams of all proxies stand, and what was asked of them.
type Summary struct {
	// Asked are upstreams that are asked, Resting those that are left alone for a while
	// because they were down, or said so.
	Asked, Resting int
	// Hits were here, Misses came from an upstream, and Stale were here and may have
	// been out of date.
	Hits, Misses, Stale int64
	// Passed are blobs that came and were not kept, as a project had no room for them.
	Passed int64
	// Allowances are those that upstreams told of, by their hosts.
	Allowances map[string]Allowance
}

// Allow adds an allowance. Of two accounts at one host the one is kept that has less left.
func (s *Summary) Allow(host string, a Allowance) {
	if a.At.IsZero() {
		return
	}
	if other, there := s.Allowances[host]; there && other.Remaining <= a.Remaining {
		return
	}
	if s.Allowances == nil {
		s.Allowances = map[string]Allowance{}
	}
	s.Allowances[host] = a
}
