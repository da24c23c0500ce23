package server

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"cove/distribution"
	"cove/distribution/client"
	"cove/distribution/filter"
	protocol "cove/distribution/server"
	"cove/registry/accounts"
	"cove/registry/audit"
	"cove/registry/audit/forward"
	"cove/registry/auth"
	"cove/registry/edge"
	"cove/registry/former"
	"cove/registry/identity/ldap"
	"cove/registry/immutable"
	"cove/registry/jobs"
	"cove/registry/observe"
	"cove/registry/pki"
	"cove/registry/pki/acme"
	"cove/registry/policies"
	"cove/registry/proxy"
	"cove/registry/replication"
	"cove/registry/scan"
	"cove/registry/seal"
	"cove/registry/server/config"
	"cove/registry/server/listening"
	"cove/registry/server/live"
	"cove/registry/server/welcome"
	"cove/registry/span"
	"cove/registry/span/otlp"
	"cove/registry/store"
	"cove/registry/store/change"
	"cove/registry/store/servers"
	"cove/registry/uploads"
	"cove/registry/web"
	"cove/registry/webhook"
)

// serviceName is the audience of tokens, and userAgent how other registries know this
// one.
const (
	serviceName = "cove-registry"
	userAgent   = serviceName
)

// Server is a registry that is ready to serve.
type Server struct {
	cfg   config.Config
	log   *slog.Logger
	state *state

	registry *store.Registry
	upstream *proxy.Proxies
	recorder *audit.Recorder
	// forwarder gives the audit log to receivers outside.
	forwarder *forward.Forwarder
	policies  *policies.Policies
	login     *auth.Login
	live      *live.Settings
	handler   http.Handler  // by the settings as they are
	tls       *pki.Serving  // nil without TLS
	acme      *acme.Manager // nil unless another authority issues
	tracer    otlp.Tracer   // nil without one
	listener  net.Listener
	redirect  net.Listener // nil without one

	hup    <-chan os.Signal // nil without ReloadOn
	reread func() (config.Config, error)

	// AdminPassword is set when this start made the first account and its
	// password; show it once.
	AdminPassword string
	draining      chan struct{}
	// leave tells the other servers that this one ends; nil where there are none.
	leave func(context.Context) error
}

// New opens the registry's root, makes what a first start makes, and listens.
// Log lines go to stderr as the configuration says.
func New(ctx context.Context, cfg config.Config) (_ *Server, err error) {
	if err := cfg.Complete(); err != nil {
		return nil, err
	}
	settings, err := live.New(cfg)
	if err != nil {
		return nil, err
	}
	handler, err := cfg.Log.Handler(os.Stderr, settings.Level())
	if err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, live: settings, log: slog.New(handler), draining: make(chan struct{})}
	if s.state, err = openState(ctx, cfg); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.closeListeners(), s.state.close(s.state.clean))
		}
	}()
	if s.AdminPassword, err = s.state.firstStart(ctx); err != nil {
		return nil, err
	}
	if s.tracer, err = otlp.New(ctx, serviceName, s.log); err != nil {
		return nil, err
	}
	if err := s.assemble(ctx); err != nil {
		return nil, err
	}
	if err := errors.Join(s.setupTLS(), s.forward()); err != nil {
		return nil, err
	}
	if err := jobs.Keep(ctx, s.state.db, schedules()...); err != nil {
		return nil, err
	}
	if err := s.listen(ctx); err != nil || cfg.Database == "" {
		return s, err
	}
	s.leave, err = servers.Join(ctx, s.state.db)
	return s, err
}

