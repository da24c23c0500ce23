package pki

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"os"
	"sync"
	"time"
)

// ServingConfig says which certificate a server presents.
type ServingConfig struct {
	// Files are of a pair that somebody else looks after; without them the
	// server's authority, which is in the folder tls of Root, issues one.
	Files Files
	Root  *os.Root
	// Names are what an issued certificate must be valid for, besides those of
	// this machine.
	Names Names
	// Suffixes end the names for which a certificate is issued when a client
	// asks for one (see [ParseSuffixes]).
	Suffixes []string
	// Hosts are the names by which clients are known to come, for the warnings
	// of a pair that was made elsewhere.
	Hosts []string
	// Ahead, unless nil, has certificates that are presented before any other.
	Ahead Source
	Log   *slog.Logger
}

// Source has certificates of its own, for some of the names that clients ask for.
type Source interface {
	// Certificate is one for a handshake, or nil.
	Certificate(hello *tls.ClientHelloInfo) *tls.Certificate
	// Protocols are those of TLS that it takes part in, beside HTTP's (RFC 7301).
	Protocols() []string
}

// Serving is the TLS of a server. It is safe for concurrent use.
type Serving struct {
	cfg      ServingConfig
	keeper   Keeper
	onDemand onDemand

	issuing  sync.Mutex // held while a certificate is issued
	names    Names      // that it must have
	suffixes []string
}

// Serve loads the pair of the files, or makes sure of a certificate of the
// server's own authority. Why clients will refuse one that was made elsewhere is
// logged, and it is served all the same: whoever made it may know that clients
// have its authority.
func Serve(cfg ServingConfig) (*Serving, error) {
	s := &Serving{cfg: cfg}
	if err := s.Reload(cfg.Names, cfg.Suffixes); err != nil {
		return nil, err
	}
	if s.elsewhere() {
		return s, s.warn(time.Now())
	}
	return s, nil
}

// elsewhere says that somebody else looks after the certificate.
func (s *Serving) elsewhere() bool { return s.cfg.Files.Cert != "" }

// Config is how the server speaks TLS.
func (s *Serving) Config() *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: s.get}
	if s.cfg.Ahead != nil {
		c.NextProtos = append([]string{"h2", "http/1.1"}, s.cfg.Ahead.Protocols()...)
	}
	return c
}

// get is the certificate for a handshake.
func (s *Serving) get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if s.cfg.Ahead != nil {
		if leaf := s.cfg.Ahead.Certificate(hello); leaf != nil {
			return leaf, nil
		}
	}
	usual, err := s.keeper.Get(hello)
	if err != nil || s.elsewhere() {
		return usual, err
	}
	own, err := s.onDemand.get(hello, usual, time.Now())
	if own != nil || err != nil {
		return own, err
	}
	return usual, nil
}

// Reload presents what the files hold now, or a certificate that is valid for
// the names, and others for names with the suffixes. After an error what was
// presented stays.
func (s *Serving) Reload(names Names, suffixes []string) error {
	if s.elsewhere() {
		return s.keeper.Load(s.cfg.Files)
	}
	s.issuing.Lock()
	s.names, s.suffixes = names.WithLocal(), suffixes
	s.issuing.Unlock()
	return s.ensure()
}

// Keep keeps the certificate fresh until ctx ends: it follows the files, or
// issues a new one before the old expires.
func (s *Serving) Keep(ctx context.Context) {
	if s.elsewhere() {
		s.keeper.Watch(ctx, s.cfg.Files, 5*time.Second, s.cfg.Log)
		return
	}
	tick := time.NewTicker(12 * time.Hour)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := s.ensure(); err != nil {
				s.cfg.Log.ErrorContext(ctx, "the certificate could not be renewed", "error", err)
			}
		case <-ctx.Done():
			return
		}
	}
}

// ensure issues a certificate when there is none, its names have changed, or it
// will expire, and presents what the folder has.
func (s *Serving) ensure() error {
	s.issuing.Lock()
	defer s.issuing.Unlock()
	dir, err := s.cfg.Root.OpenRoot("tls")
	if err != nil {
		return err
	}
	defer func() { _ = dir.Close() }()
	e, err := Ensure(dir, s.names, time.Now())
	if err != nil {
		return err
	}
	if e.Issue {
		s.cfg.Log.Info("issued a server certificate", "reason", e.Reason, "names", NamesOf(e.Server.Cert),
			"until", e.Server.Cert.NotAfter.Format(time.DateOnly))
	}
	if err := s.keeper.Set(e.Server); err != nil {
		return err
	}
	s.onDemand.reset(e.Authority, s.suffixes)
	return nil
}

// warn says why clients will refuse a certificate that was made elsewhere.
func (s *Serving) warn(now time.Time) error {
	pair, err := s.cfg.Files.read()
	if err != nil {
		return err
	}
	chain, err := ParseCertificates(pair.CertPEM)
	if err != nil {
		return err
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = nil // then the chain is not looked at
	}
	hosts := s.cfg.Hosts
	if len(hosts) == 0 {
		hosts = []string{""}
	}
	told := map[string]bool{}
	for _, host := range hosts {
		for _, f := range Explain(Case{Chain: chain, Host: host, Registry: host, Roots: roots, Now: now}) {
			if !told[f.Problem] {
				told[f.Problem] = true
				s.cfg.Log.Warn("clients will refuse the certificate", "certificate", s.cfg.Files.Cert,
					"problem", f.Problem, "clients_say", f.Clients, "fix", f.Fix, "names", f.Issue)
			}
		}
	}
	return nil
}
