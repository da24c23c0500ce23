package network

import (
	"fmt"
	"net"
	"net/netip"
	"strings"

	"cove/network/firewall"
	"cove/network/resolve"
)

// resolver is the name server of containers that find each other by name: on their
// own loopback, as docker has it.
var resolver = netip.AddrFrom4([4]byte{127, 0, 0, 11})

// startNames serves names in the namespace. The sockets are opened in it and
// answered from here, where the host's servers are within reach.
func (e *Endpoint) startNames(cfg Config) error {
	var udp net.PacketConn
	var tcp net.Listener
	err := e.ns.Inside(func() (err error) {
		here := netip.AddrPortFrom(resolver, 0)
		if udp, err = net.ListenUDP("udp4", net.UDPAddrFromAddrPort(here)); err != nil {
			return err
		}
		tcp, err = net.ListenTCP("tcp4", net.TCPAddrFromAddrPort(here))
		return err
	})
	if err != nil {
		if udp != nil {
			udp.Close()
		}
		return fmt.Errorf("network: listening for names in the container: %w", err)
	}
	rc := resolve.Config{Dir: e.net.dir, ID: e.id, Links: map[string]string{}}
	for _, l := range cfg.Links {
		rc.Links[l.Alias] = l.ID
	}
	if e.outward() != nil {
		rc.Upstreams = upstreams(cfg)
	}
	e.names = resolve.Serve(udp, tcp, rc)
	return firewall.RedirectNames(e.ns.FD(), resolver, port(udp.LocalAddr()), port(tcp.Addr()))
}

func port(a net.Addr) uint16 {
	p, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return 0
	}
	return p.Port()
}

// upstreams are the servers that the resolver asks: those that flags name, or the
// host's, also on its loopback.
func upstreams(cfg Config) []string {
	servers := cfg.DNS
	if len(servers) == 0 {
		for _, addr := range nameservers() {
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
func resolverConf(host []byte, cfg Config) []byte {
	options := cfg.DNSOptions
	cfg.DNS, cfg.DNSOptions = []string{resolver.String()}, nil
	conf := string(resolvConf(host, cfg))
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
