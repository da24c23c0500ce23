// Package outbound sends requests to addresses that people of a project type, as
// receivers of webhooks and issuers of tokens are: never into the network that the
// registry itself stands in, unless its administrator allows that.
//
// A name is resolved once and the connection goes to one of the addresses that were
// looked at, so that an answer that changes between look and use (DNS rebinding)
// gains nothing. Redirects are not followed, no proxy of the environment is used, and
// time and size of an answer are bounded.
package outbound

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"time"

	"cove/errdefs"
)

const (
	// Timeout bounds a request with its answer.
	Timeout = 10 * time.Second
	// MaxAnswer is as much of an answer as is read, in bytes.
	MaxAnswer = 1 << 20
	// maxURL bounds an address.
	maxURL = 2048
)

// Policy says where requests may go. The zero value allows public addresses alone.
type Policy struct {
	// Allow are networks that are allowed besides, as the administrator says.
	Allow []netip.Prefix
}

// ParsePolicy reads networks, as 10.0.0.0/8, and addresses, which are networks of
// one. What is neither is errdefs.ErrInvalid.
func ParsePolicy(networks ...string) (p Policy, err error) {
	for _, text := range networks {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			addr, failed := netip.ParseAddr(text)
			if failed != nil || addr.Zone() != "" {
				return p, errdefs.Errorf(
					errdefs.ErrInvalid,
					"%q is no network; use one as 10.1.0.0/16, or an address",
					text,
				)
			}
			prefix = netip.PrefixFrom(addr, addr.BitLen())
		}
		p.Allow = append(p.Allow, prefix.Masked())
	}
	return p, nil
}

// Check refuses an address of HTTP that requests cannot go to, also a number that the
// policy does not allow, with errdefs.ErrInvalid. What a name stands for is looked at
// when it is used.
func (p Policy) Check(address string) error {
	u, err := url.Parse(address)
	if err != nil || len(address) > maxURL || u.Opaque != "" || u.Hostname() == "" ||
		u.Scheme != "https" && u.Scheme != "http" {
		return errdefs.Errorf(errdefs.ErrInvalid, "%.100q is no address as https://HOST[:PORT]/PATH", address)
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return errdefs.Errorf(errdefs.ErrInvalid, "%.100q: port %s is none", address, port)
		}
	}
	if u.User != nil {
		return errdefs.Errorf(errdefs.ErrInvalid,
			"the address %s holds a password: it would be shown; send it in a header", u.Redacted())
	}
	if addr, err := netip.ParseAddr(u.Hostname()); err == nil {
		return p.permit(errdefs.ErrInvalid, addr)
	}
	return nil
}

// Permit is nil if requests may go to an address, and else errdefs.ErrDenied.
func (p Policy) Permit(addr netip.Addr) error { return p.permit(errdefs.ErrDenied, addr) }

func (p Policy) permit(kind error, addr netip.Addr) error {
	if addr.Zone() == "" {
		addr = addr.Unmap()
		for _, network := range p.Allow {
			if network.Contains(addr) {
				return nil
			}
		}
	}
	if what := reserved(addr); what != "" {
		return errdefs.Errorf(
			kind,
			"%s is %s: requests go to public addresses, and to networks of outbound.allow in the configuration",
			addr,
			what,
		)
	}
	return nil
}

// Client returns a client that keeps to the policy.
func (p Policy) Client(opts Options) *http.Client {
	d := &dialer{
		permit: func(_ string, addr netip.Addr) error { return p.Permit(addr) }, lookup: opts.Lookup, timeout: Timeout,
	}
	return &http.Client{
		Timeout: Timeout,
		Transport: limited{&http.Transport{
			DialContext: d.dial,
			TLSClientConfig: &tls.Config{
				InsecureSkipVerify: opts.SkipVerify, //nolint:gosec // asked for by name
				RootCAs:            opts.Roots,
			},
			TLSHandshakeTimeout:    Timeout,
			ResponseHeaderTimeout:  Timeout,
			MaxResponseHeaderBytes: 64 << 10,
			MaxIdleConns:           64, MaxIdleConnsPerHost: 2, IdleConnTimeout: 30 * time.Second,
			ForceAttemptHTTP2: true,
		}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Options are how a client differs from the standard one.
type Options struct {
	// SkipVerify takes certificates that nobody vouches for.
	SkipVerify bool
	// Roots are the authorities that are believed; nil are the system's.
	Roots *x509.CertPool
	// Lookup resolves names; nil is the machine's resolver.
	Lookup Lookup
}

// Lookup resolves a name.
type Lookup func(ctx context.Context, host string) ([]netip.Addr, error)

// dialer connects to addresses that were looked at.
type dialer struct {
	permit  func(host string, addr netip.Addr) error
	lookup  Lookup // nil is the machine's
	timeout time.Duration
}

func (d *dialer) resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	if d.lookup != nil {
		return d.lookup(ctx, host)
	}
	return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
}

// dial connects to the first address of a host that the policy allows and that
// answers.
func (d *dialer) dial(ctx context.Context, network, hostPort string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(hostPort)
	if err != nil {
		return nil, err
	}
	var addrs []netip.Addr
	if literal, err := netip.ParseAddr(host); err == nil {
		addrs = []netip.Addr{literal}
	} else if addrs, err = d.resolve(ctx, host); err != nil {
		return nil, errdefs.Errorf(errdefs.ErrUnavailable, "%s: %w", host, err)
	}
	err = errdefs.Errorf(errdefs.ErrUnavailable, "%s has no address", host)
	for _, addr := range addrs {
		if err = d.permit(host, addr); err != nil {
			return nil, err // also when another is allowed: whoever mixes them is up to something
		}
	}
	for _, addr := range addrs {
		var conn net.Conn
		to := net.JoinHostPort(addr.Unmap().String(), port)
		if conn, err = (&net.Dialer{Timeout: d.timeout}).DialContext(ctx, network, to); err == nil {
			return conn, nil
		}
	}
	return nil, err
}

// limited cuts answers off that are too long.
type limited struct{ http.RoundTripper }

func (l limited) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := l.RoundTripper.RoundTrip(r)
	if err == nil {
		resp.Body = cut{io.LimitReader(resp.Body, MaxAnswer), resp.Body}
	}
	return resp, err
}

type cut struct {
	io.Reader
	io.Closer
}
