package wire

import (
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"cove/errdefs"
	"cove/reference"
)

// Base is where a registry's /v2/ begins.
type Base struct {
	Host   string // its name as people write and read it
	Addr   string // what is dialled
	Scheme string // "" when it is to be found out
	Prefix string // a path before /v2/, as some mirrors have
	Mirror bool   // of another registry: it may be missing
}

// hub is docker.io's own registry. The credentials of all of it are kept under
// one name.
const hub = "registry-1.docker.io"

// BaseOf is the base of the registry that people call host.
func BaseOf(host string) Base {
	if host == reference.DefaultRegistry {
		return Base{Host: host, Addr: hub}
	}
	return Base{Host: host, Addr: host}
}

// MirrorOf reads the URL of a mirror: [http[s]://]HOST[:PORT][/PATH]. The error
// is errdefs.ErrInvalid.
func MirrorOf(raw string) (Base, error) {
	s := raw
	if !strings.Contains(s, "://") {
		s = "//" + s
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.User != nil || (u.Scheme != "https" && u.Scheme != "http" && u.Scheme != "") {
		return Base{}, errdefs.Errorf(errdefs.ErrInvalid, "mirror %q: want https://HOST[:PORT][/PATH]", raw)
	}
	return Base{Host: u.Host, Addr: u.Host, Scheme: u.Scheme, Prefix: strings.TrimRight(u.Path, "/"), Mirror: true}, nil
}

// policy says which hosts were named insecure.
type policy struct {
	hosts map[string]bool // HOST or HOST:PORT
	nets  []netip.Prefix
	clear map[string]bool // HOST[:PORT] written with http:// by the user
}

func parsePolicy(entries, clear []string) (policy, error) {
	p := policy{hosts: make(map[string]bool, len(entries)), clear: make(map[string]bool, len(clear))}
	for _, addr := range clear {
		p.clear[addr] = true
	}
	for _, raw := range entries {
		s := strings.TrimPrefix(strings.TrimPrefix(raw, "http://"), "https://")
		if prefix, err := netip.ParsePrefix(s); err == nil {
			p.nets = append(p.nets, prefix)
			continue
		}
		s = strings.TrimRight(s, "/")
		if s == "" || strings.ContainsAny(s, "/@ ") {
			return policy{}, errdefs.Errorf(errdefs.ErrInvalid, "insecure registry %q: want HOST, HOST:PORT or a CIDR", raw)
		}
		p.hosts[s] = true
	}
	return p, nil
}

// named says that the user asked for no questions about addr (host[:port]).
func (p policy) named(addr string) bool {
	host := hostname(addr)
	if p.hosts[addr] || p.hosts[host] {
		return true
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(p.nets, func(n netip.Prefix) bool { return n.Contains(ip.Unmap()) })
}

// plain says that addr may be spoken to over plain HTTP.
func (p policy) plain(addr string) bool {
	return p.named(addr) || p.clear[addr] || loopback(addr)
}

func loopback(addr string) bool {
	host := hostname(addr)
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// hostname is addr without its port and brackets.
func hostname(addr string) string {
	if h, _, err := net.SplitHostPort(addr); err == nil {
		return h
	}
	return strings.Trim(addr, "[]")
}
