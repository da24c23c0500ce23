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
	"cove/registry/server/live"
	"cove/registry/server/welcome"
	"cove/registry/span/otlp"
	"cove/registry/store"
	"cove/registry/store/change"
	"cove/registry/store/servers"
	"cove/registry/uploads"
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
	if s.state, err = openState(ctx, cfg, time.Now); err != nil {
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
	tokens := auth.NewTokens(serviceName, s.state.keys, time.Now)
	login := auth.NewLogin(s.state.db, s.state.hasher, time.Now)
	if s.cfg.LDAP != nil {
		people, err := ldap.New(*s.cfg.LDAP)
		if err != nil {
			return err
		}
		login.Ask(accounts.Directory{People: people, Accounts: s.state.services.Accounts})
	}
	login.Trust(s.state.services.Trust)
	s.listenTo(login)
	authorizer := auth.New(auth.Config{
		DB: s.state.db, Tokens: tokens,
		Login:       login,
		Judge:       s.cfg.Judge(),
		ExternalURL: s.cfg.ExternalURL,
	})
	var err error
	s.registry, err = store.New(ctx, store.Config{
		Store: s.state.storage.Bytes, DB: s.state.db, Rights: authorizer, Log: s.log, Records: s.state.storage.Records,
		KeepTag: immutable.Guard, Tell: change.Both(replication.Stored, change.Both(webhook.Stored, scan.Stored)),
		Lease: s.cfg.GC.Lease.Or(0), Grace: s.cfg.GC.Grace.Or(0), UploadLife: s.cfg.GC.Uploads.Or(0),
	}, s.state.clean)
	if err != nil {
		return err
	}
	served := uploads.Limited(s.registry, s.state.db, s.cfg.Limits.Set().Uploads)
	if s.cfg.ReadOnly != "" {
		served = filter.ReadOnly(served, "this registry is read-only: "+s.cfg.ReadOnly)
	}
	s.upstream = proxy.New(proxy.Config{
		DB: s.state.db, Box: seal.In(s.state.root), Log: s.log, Spool: s.cfg.Root,
		Client: client.Config{UserAgent: userAgent}, Outbound: s.cfg.Outbound.Policy(),
	})
	s.state.services.Proxies.Tell(s.upstream)
	served = s.upstream.Registry(served)
	s.policies = policies.New(s.policyConfig(served))
	endpoints, err := s.protocol(served, authorizer)
	if err != nil {
		return err
	}
	pages, err := s.pages(served, login)
	if err != nil {
		return err
	}
	programs, facade, err := s.apis(served, authorizer)
	if err != nil {
		return err
	}
	shown, m := edges{pages, programs, facade}, s.metrics()
	s.surround(s.dispatch(proxy.Handler(endpoints), s.routes(authorizer, m, shown), shown), m)
	return nil
}

// surround has answers asked within the limits, and as the settings say at the time.
func (s *Server) surround(answers http.Handler, m *observe.Metrics) {
	limits := s.cfg.Limits.Set()
	limited := edge.LimitRequests(edge.LimitHeader(answers, limits.Headers), limits.Requests, s.live.Trusts)
	s.handler = s.live
	s.live.Serve(func(cfg config.Config, trusted edge.Proxies) http.Handler {
		timed := edge.Deadlines(cfg.CORS.Handler(limited), s.stall())
		return trusted.Handler(m.Requests(timed, s.log, cfg.Log.Access == nil || *cfg.Log.Access))
	})
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
func (s *Server) protocol(served distribution.Registry, authorizer *auth.Authorizer) (http.Handler, error) {
	refusals, limits := webhook.NewRefusals(s.state.db), s.cfg.Limits.Set()
	return protocol.New(protocol.Config{
		Registry: s.pulled(served), Authorizer: authorizer,
		OnError: func(r *http.Request, status int, err error) {
			s.logError(r, status, errors.Join(err, refusals.Tell(r.Context(), err)))
		},
		ManifestLimit: int64(limits.Manifest), ManifestDepth: limits.Depth,
		NameLimit: limits.Name, PageSize: limits.Page,
		OnDamaged: s.registry.Damaged, Locate: locate(s.cfg.Storage, s.registry),
	})
}

// pulled is the registry as it is pulled from.
func (s *Server) pulled(served distribution.Registry) distribution.Registry {
	return s.policies.Scans.Beside(served, s.recorder.Pulls(filter.Guarded(served, s.policies.Guards()...)))
}

// listenTo has sign-ins and pulls recorded, and webhooks hear of pulls.
func (s *Server) listenTo(login *auth.Login) {
	s.recorder = audit.NewRecorder(s.state.db, s.log, time.Now)
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
			*l = edge.LimitListener(*l, s.cfg.Limits.Set().Connections, s.live.Trusts)
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
	background, stopBackground := context.WithCancel(context.WithoutCancel(ctx))
	var workers sync.WaitGroup
	workers.Go(func() { s.registry.CollectEvery(background, s.cfg.GC.Every()) })
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

	listening := s.start()
	failed := make(chan error, len(listening))
	for _, run := range listening {
		go func() { failed <- run.serve() }() // ends by Shutdown or Close below
	}
	s.tellSystemd(daemon.SdNotifyReady)
	var err error
	select {
	case err = <-failed:
	case <-ctx.Done():
		s.log.Info("stopping: no new requests are taken, running ones may finish")
		err = s.drain(listening)
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

// running is an http.Server with its way of serving.
type running struct {
	*http.Server
	serve func() error
}

func (s *Server) start() []running {
	main := s.httpServer(s.handler)
	serve := func() error { return main.Serve(s.listener) }
	if s.tls != nil {
		main.TLSConfig = s.tls.Config()
		serve = func() error { return main.ServeTLS(s.listener, "", "") }
	}
	all := []running{{main, serve}}
	if s.redirect != nil {
		answers := s.redirectHandler()
		if s.acme != nil {
			answers = s.acme.Challenges(answers)
		}
		plain := s.httpServer(edge.Deadlines(answers, s.stall()))
		all = append(all, running{plain, func() error { return plain.Serve(s.redirect) }})
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

// httpServer is a server that no client holds for long by doing nothing:
// whatever state a connection is in, it is gone after twice the stall.
func (s *Server) httpServer(h http.Handler) *http.Server {
	stall := s.stall()
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: min(10*time.Second, stall), // of a TLS handshake too
		IdleTimeout:       stall,
		MaxHeaderBytes:    2 * s.cfg.Limits.Set().Headers, // what is less is refused with a reason
		// net/http answers "OPTIONS *" past the handler, and waits for its body for ever.
		DisableGeneralOptionsHandler: true,
		HTTP2: &http.HTTP2Config{
			WriteByteTimeout: stall, SendPingTimeout: stall / 2, PingTimeout: stall / 2,
			MaxConcurrentStreams: 100,
		},
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug), // handshakes that strangers broke off
	}
}

// drain stops taking requests and waits for the running ones.
func (s *Server) drain(listening []running) error {
	close(s.draining)
	s.tellSystemd(daemon.SdNotifyStopping)
	ctx, cancel := context.WithTimeout(context.Background(), s.live.Config().Drain.Or(30*time.Second))
	defer cancel()
	for _, run := range listening {
		if err := run.Shutdown(ctx); err != nil {
			s.log.Warn("requests were still running and are cut off", "error", err)
			_ = run.Close() // they end with their connections
		}
	}
	return nil
}

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
	if err == nil && s.tls != nil {
		err = cfg.ReloadTLS(s.tls, s.acme)
	}
	if err != nil {
		return config.Reload{}, err
	}
	return s.live.Take(cfg)
}
