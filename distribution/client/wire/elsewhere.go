package wire

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"net/url"

	"cove/distribution/client/hosts"
	"cove/errdefs"
)

// maxRedirects bounds how often one request is sent on.
const maxRedirects = 10

func checkRedirect(_ *http.Request, via []*http.Request) error {
	if len(via) >= maxRedirects {
		return errdefs.Errorf(errdefs.ErrInvalid, "it sends us from place to place without end (%d times)", len(via))
	}
	return nil
}

// from marks ctx with the registry that requests are for, so that what it makes
// us send elsewhere is known: by a redirect, a token realm, an upload's
// Location.
func from(ctx context.Context, p *Peer) context.Context {
	return context.WithValue(ctx, fromKey{}, p)
}

// WithVia has requests under the context say through whom they come (RFC 9110, section
// 7.6.3), so that one which comes back to its sender ends there.
func WithVia(ctx context.Context, via string) context.Context {
	return context.WithValue(ctx, viaKey{}, via)
}

type (
	viaKey  struct{} // string
	fromKey struct{} // *Peer, in the context of its requests
	awayKey struct{} // true, in that of a connection no registry may lead home
)

// sentTo checks where a request goes that a registry caused. One that is not on
// this machine may not send us to what only this machine reaches: its own
// services, or a cloud's metadata at a link-local address. The context it
// returns has the dialer hold the address against the same rule.
func (w *Wire) sentTo(ctx context.Context, u *url.URL) (context.Context, error) {
	p, ok := ctx.Value(fromKey{}).(*Peer)
	if !ok || u.Host == p.Addr || w.atHome(p.Addr) {
		return ctx, nil
	}
	if atHome(u.Host) {
		return nil, refuseHome(u.Host)
	}
	proxy, err := http.ProxyFromEnvironment(&http.Request{URL: u})
	if err != nil {
		return nil, err
	}
	if proxy != nil {
		return ctx, nil // the proxy dials, from where it is
	}
	return context.WithValue(ctx, awayKey{}, true), nil
}

func refuseHome(addr string) error {
	return errdefs.Errorf(errdefs.ErrDenied, "refusing to be sent to %s, an address that only this machine reaches",
		addr)
}

// atHome says that addr is, by its name or by where it answered, an address of
// this machine or of the link alone.
func (w *Wire) atHome(addr string) bool {
	if atHome(addr) {
		return true
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.home[hosts.Name(addr)]
}

func atHome(addr string) bool {
	if hosts.Loopback(addr) {
		return true
	}
	ip, err := netip.ParseAddr(hosts.Name(addr))
	return err == nil && homeIP(ip)
}

func homeIP(ip netip.Addr) bool {
	ip = ip.Unmap()
	return ip.IsLoopback() || ip.IsUnspecified() || ip.IsLinkLocalUnicast() || ip.IsMulticast()
}

// checkHome notes which names answered at home, and closes a connection that
// was not to lead there.
func (w *Wire) checkHome(ctx context.Context, conn net.Conn, addr string) error {
	remote, err := netip.ParseAddrPort(conn.RemoteAddr().String())
	if err != nil || !homeIP(remote.Addr()) {
		return nil
	}
	if ctx.Value(awayKey{}) != nil {
		return refuseHome(addr)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.home[hosts.Name(addr)] = true
	return nil
}
