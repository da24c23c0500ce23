package server

import (
	"net/http"
	"net/url"
	"time"

	"cove/distribution"
	"cove/errdefs"
	"cove/registry/api"
	"cove/registry/auth"
	"cove/registry/identity/oidc"
	"cove/registry/pki"
	"cove/registry/policies"
	"cove/registry/web"
	"cove/registry/web/page"
	"cove/registry/web/session"
)

// pages builds the pages over the state and the registry as it is served.
func (s *Server) pages(served distribution.Registry, login *auth.Login) (*web.Pages, error) {
	s.policies = policies.New(s.policyConfig())
	cfg := web.Config{
		Config: page.Config{
			DB: s.state.db, Registry: served, Judge: s.cfg.Judge(),
			Sessions: session.New(session.Config{
				DB: s.state.db, Idle: s.cfg.Sessions.Idle.Or(0), Life: s.cfg.Sessions.Life.Or(0),
			}),
			Log: s.log, ExternalURL: s.cfg.ExternalURL, Now: time.Now,
		},
		Login: login, Accounts: s.state.services.Accounts, Projects: s.state.services.Projects,
		Audit: s.state.services.Audit, Robots: s.state.services.Robots,
		Policies: s.policies,
	}
	if !s.cfg.TLS.Off && s.cfg.TLS.Certificate == "" {
		cfg.CA = s.authority
	}
	if s.cfg.OIDC != nil {
		var err error
		if cfg.Provider, err = oidc.New(*s.cfg.OIDC); err != nil {
			return nil, err
		}
	}
	return web.New(cfg)
}

// api builds the API over the state and the registry as it is served.
func (s *Server) api(served distribution.Registry, authorizer *auth.Authorizer) (*api.API, error) {
	cfg := api.Config{
		DB: s.state.db, Registry: served, Judge: s.cfg.Judge(), Identify: authorizer.Identify,
		Accounts: s.state.services.Accounts, Projects: s.state.services.Projects, Audit: s.state.services.Audit,
		Robots:   s.state.services.Robots,
		Policies: s.policies, Log: s.log,
		Proxies: s.state.services.Proxies, Origins: http.NewCrossOriginProtection(),
	}
	if u, err := url.Parse(s.cfg.ExternalURL); err == nil && u.Host != "" {
		if err := cfg.Origins.AddTrustedOrigin(u.Scheme + "://" + u.Host); err != nil {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "external_url %q: %w", s.cfg.ExternalURL, err)
		}
	}
	return api.New(cfg), nil
}

// authority is the certificate of the registry's own authority, in PEM.
func (s *Server) authority() ([]byte, error) {
	return s.state.root.ReadFile("tls/" + pki.AuthorityCert)
}
