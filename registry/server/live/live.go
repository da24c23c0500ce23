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
	"cove/registry/store/lives"
)

// Settings are those of a server, as they are now. They are safe for concurrent use.
type Settings struct {
	level slog.LevelVar
	now   atomic.Pointer[state]

	lives *lives.Current

	mu    sync.Mutex // of who changes them
	build func(config.Config, edge.Proxies) (http.Handler, error)
}

type state struct {
	cfg     config.Config
	trusted edge.Proxies
	handler http.Handler // nil before Serve
}

// New begins with a complete configuration. The error is errdefs.ErrInvalid.
func New(cfg config.Config) (*Settings, error) {
	s := &Settings{lives: lives.New(cfg.GC.Lives())}
	return s, s.set(cfg, nothing)
}

// nothing is what else takes settings, where nobody does.
func nothing() error { return nil }

// set takes settings, unless others cannot.
func (s *Settings) set(cfg config.Config, others func() error) error {
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
		if next.handler, err = s.build(cfg, trusted); err != nil {
			return err
		}
	}
	if err := others(); err != nil {
		return err
	}
	s.level.Set(level)
	s.lives.Set(cfg.GC.Lives())
	s.now.Store(next)
	return nil
}

// Take has the server serve by next, as far as that needs no restart. Requests under
// way end as they began. others take next too, before it does; it does not where they fail.
func (s *Settings) Take(next config.Config, others func() error) (config.Reload, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.now.Load().cfg.Reloaded(next)
	return r, s.set(r.Config, others)
}

// Serve has ServeHTTP ask what build makes of the settings, now and after each change.
// Settings of which it makes none are not taken.
func (s *Settings) Serve(build func(config.Config, edge.Proxies) (http.Handler, error)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.build = build
	return s.set(s.now.Load().cfg, nothing)
}

// ServeHTTP implements http.Handler, once Serve was called.
func (s *Settings) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.now.Load().handler.ServeHTTP(w, r)
}

// Config is what is served by.
func (s *Settings) Config() config.Config { return s.now.Load().cfg }

// Limits are those of clients, each with a value.
func (s *Settings) Limits() config.Limits { return s.now.Load().cfg.Limits.Set() }

// Lives say how long what nobody refers to stays.
func (s *Settings) Lives() *lives.Current { return s.lives }

// ReadOnly is why nothing may be changed; "" while it may.
func (s *Settings) ReadOnly() string {
	if why := s.now.Load().cfg.ReadOnly; why != "" {
		return "this registry is read-only: " + why
	}
	return ""
}

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
