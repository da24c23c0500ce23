package server

import (
	"time"

	"cove/distribution"
	"cove/registry/auth"
	"cove/registry/pki"
	"cove/registry/web"
	"cove/registry/web/session"
)

// pages builds the pages over the state and the registry as it is served.
func (s *Server) pages(served distribution.Registry, login *auth.Login) (*web.Pages, error) {
	cfg := web.Config{
		DB: s.state.db, Registry: served, Judge: s.cfg.judge(), Login: login,
		Accounts: s.state.services.Accounts, Projects: s.state.services.Projects, Audit: s.state.services.Audit,
		Sessions: session.New(session.Config{
			DB: s.state.db, Idle: s.cfg.Sessions.Idle.Or(0), Life: s.cfg.Sessions.Life.Or(0),
		}),
		Log: s.log, ExternalURL: s.cfg.ExternalURL, Now: time.Now,
	}
	if !s.cfg.TLS.Off && s.cfg.TLS.Certificate == "" {
		cfg.CA = s.authority
	}
	return web.New(cfg)
}

// authority is the certificate of the registry's own authority, in PEM.
func (s *Server) authority() ([]byte, error) {
	return s.state.root.ReadFile("tls/" + pki.AuthorityCert)
}