// assemble builds the handlers over the state.
func (s *Server) assemble(ctx context.Context) error {
	tokens := auth.NewTokens(serviceName, s.state.keys, s.state.db.Now)
	login := auth.NewLogin(s.state.db, s.state.hasher, s.state.db.Now)
	directory, err := s.directory(s.cfg)
	if err != nil {
		return err
	}
	login.Ask(directory)
	login.Trust(s.state.services.Trust)
	login.Accounts = s.state.services.Robots.Account
	s.listenTo(login)
	s.login = login
	authorizer := auth.New(auth.Config{
		DB: s.state.db, Tokens: tokens,
		Login:       login,
		Judge:       s.cfg.Judge(),
		ExternalURL: s.cfg.ExternalURL,
	})
	s.registry, err = store.New(ctx, store.Config{
		Store: s.state.storage.Bytes, DB: s.state.db, Rights: authorizer, Log: s.log, Records: s.state.storage.Records,
		KeepTag: immutable.Guard, Tell: change.Both(replication.Stored, change.Both(webhook.Stored, scan.Stored)),
		Lives: s.live.Lives(), Now: s.state.db.Now,
	}, s.state.clean)
	if err != nil {
		return err
	}
	served := uploads.Limited(s.registry, s.state.db, func() int { return s.live.Limits().Uploads })
	served = filter.ReadOnlyWhile(served, s.live.ReadOnly)
	s.upstream = proxy.New(proxy.Config{
		DB: s.state.db, Box: seal.In(s.state.root), Log: s.log, Spool: s.cfg.Root, Now: s.state.db.Now,
		Client: client.Config{UserAgent: userAgent}, Outbound: s.cfg.Outbound.Policy(),
	})
	s.state.services.Proxies.Tell(s.upstream)
	served = s.upstream.Registry(served)
	s.policies = policies.New(s.policyConfig(served, authorizer.Names().Clear))
	s.handler = s.live
	w := whole{served, authorizer, login, webhook.NewRefusals(s.state.db), s.registration(), s.metrics()}
	return s.live.Serve(func(cfg config.Config, trusted edge.Proxies) (http.Handler, error) {
		answers, err := s.answers(cfg, w)
		if err != nil {
			return nil, err
		}
		timed := edge.Deadlines(cfg.CORS.Handler(answers), s.stall())
		return trusted.Handler(w.metrics.Requests(timed, s.log, cfg.Log.Access == nil || *cfg.Log.Access)), nil
	})
}

// whole is what stays while settings change.
type whole struct {
	served       distribution.Registry
	authorizer   *auth.Authorizer
	login        *auth.Login
	refusals     *webhook.Refusals
	registration *web.Registration // nil where there is none
	metrics      *observe.Metrics
}

// answers are those by the settings, within their limits.
func (s *Server) answers(cfg config.Config, w whole) (http.Handler, error) {
	endpoints, err := s.protocol(cfg, w)
	if err != nil {
		return nil, err
	}
	pages, err := s.pages(cfg, w)
	if err != nil {
		return nil, err
	}
	programs, facade, err := s.apis(cfg, w)
	if err != nil {
		return nil, err
	}
	shown := edges{pages, programs, facade}
	all := s.dispatch(former.Handler(proxy.Handler(endpoints)), s.routes(w.authorizer, w.metrics, shown), shown)
	requests := func() int { return s.live.Limits().Requests }
	return edge.LimitRequests(edge.LimitHeader(all, cfg.Limits.Set().Headers), requests, s.live.Trusts), nil
}

// metrics count what is answered, and watch the state.
func (s *Server) metrics() *observe.Metrics {
	m, services := observe.New(), s.state.services
	m.Watch(observe.State{
		Garbage: services.Garbage, Jobs: services.Policies.Jobs, Quotas: services.Policies.Quotas, Proxies: s.upstream,
		Log: s.log,
	})
	if s.tracer != nil {
		m.Trace(s.tracer)
	}
	return m
}

// protocol builds the handler of images over the registry as it is served: what may
// not be pulled is not counted as pulled.
func (s *Server) protocol(cfg config.Config, w whole) (http.Handler, error) {
	limits := cfg.Limits.Set()
	return protocol.New(protocol.Config{
		Registry: former.Registry(s.pulled(w.served), w.authorizer.Names()), Authorizer: w.authorizer,
		OnError: func(r *http.Request, status int, err error) {
			s.logError(r, status, errors.Join(err, w.refusals.Tell(r.Context(), err)))
		},
		ManifestLimit: int64(limits.Manifest), ManifestDepth: limits.Depth,
		NameLimit: limits.Name, PageSize: limits.Page,
		OnDamaged: s.registry.Damaged, Locate: locate(cfg.Storage, s.registry),
	})
}

