package network

import (
	"net/netip"

	"cove/network/etc"
)

// Hosts is the container's /etc/hosts.
func Hosts(cfg Config, st State) []byte { return etcOf(cfg, st).Hosts() }

// ResolvConf is the container's /etc/resolv.conf, from the host's.
func ResolvConf(cfg Config) []byte { return etcOf(cfg, State{}).ResolvConf() }

func etcOf(cfg Config, st State) etc.Container {
	c := etc.Container{
		Host: cfg.Mode == Host, None: cfg.Mode == None, Named: cfg.OnNamed(), Hostname: cfg.Hostname,
		Gateway: st.Gateway, ExtraHosts: cfg.ExtraHosts,
		DNS: cfg.DNS, DNSSearch: cfg.DNSSearch, DNSOptions: cfg.DNSOptions,
	}
	own := st.Attached
	if len(own) == 0 {
		own = []Attached{{IP: st.IP, IP6: st.IP6}}
	}
	for _, a := range own {
		c.Addrs = appendAddr(appendAddr(c.Addrs, a.IP), a.IP6)
	}
	return c
}

func appendAddr(all []netip.Addr, p netip.Prefix) []netip.Addr {
	if !p.IsValid() {
		return all
	}
	return append(all, p.Addr())
}
