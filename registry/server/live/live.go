// Package live holds the settings of a server that change while it serves.
package live

import (
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"

	"cove/registry/edge"
	"cove/registry/server/config"
)

// Settings are those of a server, as they are now. They are safe for concurrent use.
type Settings struct {
	level slog.LevelVar
	now   atomic.Pointer[state]

	mu    sync.Mutex // of who changes them
	build func(config.Config, edge.Proxies) http.Handler
}

type state struct {
	cfg     config.Config
	trusted edge.Proxies
	handler http.Handler // nil before Serve
}

// New begins with a complete configuration. The error is errdefs.ErrInvalid.
func New(cfg config.Config) (*Settings, error) {
	s := &Settings{}
	return s, s.set(cfg)
}

func (s *Settings) set(cfg config.Config) error {
	trusted, err := edge.ParseProxies(cfg.TrustedProxies...)
	if err != nil {
		return err
	}
	level, err := cfg.Log.MinLevel()
	if err != nil {
		return err
	}
	next := &state{cfg: cfg, trusted: trusted}
	if s.build != nil {
		next.handler = s.build(cfg, trusted)
	}
	s.level.Set(level)
	s.now.Store(next)
	return nil
}

// Take has the server serve by next, as far as that needs no restart. Requests under
// way end as they began.
func (s *Settings) Take(next config.Config) (config.Reload, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.now.Load().cfg.Reloaded(next)
	return r, s.set(r.Config)
}

// Serve has ServeHTTP ask what build makes of the settings, now and after each change.
func (s *Settings) Serve(build func(config.Config, edge.Proxies) http.Handler) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.build = build
	next := *s.now.Load()
	next.handler = build(next.cfg, next.trusted)
	s.now.Store(&next)
}

// ServeHTTP implements http.Handler, once Serve was called.
func (s *Settings) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.now.Load().handler.ServeHTTP(w, r)
}

// Config is what is served by.
func (s *Settings) Config() config.Config { return s.now.Load().cfg }

// Level is what is logged.
func (s *Settings) Level() slog.Leveler { return &s.level }

// Proxied says that proxies are trusted.
func (s *Settings) Proxied() bool { return len(s.now.Load().trusted) > 0 }

// Trusts says that a proxy at this address is believed.
func (s *Settings) Trusts(addr netip.Addr) bool { return s.now.Load().trusted.Trusts(addr) }

// Behind has next see who asked, where a trusted proxy says it.
func (s *Settings) Behind(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.now.Load().trusted.Handler(next).ServeHTTP(w, r)
	})
}