// pulled is the registry as it is pulled from.
func (s *Server) pulled(served distribution.Registry) distribution.Registry {
	return s.policies.Scans.Beside(served, s.recorder.Pulls(filter.Guarded(served, s.policies.Guards()...)))
}

// directory checks the passwords of people who have none here; nil where there is none.
func (s *Server) directory(cfg config.Config) (auth.Directory, error) {
	if cfg.LDAP == nil {
		return nil, nil
	}
	people, err := ldap.New(*cfg.LDAP)
	return accounts.Directory{People: people, Accounts: s.state.services.Accounts}, err
}

// listenTo has sign-ins and pulls recorded, and webhooks hear of pulls.
func (s *Server) listenTo(login *auth.Login) {
	s.recorder = audit.NewRecorder(s.state.db, s.log, s.state.db.Now)
	s.recorder.Tell(webhook.Pulled)
	s.state.db.OnNear(webhook.NearQuota)
	login.Tell(s.recorder)
}

// forward opens the receivers of the audit log.
func (s *Server) forward() (err error) {
	s.forwarder, err = forward.New(forward.Config{
		DB: s.state.db, Receivers: s.cfg.Audit.Forward, Host: s.cfg.Host(), Outbound: s.cfg.Outbound.Policy(),
		Log: s.log,
	})
	return err
}

// logError keeps the reason of what clients see as a 5xx.
func (s *Server) logError(r *http.Request, status int, err error) {
	level := slog.LevelDebug
	if status >= http.StatusInternalServerError && !errors.Is(err, context.Canceled) {
		level = slog.LevelError
	}
	s.log.LogAttrs(r.Context(), level, "refused", slog.String("method", r.Method), slog.String("path", r.URL.Path),
		slog.Int("status", status), slog.Any("error", err))
}

// Welcome is what an operator should read after a start.
func (s *Server) Welcome() string { return s.started().Text() }

func (s *Server) started() welcome.Start {
	return welcome.Start{
		Config: s.cfg, Address: s.Address(), AdminPassword: s.AdminPassword, Proxied: s.live.Proxied(),
	}
}

func (s *Server) setupTLS() (err error) {
	if !s.cfg.TLS.Off {
		s.tls, s.acme, err = s.cfg.Serving(s.state.root, s.log, userAgent)
	}
	return err
}

func (s *Server) listen(ctx context.Context) error {
	listeners, err := edge.Listen(ctx, s.cfg.Listen, s.cfg.Redirect)
	if err != nil {
		return err
	}
	s.listener, s.redirect = listeners[0], listeners[1]
	for _, l := range []*net.Listener{&s.listener, &s.redirect} {
		if *l != nil {
			*l = edge.LimitListener(*l, func() int { return s.live.Limits().Connections }, s.live.Trusts)
		}
	}
	if s.cfg.AddressFile != "" {
		return writeAddress(s.cfg.AddressFile, s.Address())
	}
	return nil
}

func (s *Server) closeListeners() error {
	var errs []error
	for _, l := range []net.Listener{s.listener, s.redirect} {
		if l != nil {
			errs = append(errs, l.Close())
		}
	}
	return errors.Join(errs...)
}

// Address is the HOST:PORT that is listened on.
func (s *Server) Address() string { return s.listener.Addr().String() }

