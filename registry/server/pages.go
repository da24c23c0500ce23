package server

import (
	"net/http"
	"net/url"
	"time"

	"cove/distribution"
	"cove/errdefs"
	"cove/registry/api"
	"cove/registry/auth"
	"cove/registry/harbor"
	"cove/registry/harbor/edge"
	"cove/registry/identity/oidc"
	"cove/registry/pki"
	"cove/registry/server/config"
	"cove/registry/web"
	"cove/registry/web/page"
	"cove/registry/web/session"
	"cove/registry/web/system"
	"cove/registry/web/work"
)

// pages builds the pages over the state and the registry as it is served.
func (s *Server) pages(served distribution.Registry, login *auth.Login) (*web.Pages, error) {
	cfg := web.Config{
		Config: page.Config{
			DB: s.state.db, Registry: served, Served: s.pulled(served), Judge: s.cfg.Judge(),
			Sessions: session.New(session.Config{
				DB: s.state.db, Idle: s.cfg.Sessions.Idle.Or(0), Life: s.cfg.Sessions.Life.Or(0),
			}),
			Log: s.log, ExternalURL: s.cfg.ExternalURL, Now: time.Now, Draining: s.draining,
		},
		Login: login, Accounts: s.state.services.Accounts, Projects: s.state.services.Projects,
		Audit: s.state.services.Audit, Robots: s.state.services.Robots,
		Trust: s.state.services.Trust, Policies: s.policies,
		Proxies: work.Proxies{Service: s.state.services.Proxies, Live: s.upstream},
	}
	cfg.System = system.Config{
		Garbage: s.state.services.Garbage, Jobs: s.policies.Jobs, Root: s.state.root,
		Postgres: s.cfg.Database != "", Settings: func() (string, error) { return s.live.Config().Shown() },
	}
	if s.cfg.TLS.Own() {
		cfg.CA = s.authority
	}
	if how := s.cfg.Accounts.Registration; how != config.RegistrationClosed {
		cfg.Registration = web.NewRegistration(how == config.RegistrationApproval, time.Now)
	}
	if s.cfg.OIDC != nil {
		provider, err := oidc.New(*s.cfg.OIDC)
		if err != nil {
			return nil, err
		}
		cfg.Provider = provider
	}
	return web.New(cfg)
}

// apis builds the API, and the façade of Harbor's, over the state and the registry as it is
// served.
func (s *Server) apis(served distribution.Registry, authorizer *auth.Authorizer) (*api.API, *harbor.Facade, error) {
	cfg := api.Config{
		DB: s.state.db, Registry: served, Judge: s.cfg.Judge(), Identify: authorizer.Identify,
		Accounts: s.state.services.Accounts, Projects: s.state.services.Projects, Audit: s.state.services.Audit,
		Robots: s.state.services.Robots, Trust: s.state.services.Trust,
		Policies: s.policies, Log: s.log,
		Proxies: s.state.services.Proxies, Upstreams: s.upstream, Origins: http.NewCrossOriginProtection(),
	}
	if u, err := url.Parse(s.cfg.ExternalURL); err == nil && u.Host != "" {
		if err := cfg.Origins.AddTrustedOrigin(u.Scheme + "://" + u.Host); err != nil {
			return nil, nil, errdefs.Errorf(errdefs.ErrInvalid, "external_url %q: %w", s.cfg.ExternalURL, err)
		}
	}
	return api.New(cfg), harbor.New(edge.Config{
		DB: cfg.DB, Registry: cfg.Registry, Judge: cfg.Judge, Identify: cfg.Identify,
		Accounts: cfg.Accounts, Projects: cfg.Projects, Robots: cfg.Robots, Audit: cfg.Audit, Policies: cfg.Policies,
		Log: cfg.Log, Origins: cfg.Origins, ExternalURL: s.cfg.ExternalURL, ReadOnly: s.cfg.ReadOnly != "",
		Authority: s.cfg.TLS.Own(), AuthMode: s.cfg.AuthMode(),
		SelfRegistration: s.cfg.Accounts.Registration != config.RegistrationClosed,
	}), nil
}

// authority is the certificate of the registry's own authority, in PEM.
func (s *Server) authority() ([]byte, error) {
	return s.state.root.ReadFile("tls/" + pki.AuthorityCert)
}
