package edge

import (
	"net/http"
	"net/netip"
)

// AddressOf is where a request comes from, as the throttle counts it: an IPv6
// caller owns a /64.
func AddressOf(r *http.Request) string {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return Caller(peer.Addr()).String()
}
