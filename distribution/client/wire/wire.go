// Package wire reaches one registry at a time: over HTTPS or, where that was
// asked for, plain HTTP; with its certificates from certs.d; with the tokens it
// wants; and with errors that name it and say what to do.
//
// It knows addresses, scopes and requests, and nothing of blobs or manifests:
// those are package client's. It stands on
// go-containerregistry's transport for the exchange of tokens.
package wire

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"cove/distribution/client/credentials"
	"cove/distribution/client/hosts"
	"cove/errdefs"
)

// Config is how registries are reached.
type Config struct {
	// Keychain finds credentials; nil is anonymous.
	Keychain credentials.Keychain
	// CertsDirs are searched for HOST[:PORT]/{*.crt,*.cert,*.key}.
	CertsDirs []string
	// Authorities are certificates in PEM form to trust at every host, beside the
	// system's and those of CertsDirs.
	Authorities []byte
	// Insecure lists HOST, HOST:PORT and CIDR that need no certificate anyone
	// vouches for, or none at all.
	Insecure []string
	// Clear lists HOST[:PORT] that may be spoken to over plain HTTP, as
	// Insecure ones and loopback may anyway.
	Clear     []string
	UserAgent string
	// Idle is how many idle connections are kept to each host.
	Idle int
	// Silence is how long a peer may be silent while it is waited for.
	Silence time.Duration
	// Answer bounds an exchange whose answer is small: a greeting, a token, a
	// manifest, a page of a list.
	Answer time.Duration
	// OnWarning, when set, hears each text of the Warning headers of a registry once.
	OnWarning func(host, text string)
	// OnAnswer, when set, sees each answer as it arrives. It must leave the body alone.
	OnAnswer func(*http.Response)
	Now      func() time.Time
	Dial     func(ctx context.Context, network, addr string) (net.Conn, error)
}

// Wire sends requests, each with the certificates and the rules of the host it
// goes to: a redirect, a token realm or an upload's Location elsewhere meets
// that host's, and never shows it this one's client certificate.
type Wire struct {
	cfg    Config
	policy *hosts.Policy

	mu     sync.Mutex
	byAddr map[string]*http.Transport
	peers  map[hosts.Base]*Peer
	home   map[string]bool // host names that answered at an address of this machine
	warned map[string]map[string]bool
}

// New returns a Wire. Every field of cfg but Keychain and those that hear of things has to be set; the error
// is errdefs.ErrInvalid for a malformed Insecure entry.
func New(cfg Config) (*Wire, error) {
	p, err := hosts.ParsePolicy(cfg.Insecure, cfg.Clear)
	if err != nil {
		return nil, err
	}
	return &Wire{
		cfg: cfg, policy: p, byAddr: make(map[string]*http.Transport), peers: make(map[hosts.Base]*Peer),
		home: make(map[string]bool), warned: make(map[string]map[string]bool),
	}, nil
}

// Peer returns the one Peer at b.
func (w *Wire) Peer(b hosts.Base) *Peer {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.peers[b]
	if p == nil {
		p = &Peer{w: w, Base: b, shaking: newTurn(), sessions: make(map[string]*session)}
		w.peers[b] = p
	}
	return p
}

// RoundTrip sends one request. go-containerregistry's transports and
// http.Client stand on top of it.
func (w *Wire) RoundTrip(req *http.Request) (*http.Response, error) {
	addr := req.URL.Host
	if (req.URL.Scheme != "https" && req.URL.Scheme != "http") || addr == "" {
		return nil, errdefs.Errorf(errdefs.ErrDenied, "refusing to be sent to %q: neither http nor https",
			req.URL.Redacted())
	}
	if req.URL.Scheme == "http" && !w.policy.Plain(addr) {
		return nil, errdefs.Suggest(errdefs.Errorf(errdefs.ErrDenied,
			"refusing to speak plain HTTP to %s", addr), errdefs.PlainHTTP, addr)
	}
	ctx, err := w.sentTo(req.Context(), req.URL)
	if err != nil {
		return nil, err
	}
	t, err := w.transport(addr)
	if err != nil {
		return nil, err
	}
	out := req.Clone(ctx)
	out.Header.Set("User-Agent", w.cfg.UserAgent)
	if via, ok := ctx.Value(viaKey{}).(string); ok {
		out.Header.Set("Via", via)
	}
	// go-containerregistry sends one request twice when its token was refused,
	// and by then the first attempt has eaten of the body.
	if req.GetBody != nil {
		if out.Body, err = req.GetBody(); err != nil {
			return nil, err
		}
	}
	resp, err := t.RoundTrip(out)
	if err == nil && w.cfg.OnAnswer != nil {
		w.cfg.OnAnswer(resp)
	}
	return resp, err
}

func (w *Wire) transport(addr string) (*http.Transport, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if t := w.byAddr[addr]; t != nil {
		return t, nil
	}
	conf, err := loadCerts(w.cfg.CertsDirs, certsName(addr))
	if err == nil && len(w.cfg.Authorities) > 0 {
		err = trust(conf, w.cfg.Authorities, "the authorities that were given")
	}
	if err != nil {
		return nil, fmt.Errorf("certificates of registry %s: %w", certsName(addr), err)
	}
	conf.InsecureSkipVerify = w.policy.Named(addr) //nolint:gosec // named by the user
	t := &http.Transport{
		Proxy:           http.ProxyFromEnvironment,
		DialContext:     w.dial,
		TLSClientConfig: conf,
		// HTTP/1.1 on purpose: blobs in parallel want connections of their
		// own, and HTTP/2's windows halve the speed of one.
		TLSNextProto:          map[string]func(string, *tls.Conn) http.RoundTripper{},
		TLSHandshakeTimeout:   20 * time.Second,
		ResponseHeaderTimeout: w.cfg.Silence,
		ExpectContinueTimeout: time.Second,
		IdleConnTimeout:       90 * time.Second,
		MaxIdleConnsPerHost:   w.cfg.Idle,
		DisableCompression:    true, // blobs are what they are
		ReadBufferSize:        64 << 10,
		WriteBufferSize:       64 << 10,
	}
	w.byAddr[addr] = t
	return t, nil
}

func (w *Wire) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := w.cfg.Dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	if err := w.checkHome(ctx, conn, addr); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return &patientConn{conn, w.cfg.Silence}, nil
}

// patientConn waits for its peer only so long. Any movement, in either
// direction, starts the wait anew: net/http reads ahead of an answer for as
// long as it sends the request.
type patientConn struct {
	net.Conn
	silence time.Duration
}

func (c *patientConn) Read(p []byte) (int, error) {
	if err := c.SetReadDeadline(time.Now().Add(c.silence)); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

func (c *patientConn) Write(p []byte) (int, error) {
	if err := c.SetDeadline(time.Now().Add(c.silence)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// CloseIdle gives up idle connections.
func (w *Wire) CloseIdle() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, t := range w.byAddr {
		t.CloseIdleConnections()
	}
}
