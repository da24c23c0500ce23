// Package hosts is what is known of a registry before it is asked: where its name
// leads, its mirrors, whether it may be spoken to without TLS, and where its
// certificates lie. It asks nobody and links no HTTP.
package hosts

import (
	"context"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"cove/internal/userdir"

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

// Hub is docker.io's own registry. The credentials of all of it are kept under
// one name.
const Hub = "registry-1.docker.io"

// BaseOf is the base of the registry that people call host.
func BaseOf(host string) Base {
	if host == reference.DefaultRegistry {
		return Base{Host: host, Addr: Hub}
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

// Policy says which hosts were named insecure. It is safe for concurrent use.
type Policy struct {
	hosts map[string]bool // HOST or HOST:PORT
	nets  []netip.Prefix
	clear map[string]bool // HOST[:PORT] written with http:// by the user

	lookup   func(host string) []netip.Addr
	mu       sync.Mutex
	resolved map[string]bool // by host name: whether an address of it is in nets
}

// lookupWait bounds how long a name is looked up only to hold its addresses
// against the networks that were named.
const lookupWait = 5 * time.Second

func lookup(host string) []netip.Addr {
	ctx, cancel := context.WithTimeout(context.Background(), lookupWait)
	defer cancel()
	addrs, _ := net.DefaultResolver.LookupNetIP(ctx, "ip", host) // the dialler says what is wrong with the name
	return addrs
}

// ParsePolicy reads the registries that may go without TLS, HOST, HOST:PORT or CIDR,
// and the HOST[:PORT] that were written with http://. The error is errdefs.ErrInvalid.
func ParsePolicy(entries, clear []string) (*Policy, error) {
	p := &Policy{
		hosts: make(map[string]bool, len(entries)), clear: make(map[string]bool, len(clear)),
		lookup: lookup, resolved: make(map[string]bool),
	}
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
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "insecure registry %q: want HOST, HOST:PORT or a CIDR", raw)
		}
		p.hosts[s] = true
	}
	return p, nil
}

// CheckMirror says what is wrong with a mirror's URL. The error is errdefs.ErrInvalid.
func CheckMirror(raw string) error {
	_, err := MirrorOf(raw)
	return err
}

// systemCertsDir is docker's, which every client of registries on a machine knows.
const systemCertsDir = "/etc/docker/certs.d"

// DefaultCertsDirs is where certificates of registries are looked for: the person's
// own folders, as docker without root has them, and the machine's.
func DefaultCertsDirs() []string {
	var dirs []string
	for _, engine := range []string{"cove", "docker"} {
		if own := userdir.Config(nil, engine, "certs.d"); own != "" {
			dirs = append(dirs, own)
		}
	}
	return append(dirs, "/etc/cove/certs.d", systemCertsDir)
}

// CertsDirToFill is the folder of DefaultCertsDirs that an error should name as the
// place for a registry's certificate: the machine's, or the person's own for whom may
// not write there.
func CertsDirToFill() string {
	if own := userdir.Config(nil, "cove", "certs.d"); own != "" && unix.Access("/etc", unix.W_OK) != nil {
		return own
	}
	return systemCertsDir
}

// CheckInsecure says what is wrong with an entry of insecure registries. The error is
// errdefs.ErrInvalid.
func CheckInsecure(entry string) error {
	_, err := ParsePolicy([]string{entry}, nil)
	return err
}

// Named says that the user asked for no questions about addr (host[:port]). A
// name is in a network, as with docker, if one of its addresses is.
func (p *Policy) Named(addr string) bool {
	host := Name(addr)
	if p.hosts[addr] || p.hosts[host] {
		return true
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		return p.within(ip)
	}
	if len(p.nets) == 0 {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	in, known := p.resolved[host]
	if !known {
		in = slices.ContainsFunc(p.lookup(host), p.within)
		p.resolved[host] = in
	}
	return in
}

func (p *Policy) within(ip netip.Addr) bool {
	return slices.ContainsFunc(p.nets, func(n netip.Prefix) bool { return n.Contains(ip.Unmap()) })
}

// Plain says that addr may be spoken to over plain HTTP.
func (p *Policy) Plain(addr string) bool {
	return p.Named(addr) || p.clear[addr] || Loopback(addr)
}

// Loopback says that addr is this machine itself.
func Loopback(addr string) bool {
	host := Name(addr)
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// Name is addr without its port and brackets.
func Name(addr string) string {
	if h, _, err := net.SplitHostPort(addr); err == nil {
		return h
	}
	return strings.Trim(addr, "[]")
}
