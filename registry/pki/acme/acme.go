package acme

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/acme"

	"cove/internal/atomicfile"
	"cove/registry/pki"
)

// Options are what a manager needs beside its configuration.
type Options struct {
	Config
	// Root is the registry's; accounts and certificates lie in its folder tls/acme.
	Root  *os.Root
	Hosts []string
	// HTTP says that plain HTTP is served by [Manager.Challenges] at port 80 of the
	// hosts, as it reaches the authority: then it is asked for that way first.
	HTTP bool
	Log  *slog.Logger
	// Agent is how the authority knows the program.
	Agent string
}

// Manager gets certificates and presents them. It is safe for concurrent use.
type Manager struct {
	opts Options
	dir  string // of this authority, in Root
	kick chan struct{}

	mu     sync.RWMutex
	hosts  []string
	leaves map[string]*tls.Certificate
	proofs map[string]*tls.Certificate // for TLS-ALPN-01, by host
	pages  map[string]string           // for HTTP-01, by path
}

// New is a manager with what was kept of an earlier run. It asks nobody yet.
func New(opts Options) (*Manager, error) {
	if opts.Directory == "" {
		opts.Directory = LetsEncrypt
	}
	// Another authority's certificates are not this one's: a test authority's are of
	// no use once the real one is configured.
	sum := sha256.Sum256([]byte(opts.Directory))
	m := &Manager{
		opts: opts, dir: path.Join("tls", "acme", hex.EncodeToString(sum[:6])), kick: make(chan struct{}, 1),
		leaves: map[string]*tls.Certificate{}, proofs: map[string]*tls.Certificate{}, pages: map[string]string{},
	}
	if err := opts.Root.MkdirAll(m.dir, 0o700); err != nil {
		return nil, err
	}
	m.SetHosts(opts.Hosts)
	return m, nil
}

// SetHosts says for which names there is to be a certificate. One that is kept is
// presented at once.
func (m *Manager) SetHosts(hosts []string) {
	kept := map[string]*tls.Certificate{}
	for _, host := range hosts {
		if leaf, err := m.load(host); err == nil {
			kept[host] = leaf
		} else if !errors.Is(err, fs.ErrNotExist) {
			m.opts.Log.Warn("a certificate that was kept cannot be used; a new one is asked for", "host", host, "error", err)
		}
	}
	m.mu.Lock()
	m.hosts, m.leaves = slices.Clone(hosts), kept
	m.mu.Unlock()
	select {
	case m.kick <- struct{}{}:
	default: // it is awake
	}
}

// Protocols are what TLS-ALPN-01 comes by.
func (m *Manager) Protocols() []string { return []string{acme.ALPNProto} }

// Certificate is one for a handshake: the proof that an authority asks for, or a
// certificate of a host; nil where there is none.
func (m *Manager) Certificate(hello *tls.ClientHelloInfo) *tls.Certificate {
	host := strings.ToLower(strings.TrimSuffix(hello.ServerName, "."))
	m.mu.RLock()
	defer m.mu.RUnlock()
	if len(hello.SupportedProtos) == 1 && hello.SupportedProtos[0] == acme.ALPNProto {
		return m.proofs[host]
	}
	return m.leaves[host]
}

// Challenges answers what an authority asks by plain HTTP, and hands the rest on.
func (m *Manager) Challenges(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/.well-known/acme-challenge/") {
			next.ServeHTTP(w, r)
			return
		}
		m.mu.RLock()
		page, ok := m.pages[r.URL.Path]
		m.mu.RUnlock()
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/plain")
		_, _ = w.Write([]byte(page)) // the authority asks again
	})
}

// patience is how long it takes until what failed is tried again: an authority counts
// failures, and asks whoever has many to wait for an hour.
var patience = []time.Duration{10 * time.Second, time.Minute, 10 * time.Minute, time.Hour}

// Keep gets and renews certificates until ctx ends.
func (m *Manager) Keep(ctx context.Context) {
	failures, again := map[string]int{}, map[string]time.Time{}
	for {
		next := time.Now().Add(12 * time.Hour)
		for _, host := range m.wanted() {
			due := m.due(host)
			if not := again[host]; due.Before(not) {
				due = not
			}
			if !time.Now().Before(due) {
				due = m.renew(ctx, host, failures)
				again[host] = due
			}
			if due.Before(next) {
				next = due
			}
		}
		timer := time.NewTimer(time.Until(next))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-m.kick:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// renew gets a certificate and says when to look at the host again.
func (m *Manager) renew(ctx context.Context, host string, failures map[string]int) time.Time {
	err := m.obtain(ctx, host, failures[host])
	if err == nil {
		failures[host] = 0
		return m.due(host)
	}
	if ctx.Err() != nil {
		return time.Now()
	}
	wait := patience[min(failures[host], len(patience)-1)]
	var refused *acme.Error
	if errors.As(err, &refused) {
		if told, ok := acme.RateLimit(refused); ok && told > wait {
			wait = told
		}
	}
	failures[host]++
	m.opts.Log.ErrorContext(ctx, "there is no certificate from the authority; what was presented stays", "host", host,
		"authority", m.opts.Directory, "error", err, "again_in", wait)
	return time.Now().Add(wait)
}

func (m *Manager) wanted() []string {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.hosts
}

// due is when a host needs a new certificate: with a third of the old one's life left.
func (m *Manager) due(host string) time.Time {
	m.mu.RLock()
	leaf := m.leaves[host]
	m.mu.RUnlock()
	if leaf == nil {
		return time.Time{}
	}
	life := leaf.Leaf.NotAfter.Sub(leaf.Leaf.NotBefore)
	return leaf.Leaf.NotAfter.Add(-life / 3)
}

func (m *Manager) present(host string, leaf *tls.Certificate) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if slices.Contains(m.hosts, host) {
		m.leaves[host] = leaf
	}
}

// load reads a certificate that was kept: one file with the key and the chain, so
// that one rename replaces both.
func (m *Manager) load(host string) (*tls.Certificate, error) {
	text, err := m.opts.Root.ReadFile(m.file(host))
	if err != nil {
		return nil, err
	}
	leaf, err := tls.X509KeyPair(text, text)
	if err != nil {
		return nil, err
	}
	return &leaf, leaf.Leaf.VerifyHostname(host)
}

func (m *Manager) file(host string) string { return path.Join(m.dir, host+".pem") }

// keep writes a certificate with its key and presents it.
func (m *Manager) keep(host string, p *pki.Pair) error {
	text := slices.Concat(p.KeyPEM, p.CertPEM)
	if err := atomicfile.Write(m.opts.Root, m.file(host), text, 0o600, atomicfile.Durable); err != nil {
		return err
	}
	leaf, err := tls.X509KeyPair(text, text)
	if err == nil {
		m.present(host, &leaf)
	}
	return err
}
