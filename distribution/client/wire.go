package client

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"cove/errdefs"
)

// wires sends requests, each with the certificates and the rules of the host
// it goes to: a redirect, a token realm or an upload's Location elsewhere
// meets that host's, and never shows it this one's client certificate.
type wires struct {
	cfg    Config
	policy policy

	mu     sync.Mutex
	byAddr map[string]*http.Transport
}

func newWires(cfg Config, p policy) *wires {
	return &wires{cfg: cfg, policy: p, byAddr: make(map[string]*http.Transport)}
}

// RoundTrip sends one request. go-containerregistry's transports and
// http.Client stand on top of it.
func (w *wires) RoundTrip(req *http.Request) (*http.Response, error) {
	addr := req.URL.Host
	if req.URL.Scheme != "https" && (req.URL.Scheme != "http" || !w.policy.plain(addr)) {
		return nil, errdefs.Errorf(errdefs.ErrDenied, "refusing to speak plain HTTP to %s: list it as an insecure registry if that is meant", addr)
	}
	t, err := w.transport(addr)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", w.cfg.UserAgent)
	return t.RoundTrip(req)
}

func (w *wires) transport(addr string) (*http.Transport, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if t := w.byAddr[addr]; t != nil {
		return t, nil
	}
	dirName := addr
	if addr == hub {
		dirName = "docker.io"
	}
	conf, err := loadCerts(w.cfg.CertsDirs, dirName)
	if err != nil {
		return nil, fmt.Errorf("certificates of registry %s: %w", dirName, err)
	}
	conf.InsecureSkipVerify = w.policy.named(addr) //nolint:gosec // named by the user
	t := &http.Transport{
		Proxy:           http.ProxyFromEnvironment,
		DialContext:     w.dial,
		TLSClientConfig: conf,
		// HTTP/1.1 on purpose: blobs in parallel want connections of their
		// own, and HTTP/2's windows halve the speed of one.
		TLSNextProto:          map[string]func(string, *tls.Conn) http.RoundTripper{},
		TLSHandshakeTimeout:   20 * time.Second,
		ExpectContinueTimeout: time.Second,
		IdleConnTimeout:       90 * time.Second,
		MaxIdleConnsPerHost:   2 * w.cfg.Parallel,
		DisableCompression:    true, // blobs are what they are
		ReadBufferSize:        64 << 10,
		WriteBufferSize:       64 << 10,
	}
	w.byAddr[addr] = t
	return t, nil
}

func (w *wires) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := w.cfg.Dial(ctx, network, addr)
	if err != nil {
		return nil, err
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

func (w *wires) closeIdle() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, t := range w.byAddr {
		t.CloseIdleConnections()
	}
}
