package network

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
)

// HostGateway is, in ExtraHosts, the address by which the container reaches its host.
const HostGateway = "host-gateway"

// hostGateway is the address by which a container reaches its host; without a
// network there is none.
func hostGateway(cfg Config, st State) (addr string, ok bool) {
	switch {
	case st.Gateway.IsValid():
		return st.Gateway.String(), true
	case cfg.Mode == Host:
		return "127.0.0.1", true
	}
	return "", false
}

// Hosts is the container's /etc/hosts. With the host's network it is the
// host's own, and the extra lines.
func Hosts(cfg Config, st State) []byte {
	var b strings.Builder
	if cfg.Mode == Host {
		if own, err := os.ReadFile("/etc/hosts"); err == nil {
			b.Write(own)
		}
	} else {
		b.WriteString("127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n" +
			"fe00::\tip6-localnet\nff00::\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n")
	}
	for _, line := range cfg.ExtraHosts {
		name, addr, ok := strings.Cut(line, ":")
		if !ok {
			continue
		}
		if addr == HostGateway {
			gateway, ok := hostGateway(cfg, st)
			if !ok {
				continue
			}
			addr = gateway
		}
		fmt.Fprintf(&b, "%s\t%s\n", strings.Trim(addr, "[]"), name)
	}
	if st.IP.IsValid() && cfg.Hostname != "" {
		names := cfg.Hostname
		if host, _, ok := strings.Cut(cfg.Hostname, "."); ok {
			names += " " + host
		}
		own := []Attached{{IP: st.IP}}
		if len(st.Attached) > 0 {
			own = st.Attached
		}
		for _, a := range own {
			fmt.Fprintf(&b, "%s\t%s\n", a.IP.Addr(), names)
		}
	}
	return []byte(b.String())
}

// resolvSources are where a host tells its nameservers; systemd-resolved's own
// list is used when the first names only its loopback stub, which a container
// cannot reach.
var resolvSources = [...]string{"/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"}

// publicDNS are asked when the host names no server that a container reaches.
var publicDNS = [...]string{"8.8.8.8", "8.8.4.4"}

// ResolvConf is the container's /etc/resolv.conf, from the host's.
func ResolvConf(cfg Config) []byte {
	var host []byte
	for _, path := range resolvSources {
		data, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		if host = data; cfg.Mode == Host || reachable(data) {
			break
		}
	}
	if cfg.OnNamed() {
		return resolverConf(host, cfg)
	}
	return resolvConf(host, cfg)
}

func reachable(conf []byte) bool {
	for line := range strings.Lines(string(conf)) {
		if server, ok := nameserver(line); ok && !server.IsLoopback() {
			return true
		}
	}
	return false
}

// nameservers are those that this host asks: no container network may hide them.
func nameservers() (all []netip.Addr) {
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

// resolvConf keeps the host's lines but those that flags replace, and those of
// nameservers on the host's loopback unless the container shares it.
func resolvConf(host []byte, cfg Config) []byte {
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
			if len(cfg.DNS) > 0 || !ok || (cfg.Mode != Host && addr.IsLoopback()) {
				continue
			}
			servers++
		case "search", "domain":
			if len(cfg.DNSSearch) > 0 {
				continue
			}
		case "options":
			if len(cfg.DNSOptions) > 0 {
				continue
			}
		}
		b.WriteString(strings.TrimRight(line, "\n") + "\n")
	}
	for _, server := range cfg.DNS {
		fmt.Fprintf(&b, "nameserver %s\n", server)
		servers++
	}
	if servers == 0 && cfg.Mode != None {
		for _, server := range publicDNS {
			fmt.Fprintf(&b, "nameserver %s\n", server)
		}
	}
	if len(cfg.DNSSearch) > 0 && cfg.DNSSearch[0] != "." {
		fmt.Fprintf(&b, "search %s\n", strings.Join(cfg.DNSSearch, " "))
	}
	if len(cfg.DNSOptions) > 0 {
		fmt.Fprintf(&b, "options %s\n", strings.Join(cfg.DNSOptions, " "))
	}
	return []byte(b.String())
}
