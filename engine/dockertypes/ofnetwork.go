package dockertypes

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"cove/internal/ids"
	net "cove/network"
	"cove/network/definition"
	"cove/runner/record"
)

// networkOf is what a container has, and, of one that does not run, asks for.
func networkOf(cfg record.Config, img record.ImageConfig, state record.State) NetworkSettings {
	if state.Pid == 0 {
		state.Network = net.State{} // what it had, it gave back
	}
	n := NetworkSettings{Ports: portMap(state.Network.Ports), Networks: map[string]Endpoint{}}
	for exposed := range img.ExposedPorts {
		if _, ok := n.Ports[exposed]; !ok && state.Status == record.Running {
			n.Ports[exposed] = nil
		}
	}
	if state.Pid > 0 {
		n.SandboxKey = fmt.Sprintf("/proc/%d/ns/net", state.Pid)
		n.SandboxID = cfg.ID
	}
	mode := networkMode(cfg)
	if strings.HasPrefix(mode, string(net.ContainerPrefix)) {
		return n
	}
	if len(cfg.Network.Attachments) > 0 {
		n.attached(cfg, state.Network)
		return n
	}
	ep := Endpoint{MacAddress: state.Network.MAC, NetworkID: definition.PredefinedID(mode), EndpointID: cfg.ID}
	if has := state.Network; has.IP.IsValid() {
		ep.addresses(net.Attached{IP: has.IP, Gateway: has.Gateway, IP6: has.IP6, Gateway6: has.Gateway6})
	}
	n.flat(ep, state.Network.Bridge)
	n.Networks[mode] = ep
	return n
}

// flat repeats the endpoint on the default bridge.
func (n *NetworkSettings) flat(ep Endpoint, bridge string) {
	n.Bridge, n.MacAddress, n.Gateway = bridge, ep.MacAddress, ep.Gateway
	n.IPAddress, n.IPPrefixLen, n.EndpointID = ep.IPAddress, ep.IPPrefixLen, ep.EndpointID
	n.GlobalIPv6Address, n.GlobalIPv6PrefixLen, n.IPv6Gateway = ep.GlobalIPv6Address, ep.GlobalIPv6PrefixLen,
		ep.IPv6Gateway
}

func (ep *Endpoint) addresses(got net.Attached) {
	ep.IPAddress, ep.IPPrefixLen, ep.Gateway = got.IP.Addr().String(), got.IP.Bits(), text(got.Gateway)
	if got.IP6.IsValid() {
		ep.GlobalIPv6Address, ep.GlobalIPv6PrefixLen = got.IP6.Addr().String(), got.IP6.Bits()
		ep.IPv6Gateway = text(got.Gateway6)
	}
}

func (n *NetworkSettings) attached(cfg record.Config, state net.State) {
	if len(state.Attached) == 0 && state.IP.IsValid() { // on the default bridge alone
		state.Attached = []net.Attached{{
			IP: state.IP, Gateway: state.Gateway, IP6: state.IP6, Gateway6: state.Gateway6,
			MAC: state.MAC, Bridge: state.Bridge,
		}}
	}
	for _, at := range cfg.Network.Attachments {
		ep := Endpoint{
			NetworkID: at.Network, MacAddress: at.MAC, Aliases: at.Aliases, GwPriority: at.Priority,
			DriverOpts: at.Options,
		}
		for _, l := range at.Links {
			ep.Links = append(ep.Links, strings.TrimPrefix(l.Name, "/")+":"+l.Alias)
		}
		if at.Network == "" {
			ep.NetworkID = definition.PredefinedID(at.Name)
		} else {
			ep.DNSNames = append([]string{strings.TrimPrefix(cfg.Name, "/")}, at.Aliases...)
			ep.DNSNames = append(ep.DNSNames, ids.Short(cfg.ID))
			if name := cfg.Network.Hostname; name != "" && !slices.Contains(ep.DNSNames, name) {
				ep.DNSNames = append(ep.DNSNames, name)
			}
		}
		if at.IP.IsValid() || at.IP6.IsValid() || len(at.LinkLocal) > 0 {
			ep.IPAMConfig = &EndpointIPAM{IPv4Address: text(at.IP), IPv6Address: text(at.IP6)}
			for _, ip := range at.LinkLocal {
				ep.IPAMConfig.LinkLocalIPs = append(ep.IPAMConfig.LinkLocalIPs, ip.String())
			}
		}
		i := slices.IndexFunc(state.Attached, func(a net.Attached) bool { return a.Network == at.Network })
		if i >= 0 {
			got := state.Attached[i]
			ep.EndpointID, ep.MacAddress = cfg.ID, got.MAC
			ep.addresses(got)
			if at.Network == "" {
				n.flat(ep, got.Bridge)
			}
		}
		n.Networks[at.Name] = ep
	}
}

// text is an address; "" for none.
func text(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// AddOwnAliases adds the names by which others find a container on networks that people
// made to those that were asked for: clients of before API 1.45 know no DNSNames.
func (c *Container) AddOwnAliases() {
	for name, ep := range c.NetworkSettings.Networks {
		if slices.Contains(net.Predefined(), name) {
			continue
		}
		ep.Aliases = slices.Clone(ep.Aliases)
		for _, own := range []string{ids.Short(c.ID), c.Config.Hostname} {
			if !slices.Contains(ep.Aliases, own) {
				ep.Aliases = append(ep.Aliases, own)
			}
		}
		c.NetworkSettings.Networks[name] = ep
	}
}
