// Package client speaks the client's side of the OCI Distribution protocol.
//
// It pulls from and pushes to any registry: with credentials and certificates
// where docker keeps them, from mirrors first where some are configured, over
// plain HTTP only where that was asked for by name. Transfers resume after a
// cut; package distribution/copy says what is transferred, and in which order. It stands on
// go-containerregistry's transport for tokens; no other package of cove may.
//
// What it reads it does not hash: blobs are verified once, by the Commit of
// the content store they go to. Manifests are verified here.
package client

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"cove/distribution/client/credentials"
	"cove/distribution/client/hosts"
	"cove/distribution/client/retry"
	"cove/distribution/client/spans"
	"cove/distribution/client/whereabouts"
	"cove/distribution/client/wire"
)

// Config is how a client reaches registries. The zero value is a client
// without credentials, with the system's certificates and docker's certs.d.
type Config struct {
	// Keychain finds credentials; nil is anonymous. credentials.Open makes one
	// from docker's and podman's files.
	Keychain credentials.Keychain
	// CertsDirs are searched for HOST[:PORT]/{*.crt,*.cert,*.key}, in order; nil is hosts.DefaultCertsDirs.
	CertsDirs []string
	// Authorities are certificates in PEM form to trust beside those: of a registry whose settings have them.
	Authorities []byte
	// Insecure lists the registries that may be spoken to over plain HTTP or
	// with a certificate nobody vouches for: HOST, HOST:PORT, or a CIDR, each
	// with or without "http://". Plain HTTP to this machine itself (loopback)
	// is always allowed.
	Insecure []string
	// Mirrors are tried in order before the registry itself, for reading:
	// registry host ("docker.io") to base URLs ("https://mirror.example"). One
	// with http:// is spoken to so.
	Mirrors map[string][]string
	// UserAgent is sent with each request; "" is "cove".
	UserAgent string
	// Parallel is for how many transfers connections are kept; 0 is 4.
	Parallel int
	// RetryFor bounds how long one transfer goes on trying while the registry
	// is away; 0 is 60 s, negative is not at all.
	RetryFor time.Duration
	// Silence is how long a connection that is waited for may be silent before
	// it is taken for dead; 0 is three minutes, which is room for a registry
	// to commit a huge blob to a slow disk.
	Silence time.Duration
	// Answer bounds how long a small answer may take in all: a greeting, a
	// token, a manifest, a page of a list; 0 is a minute. A blob may take that
	// long and a second more for each kilobyte.
	Answer time.Duration
	// OnWarning, when set, hears each warning of a registry once, for whoever uses
	// it. It runs in the goroutine of the call and must not block for long.
	OnWarning func(host, text string)
	// OnRetry, when set, hears why something is tried again, once a request that takes
	// more than a moment of it, and for how long it is at most. Blobs tell their Progress.
	OnRetry func(err error, most time.Duration)
	// OnAnswer, when set, sees each answer as it arrives; it must leave the body alone.
	OnAnswer func(*http.Response)
	// Now and Sleep are the clock; nil is the real one.
	Now   func() time.Time
	Sleep func(ctx context.Context, d time.Duration) error
	// Dial opens connections; nil is the system's dialer.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
}

// Client talks to registries. It is safe for concurrent use and keeps
// connections and tokens between calls.
type Client struct {
	cfg     Config
	wire    *wire.Wire
	mirrors map[string][]hosts.Base
	slots   spans.Slots
	retry   retry.Policy
	blobs   whereabouts.Blobs
}

// New returns a client. The error is errdefs.ErrInvalid for a malformed Insecure or Mirrors entry.
func New(cfg Config) (*Client, error) {
	if cfg.CertsDirs == nil {
		cfg.CertsDirs = hosts.DefaultCertsDirs()
	}
	cfg.UserAgent = cmp.Or(cfg.UserAgent, "cove")
	cfg.Parallel = cmp.Or(cfg.Parallel, 4)
	cfg.RetryFor = cmp.Or(cfg.RetryFor, time.Minute)
	cfg.Silence = cmp.Or(cfg.Silence, 3*time.Minute)
	cfg.Answer = cmp.Or(cfg.Answer, time.Minute)
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Sleep == nil {
		cfg.Sleep = retry.Sleep
	}
	if cfg.Dial == nil {
		cfg.Dial = (&net.Dialer{Timeout: 30 * time.Second}).DialContext
	}
	c := &Client{
		cfg: cfg, mirrors: make(map[string][]hosts.Base), slots: spans.NewSlots(2 * cfg.Parallel),
		retry: retry.Policy{For: cfg.RetryFor, Now: cfg.Now, Sleep: cfg.Sleep, Tell: cfg.OnRetry},
	}
	var clear []string
	for host, list := range cfg.Mirrors {
		for _, raw := range list {
			b, err := hosts.MirrorOf(raw)
			if err != nil {
				return nil, fmt.Errorf("registry %s: %w", host, err)
			}
			c.mirrors[host] = append(c.mirrors[host], b)
			if b.Scheme == "http" {
				clear = append(clear, b.Addr)
			}
		}
	}
	var err error
	c.wire, err = wire.New(wire.Config{
		Keychain: cfg.Keychain, CertsDirs: cfg.CertsDirs, Insecure: cfg.Insecure, Clear: clear,
		UserAgent: cfg.UserAgent, Idle: 2 * cfg.Parallel, Silence: cfg.Silence, Answer: cfg.Answer, Now: cfg.Now,
		Dial: cfg.Dial, OnWarning: cfg.OnWarning, OnAnswer: cfg.OnAnswer, Authorities: cfg.Authorities,
	})
	return c, err
}

// Wire is how it reaches registries, for who asks more of them than the protocol has.
func (c *Client) Wire() *wire.Wire { return c.wire }

// Close gives up idle connections. Transfers under way are not touched.
func (c *Client) Close() error {
	c.wire.CloseIdle()
	return nil
}