// Run serves until ctx ends, then lets running requests finish and closes
// everything. It returns nil after a stop in order.
func (s *Server) Run(ctx context.Context) error {
	background, stopBackground := context.WithCancel(span.WithBeginner(context.WithoutCancel(ctx), s.tracer))
	var workers sync.WaitGroup
	workers.Go(func() {
		s.registry.CollectEvery(background, func() time.Duration { return s.live.Config().GC.Every() })
	})
	if s.tls != nil {
		workers.Go(func() { s.tls.Keep(background) })
	}
	if s.acme != nil {
		workers.Go(func() { s.acme.Keep(background) })
	}
	workers.Go(func() { s.reloads(background) })
	workers.Go(func() { s.recorder.Run(background) })
	workers.Go(func() { s.forwarder.Run(background) })
	workers.Go(func() { jobs.NewRunner(s.state.db, s.log, s.kinds()...).Run(background) })

	running := s.start()
	failed := make(chan error, len(running))
	for _, run := range running {
		go func() { failed <- run.Serve() }() // ends by Stop below
	}
	s.tellSystemd(daemon.SdNotifyReady)
	var err error
	select {
	case err = <-failed:
	case <-ctx.Done():
		s.log.Info("stopping: no new requests are taken, running ones may finish")
		close(s.draining)
		s.tellSystemd(daemon.SdNotifyStopping)
		listening.Stop(running, s.live.Config().Drain.Or(30*time.Second), s.log)
	}
	stopBackground()
	workers.Wait()
	s.upstream.Close()
	if err == nil && s.leave != nil {
		err = s.leave(context.WithoutCancel(ctx))
	}
	otlp.End(s.tracer, s.log)
	return errors.Join(err, s.state.close(err == nil))
}

func (s *Server) start() []listening.Server {
	limits := listening.Limits{Stall: s.stall(), Headers: s.cfg.Limits.Set().Headers}
	main := limits.HTTP(s.handler, s.log)
	if s.tls != nil {
		main.TLSConfig = s.tls.Config()
	}
	all := []listening.Server{listening.On(s.listener, main)}
	if s.redirect != nil {
		answers := s.redirectHandler()
		if s.acme != nil {
			answers = s.acme.Challenges(answers)
		}
		plain := limits.HTTP(edge.Deadlines(answers, s.stall()), s.log)
		all = append(all, listening.On(s.redirect, plain))
	}
	return all
}

// tellSystemd says how the service is doing, if systemd started it (sd_notify(3)).
func (s *Server) tellSystemd(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		s.log.Warn("systemd was not told", "error", err)
	}
}

// stall is how long a client may send or take nothing.
func (s *Server) stall() time.Duration { return s.cfg.Limits.Stall.Or(30 * time.Second) }

// ReloadOn has Run take the certificates again with every signal, and those settings
// that need no restart; read gives the configuration as it is then. Call it before Run.
func (s *Server) ReloadOn(signals <-chan os.Signal, read func() (config.Config, error)) {
	s.hup, s.reread = signals, read
}

func (s *Server) reloads(ctx context.Context) {
	for {
		select {
		case <-s.hup:
		case <-ctx.Done():
			return
		}
		// Type=notify-reload has systemd wait for the end of what begins here.
		s.tellSystemd(daemon.SdNotifyReloading + "\n" + daemon.SdNotifyMonotonicUsec())
		if changed, err := s.reload(); err != nil {
			s.log.ErrorContext(ctx, "nothing is reloaded; what was in use stays", "error", err)
		} else {
			s.log.InfoContext(ctx, "reloaded the certificate and the settings", "changed", changed.Taken)
			if len(changed.Waiting) > 0 {
				s.log.WarnContext(ctx, "settings that changed wait for a restart", "settings", changed.Waiting)
			}
		}
		s.tellSystemd(daemon.SdNotifyReady)
	}
}

func (s *Server) reload() (config.Reload, error) {
	cfg, err := s.reread()
	if err == nil {
		err = cfg.Complete()
	}
	if err != nil {
		return config.Reload{}, err
	}
	directory, err := s.directory(cfg)
	if err != nil {
		return config.Reload{}, err
	}
	changed, err := s.live.Take(cfg, func() error {
		if s.tls == nil {
			return nil
		}
		return cfg.ReloadTLS(s.tls, s.acme)
	})
	if err == nil && changed.Took("ldap") {
		s.login.Ask(directory)
	}
	return changed, err
}
