// Package fetch downloads what ADD names by a URL.
package fetch

import (
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"

	"cove/errdefs"
)

// Client returns what ADD, and a context that somebody else chose, is downloaded with. A
// Dockerfile is not always its user's own: unlike a RUN, ADD speaks from the host's network, so it may not
// speak to the host itself, nor to the addresses at which clouds hand out
// credentials, unless the build may use the host's network.
func Client(hostNetwork bool) *http.Client {
	dialer := &net.Dialer{Timeout: 30 * time.Second}
	guarded := &net.Dialer{Timeout: 30 * time.Second, Control: refuseLocal}
	direct, proxied := http.DefaultTransport.(*http.Transport).Clone(), http.DefaultTransport.(*http.Transport).Clone()
	proxied.DialContext = dialer.DialContext
	direct.DialContext, direct.Proxy = guarded.DialContext, nil
	if hostNetwork {
		direct.DialContext = dialer.DialContext
	}
	return &http.Client{Transport: byProxy{direct: direct, proxied: proxied}}
}

// byProxy sends a request through the proxy of the environment, if there is one
// for it; that proxy may well be local.
type byProxy struct{ direct, proxied http.RoundTripper }

func (t byProxy) RoundTrip(r *http.Request) (*http.Response, error) {
	if p, err := http.ProxyFromEnvironment(r); p != nil || err != nil {
		return t.proxied.RoundTrip(r)
	}
	return t.direct.RoundTrip(r)
}

// refuseLocal sees the address after the name was looked up.
func refuseLocal(_, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return errdefs.Errorf(errdefs.ErrInvalid, "address %q: %w", address, err)
	}
	a := ap.Addr().Unmap()
	if a.IsLoopback() || a.IsLinkLocalUnicast() || a.IsUnspecified() || a.IsMulticast() {
		return errdefs.Suggest(errdefs.Errorf(errdefs.ErrDenied,
			"ADD may not fetch from %s, an address of this machine", a), errdefs.Entitle, "network.host")
	}
	return nil
}
