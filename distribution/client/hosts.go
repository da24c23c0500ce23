package client

import (
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"cove/errdefs"
	"cove/reference"
)

// base is where a registry's /v2/ begins. host is its name as people write and
// read it, addr what is dialled, prefix a path before /v2/ (some mirrors).
// scheme is "" when it is to be found out.
type base struct {
	host, addr, scheme, prefix string
	mirror                     bool
}

// hub is docker.io's own registry. The credentials of all of it are kept under
// one name.
const hub = "registry-1.docker.io"

func baseOf(host string) base {
	if host == reference.DefaultRegistry {
		return base{host: host, addr: hub}
	}
	return base{host: host, addr: host}
}

// bases lists where to read a repository of host from, mirrors first.
func (c *Client) bases(host string) []base {
	return append(slices.Clone(c.mirrors[host]), baseOf(host))
}

// parseMirrors reads the mirrors. One written with http:// is thereby allowed
// to be spoken to so.
func parseMirrors(in map[string][]string, p policy) (map[string][]base, error) {
	out := make(map[string][]base, len(in))
	for host, list := range in {
		for _, raw := range list {
			s := raw
			if !strings.Contains(s, "://") {
				s = "//" + s // the scheme is to be found out
			}
			u, err := url.Parse(s)
			if err != nil || u.Host == "" || u.User != nil || (u.Scheme != "https" && u.Scheme != "http" && u.Scheme != "") {
				return nil, errdefs.Errorf(errdefs.ErrInvalid, "mirror %q of %s: want https://HOST[:PORT][/PATH]", raw, host)
			}
			out[host] = append(out[host], base{host: u.Host, addr: u.Host, scheme: u.Scheme, prefix: strings.TrimRight(u.Path, "/"), mirror: true})
			if u.Scheme == "http" {
				p.clear[u.Host] = true
			}
		}
	}
	return out, nil
}

// policy says which hosts were named insecure.
type policy struct {
	hosts map[string]bool // HOST or HOST:PORT
	nets  []netip.Prefix
	clear map[string]bool // HOST[:PORT] of mirrors written with http://
}

func parsePolicy(entries []string) (policy, error) {
	p := policy{hosts: make(map[string]bool, len(entries)), clear: make(map[string]bool)}
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
