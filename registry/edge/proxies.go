package edge

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"cove/errdefs"
)

// Proxies are the networks whose word about other people's requests is taken.
type Proxies []netip.Prefix

// ParseProxies reads networks (10.0.0.0/8) and single addresses. The error is
// errdefs.ErrInvalid.
func ParseProxies(texts ...string) (Proxies, error) {
	var all Proxies
	for _, text := range texts {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			addr, addrErr := netip.ParseAddr(text)
			if addrErr != nil {
				return nil, errdefs.Errorf(errdefs.ErrInvalid,
					"%q is neither an address nor a network such as 10.0.0.0/8", text)
			}
			p = netip.PrefixFrom(addr.Unmap(), addr.Unmap().BitLen())
		}
		all = append(all, p.Masked())
	}
	return all, nil
}

// Trusts says whether addr belongs to a proxy.
func (p Proxies) Trusts(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	for _, prefix := range p {
		if prefix.Contains(addr) {
			return true
		}
	}
	return false
}

type baseKey struct{}

// BaseURL is the scheme and host by which the client reached the registry, as
// in "https://harbor.example.com:8443".
func BaseURL(r *http.Request) string {
	if base, ok := r.Context().Value(baseKey{}).(string); ok {
		return base
	}
	return baseOf(r, hop{})
}

func baseOf(r *http.Request, h hop) string {
	scheme, host := "http", r.Host
	if r.TLS != nil {
		scheme = "https"
	}
	if h.proto != "" {
		scheme = h.proto
	}
	if h.host != "" {
		host = h.host
	}
	return scheme + "://" + host
}

// Handler gives next the request as the outermost trusted proxy received it:
// RemoteAddr is the client's, Host and [BaseURL] are what the client asked for.
// What anyone else says of forwarding is ignored.
func (p Proxies) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var h hop
		if peer, err := netip.ParseAddrPort(r.RemoteAddr); err == nil && p.Trusts(peer.Addr()) {
			h = p.client(r.Header)
		}
		r = r.WithContext(context.WithValue(r.Context(), baseKey{}, baseOf(r, h)))
		if h.addr.IsValid() {
			r.RemoteAddr = net.JoinHostPort(h.addr.String(), "0")
		}
		if h.host != "" {
			r.Host = h.host
		}
		next.ServeHTTP(w, r)
	})
}

// hop is what a proxy says of the request that it received.
type hop struct {
	addr        netip.Addr // the zero Addr when it does not say
	proto, host string
}

// client is the hop whose sender is no proxy of ours, searched from the right:
// each proxy appends, so whatever stands left of it the client may have made up.
// A proxy writes either family of headers and passes the other one on as the
// client sent it; X-Forwarded, which most write, goes before Forwarded.
func (p Proxies) client(header http.Header) hop {
	hops := forwardedX(header)
	if hops == nil {
		hops = forwarded(header)
	}
	var found hop
	for i := len(hops) - 1; i >= 0; i-- {
		h := hops[i]
		if !h.addr.IsValid() { // hidden, or no address at all: nothing left of it can be believed
			h.addr = found.addr
			return h
		}
		found = h
		if !p.Trusts(h.addr) {
			break
		}
	}
	return found
}

// forwardedX reads X-Forwarded-{For,Proto,Host,Port}; nil without any.
func forwardedX(header http.Header) []hop {
	addrs, protos := list(header, "X-Forwarded-For"), list(header, "X-Forwarded-Proto")
	hosts, ports := list(header, "X-Forwarded-Host"), list(header, "X-Forwarded-Port")
	if len(addrs)+len(protos)+len(hosts)+len(ports) == 0 {
		return nil
	}
	hops := make([]hop, max(1, len(addrs)))
	for i := range hops {
		h := hop{proto: protoOf(at(protos, i, len(hops)))}
		if len(addrs) > 0 {
			h.addr = addrOf(addrs[i])
		}
		h.host = hostOf(at(hosts, i, len(hops)))
		port := at(ports, i, len(hops))
		if h.host != "" && !hasPort(h.host) && isPort(port) && !standard(h.proto, port) {
			h.host += ":" + port
		}
		hops[i] = h
	}
	return hops
}

// at is the value for hop i of n: its own where each hop has one, else the last,
// which the nearest proxy wrote.
func at(values []string, i, n int) string {
	switch len(values) {
	case 0:
		return ""
	case n:
		return values[i]
	default:
		return values[len(values)-1]
	}
}

// forwarded reads RFC 7239's header.
func forwarded(header http.Header) []hop {
	var hops []hop
	for _, element := range list(header, "Forwarded") {
		var h hop
		for pair := range strings.SplitSeq(element, ";") {
			name, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
			value = strings.Trim(value, `"`)
			switch strings.ToLower(name) {
			case "for":
				h.addr = addrOf(value)
			case "proto":
				h.proto = protoOf(value)
			case "host":
				h.host = hostOf(value)
			}
		}
		hops = append(hops, h)
	}
	return hops
}

// list joins all lines of a header and splits them at commas.
func list(header http.Header, name string) []string {
	var all []string
	for _, line := range header.Values(name) {
		for item := range strings.SplitSeq(line, ",") {
			all = append(all, strings.TrimSpace(item))
		}
	}
	return all
}

// addrOf reads an address, with or without a port and brackets; the zero Addr
// for anything else, as RFC 7239's "unknown" and "_hidden".
func addrOf(s string) netip.Addr {
	s = strings.Trim(s, `"`)
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap.Addr().Unmap()
	}
	addr, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]"))
	if err != nil {
		return netip.Addr{}
	}
	return addr.Unmap()
}

func protoOf(s string) string {
	if s = strings.ToLower(s); s == "http" || s == "https" {
		return s
	}
	return ""
}

// hostOf keeps what may stand in a URL: names, addresses and ports.
func hostOf(s string) string {
	for i := range len(s) {
		c := s[i]
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && strings.IndexByte(".-_:[]", c) < 0 {
			return ""
		}
	}
	return s
}

func hasPort(host string) bool {
	_, _, err := net.SplitHostPort(host)
	return err == nil
}

func isPort(s string) bool {
	return s != "" && len(s) <= 5 && strings.Trim(s, "0123456789") == ""
}

func standard(proto, port string) bool {
	return proto == "https" && port == "443" || proto == "http" && port == "80"
}
