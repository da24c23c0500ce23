package server

import (
	"net/http"
	"net/url"

	"cove/errdefs"
	"cove/registry/api"
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
func (s *Server) pages(set config.Config, w whole) (*web.Pages, error) {
	cfg := web.Config{
		Config: page.Config{
			DB: s.state.db, Registry: w.served, Served: s.pulled(w.served), Judge: set.Judge(),
			Sessions: session.New(session.Config{
				DB: s.state.db, Idle: set.Sessions.Idle.Or(0), Life: set.Sessions.Life.Or(0),
			}),
			Log: s.log, ExternalURL: set.ExternalURL, Banner: set.Banner, Now: s.state.db.Now, Draining: s.draining,
		},
		Login: w.login, Registration: w.registration,
		Accounts: s.state.services.Accounts, Projects: s.state.services.Projects,
		Audit: s.state.services.Audit, Robots: s.state.services.Robots,
		Trust: s.state.services.Trust, Policies: s.policies,
		Proxies: work.Proxies{Service: s.state.services.Proxies, Live: s.upstream},
	}
	cfg.System = system.Config{
		Garbage: s.state.services.Garbage, Collecting: s.policies.Garbage, Jobs: s.policies.Jobs, Root: s.state.root,
		Postgres: set.Database != "", Settings: func() (string, error) { return s.live.Config().Shown() },
	}
	if set.TLS.Own() {
		cfg.CA = s.authority
	}
	if set.OIDC != nil {
		of := *set.OIDC
		of.Now = s.state.db.Now
		provider, err := oidc.New(of)
		if err != nil {
			return nil, err
		}
		cfg.Provider = provider
	}
	return web.New(cfg)
}

// registration lets strangers make accounts, if they may.
func (s *Server) registration() *web.Registration {
	how := s.cfg.Accounts.Registration
	if how == config.RegistrationClosed {
		return nil
	}
	return web.NewRegistration(how == config.RegistrationApproval, s.state.db.Now)
}

// apis builds the API, and the façade of Harbor's, over the state and the registry as it is
// served.
func (s *Server) apis(set config.Config, w whole) (*api.API, *harbor.Facade, error) {
	cfg := api.Config{
		DB: s.state.db, Registry: w.served, Judge: set.Judge(), Identify: w.authorizer.Identify,
		Accounts: s.state.services.Accounts, Projects: s.state.services.Projects, Audit: s.state.services.Audit,
		Robots: s.state.services.Robots, Trust: s.state.services.Trust,
		Policies: s.policies, Log: s.log,
		Proxies: s.state.services.Proxies, Upstreams: s.upstream, Origins: http.NewCrossOriginProtection(),
	}
	if u, err := url.Parse(set.ExternalURL); err == nil && u.Host != "" {
		if err := cfg.Origins.AddTrustedOrigin(u.Scheme + "://" + u.Host); err != nil {
			return nil, nil, errdefs.Errorf(errdefs.ErrInvalid, "external_url %q: %w", set.ExternalURL, err)
		}
	}
	return api.New(cfg), harbor.New(edge.Config{
		DB: cfg.DB, Registry: cfg.Registry, Judge: cfg.Judge, Identify: cfg.Identify,
		Accounts: cfg.Accounts, Projects: cfg.Projects, Robots: cfg.Robots, Audit: cfg.Audit, Policies: cfg.Policies,
		Proxies: cfg.Proxies, Log: cfg.Log, Origins: cfg.Origins,
		ExternalURL: set.ExternalURL, ReadOnly: set.ReadOnly != "",
		Banner: set.Banner, Authority: set.TLS.Own(), AuthMode: set.AuthMode(),
		SelfRegistration: set.Accounts.Registration != config.RegistrationClosed,
	}), nil
}

// authority is the certificate of the registry's own authority, in PEM.
func (s *Server) authority() ([]byte, error) {
	return s.state.root.ReadFile("tls/" + pki.AuthorityCert)
}
