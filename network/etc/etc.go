// Package etc makes what a container reads of its network below /etc: hosts and
// resolv.conf.
package etc

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
)

// HostGateway is, in ExtraHosts, the address by which the container reaches its host.
const HostGateway = "host-gateway"

// Resolver is the name server of containers that find each other by name: on their
// own loopback, as docker has it.
var Resolver = netip.AddrFrom4([4]byte{127, 0, 0, 11})

// Container is what the files of one are made from.
type Container struct {
	// Host says that it has the host's network, None that it has none, Named that
	// it finds others by name.
	Host, None, Named bool
	Hostname          string
	// Addrs are its own.
	Addrs []netip.Addr
	// Gateway is where it reaches its host.
	Gateway netip.Addr
	// ExtraHosts are "name:address" lines.
	ExtraHosts []string
	// DNS, DNSSearch and DNSOptions take the place of the host's.
	DNS, DNSSearch, DNSOptions []string
}

// gateway is the address by which it reaches its host; without a network there is
// none.
func (c Container) gateway() (addr string, ok bool) {
	switch {
	case c.Gateway.IsValid():
		return c.Gateway.String(), true
	case c.Host:
		return "127.0.0.1", true
	}
	return "", false
}

// Hosts is the container's /etc/hosts. With the host's network it is the host's own,
// and the extra lines.
func (c Container) Hosts() []byte {
	var b strings.Builder
	if c.Host {
		if own, err := os.ReadFile("/etc/hosts"); err == nil {
			b.Write(own)
		}
	} else {
		b.WriteString("127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n" +
			"fe00::\tip6-localnet\nff00::\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n")
	}
	for _, line := range c.ExtraHosts {
		name, addr, ok := strings.Cut(line, ":")
		if !ok {
			continue
		}
		if addr == HostGateway {
			gateway, ok := c.gateway()
			if !ok {
				continue
			}
			addr = gateway
		}
		fmt.Fprintf(&b, "%s\t%s\n", strings.Trim(addr, "[]"), name)
	}
	if c.Hostname == "" {
		return []byte(b.String())
	}
	names := c.Hostname
	if host, _, ok := strings.Cut(c.Hostname, "."); ok {
		names += " " + host
	}
	for _, addr := range c.Addrs {
		fmt.Fprintf(&b, "%s\t%s\n", addr, names)
	}
	return []byte(b.String())
}

// sources are where a host tells its nameservers; systemd-resolved's own list is
// used when the first names only its loopback stub, which a container cannot reach.
var sources = [...]string{"/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"}

// publicDNS are asked when the host names no server that a container reaches.
var publicDNS = [...]string{"8.8.8.8", "8.8.4.4"}

// ResolvConf is the container's /etc/resolv.conf, from the host's.
func (c Container) ResolvConf() []byte {
	var host []byte
	for _, path := range sources {
		data, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		if host = data; c.Host || reachable(data) {
			break
		}
	}
	if c.Named {
		return c.resolverConf(host)
	}
	return c.resolvConf(host)
}

func reachable(conf []byte) bool {
	for line := range strings.Lines(string(conf)) {
		if server, ok := nameserver(line); ok && !server.IsLoopback() {
			return true
		}
	}
	return false
}

// Nameservers are those that this host asks: no container network may hide them.
func Nameservers() (all []netip.Addr) {
	conf, err := os.ReadFile("/etc/resolv.conf")
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(conf)) {
		if addr, ok := nameserver(line); ok {
			all = append(all, addr)
		}
	}
	return all
}

func nameserver(line string) (netip.Addr, bool) {
	f := strings.Fields(line)
	if len(f) < 2 || f[0] != "nameserver" {
		return netip.Addr{}, false
	}
	addr, err := netip.ParseAddr(f[1])
	return addr, err == nil
}

// Upstreams are the servers that the resolver of a container asks, as HOST:PORT:
// those that were named for it, or the host's, also on its loopback.
func (c Container) Upstreams() []string {
	servers := c.DNS
	if len(servers) == 0 {
		for _, addr := range Nameservers() {
			servers = append(servers, addr.String())
		}
	}
	if len(servers) == 0 {
		servers = publicDNS[:]
	}
	all := make([]string, 0, len(servers))
	for _, server := range servers {
		all = append(all, net.JoinHostPort(strings.Trim(server, "[]"), "53"))
	}
	return all
}

// resolverConf is /etc/resolv.conf of a container that finds others by name: the
// host's, with the resolver in the place of its servers. A name without a dot is
// asked for as it is first.
func (c Container) resolverConf(host []byte) []byte {
	options := c.DNSOptions
	c.DNS, c.DNSOptions = []string{Resolver.String()}, nil
	conf := string(c.resolvConf(host))
	if len(options) == 0 {
		for line := range strings.Lines(conf) {
			if f := strings.Fields(line); len(f) > 0 && f[0] == "options" {
				options = append(options, f[1:]...)
			}
		}
	}
	var b strings.Builder
	ndots := false
	for line := range strings.Lines(conf) {
		if !strings.HasPrefix(line, "options") {
			b.WriteString(line)
		}
	}
	for _, o := range options {
		ndots = ndots || strings.HasPrefix(o, "ndots:")
	}
	if !ndots {
		options = append(options, "ndots:0")
	}
	b.WriteString("options " + strings.Join(options, " ") + "\n")
	return []byte(b.String())
}

// resolvConf keeps the host's lines but those that were said otherwise, and those of
// nameservers on the host's loopback unless the container shares it.
func (c Container) resolvConf(host []byte) []byte {
	var b strings.Builder
	servers := 0
	for line := range strings.Lines(string(host)) {
		f := strings.Fields(line)
		if len(f) == 0 || strings.HasPrefix(f[0], "#") || strings.HasPrefix(f[0], ";") {
			continue
		}
		switch f[0] {
		case "nameserver":
			addr, ok := nameserver(line)
			if len(c.DNS) > 0 || !ok || (!c.Host && addr.IsLoopback()) {
				continue
			}
			servers++
		case "search", "domain":
			if len(c.DNSSearch) > 0 {
				continue
			}
		case "options":
			if len(c.DNSOptions) > 0 {
				continue
			}
		}
		b.WriteString(strings.TrimRight(line, "\n") + "\n")
	}
	for _, server := range c.DNS {
		fmt.Fprintf(&b, "nameserver %s\n", server)
		servers++
	}
	if servers == 0 && !c.None {
		for _, server := range publicDNS {
			fmt.Fprintf(&b, "nameserver %s\n", server)
		}
	}
	if len(c.DNSSearch) > 0 && c.DNSSearch[0] != "." {
		fmt.Fprintf(&b, "search %s\n", strings.Join(c.DNSSearch, " "))
	}
	if len(c.DNSOptions) > 0 {
		fmt.Fprintf(&b, "options %s\n", strings.Join(c.DNSOptions, " "))
	}
	return []byte(b.String())
}
