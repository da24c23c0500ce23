// Package network connects containers: a bridge with veth pairs, addresses
// from one locked file, NAT and published ports in one nftables table.
//
// A container's network namespace is made before its process, by [Network.Connect],
// so that interfaces are wired on one core while the root is mounted on the
// other; the process then joins it. Nothing holds the namespace but the
// container's processes and the [Endpoint]'s file descriptor: when the monitor
// is killed, the namespace, the veth pair in it and the port reservations go
// with it, and what stays (an address, elements of two nftables maps) is
// released by [Network.Release] or [Network.Clean].
//
// A published port is a DNAT in prerouting and in output; connections from
// 127.0.0.1 work because the bridge has route_localnet, which a rule keeps
// containers from using the other way round. The monitor listens on the port
// without ever accepting, so that no other program on the host can take it.
//
// Other tables are left alone. A foreign firewall whose forward chain drops by
// default (as docker's) is asked by [Network.Connect] to let the bridge through.
package network

import (
	"net/netip"
	"slices"

	"cove/network/ipam"

	"cove/network/namespace"
	"cove/network/publish"
)

// Mode says which network a container has: "bridge", "none", "host" or
// "container:ID". Empty is bridge.
type Mode string

// The modes; another container's is ContainerPrefix followed by its full ID.
const (
	Bridge          Mode = "bridge"
	None            Mode = "none"
	Host            Mode = "host"
	ContainerPrefix Mode = "container:"
)

// Peer is the ID of the container whose network is shared.
func (m Mode) Peer() (id string, ok bool) {
	if len(m) > len(ContainerPrefix) && m[:len(ContainerPrefix)] == ContainerPrefix {
		return string(m[len(ContainerPrefix):]), true
	}
	return "", false
}

// Config is what network a container asks for.
type Config struct {
	Mode Mode `json:"mode,omitempty"`
	// Ports are published on the host.
	Ports    []publish.Port `json:"ports,omitempty"`
	Hostname string         `json:"hostname,omitempty"`
	// ExtraHosts are "name:address" lines of /etc/hosts.
	ExtraHosts []string `json:"extraHosts,omitempty"`
	// IP asks for one address of the bridge's subnet.
	IP netip.Addr `json:"ip,omitzero"`
	// Name is the container's, by which others on its networks find it.
	Name string `json:"name,omitempty"`
	// Attachments are the networks it is on, in the order of its interfaces. With
	// none it is on the default bridge, if that is its mode.
	Attachments []Attachment `json:"attachments,omitempty"`
	// Links are containers that it finds by names of its own.
	Links      []Link   `json:"links,omitempty"`
	DNS        []string `json:"dns,omitempty"`
	DNSSearch  []string `json:"dnsSearch,omitempty"`
	DNSOptions []string `json:"dnsOptions,omitempty"`
	// OwnNamespace has the container make its network namespace, which its user
	// namespace then owns; Endpoint.Made tells of it.
	OwnNamespace bool `json:"ownNamespace,omitempty"`
}

// Attachment is one network that a container is on.
type Attachment struct {
	// Network is the ID of the network, Name how it was called; the default bridge
	// has no ID.
	Network string `json:"network,omitempty"`
	Name    string `json:"name"`
	// Aliases are further names of the container on it.
	Aliases []string `json:"aliases,omitempty"`
	// Links are containers on it that this one finds by names of its own, beside those of Config.
	Links []Link `json:"links,omitempty"`
	// IP, IP6 and MAC are asked for; without, they are chosen.
	IP  netip.Addr `json:"ip,omitzero"`
	IP6 netip.Addr `json:"ip6,omitzero"`
	MAC string     `json:"mac,omitempty"`
	// LinkLocal are further addresses, which the network does not choose (RFC 3927, RFC 4291).
	LinkLocal []netip.Addr `json:"linkLocal,omitempty"`
	// Priority decides which network the default route leads through: the highest,
	// and of several the first by name.
	Priority int `json:"priority,omitempty"`
	// Options are those of its end, which package ends reads.
	Options map[string]string `json:"options,omitempty"`
}

// Link is a container that another finds by a name that nobody else has for it.
type Link = ipam.Link

// Attached is what a running container got of one network.
type Attached struct {
	Network string `json:"network,omitempty"`
	Name    string `json:"name"`
	// Driver is the network's; "" is a bridge.
	Driver string `json:"driver,omitempty"`
	// Interface is the container's end, Veth the host's, which one on a parent has not.
	Interface string       `json:"interface"`
	Veth      string       `json:"veth"`
	IP        netip.Prefix `json:"ip"`
	Gateway   netip.Addr   `json:"gateway"`
	MAC       string       `json:"mac"`
	Bridge    string       `json:"bridge"`
	// IP6 and Gateway6 are of a network that has IPv6.
	IP6      netip.Prefix `json:"ip6,omitzero"`
	Gateway6 netip.Addr   `json:"gateway6,omitzero"`
	// LinkLocal and Options are those that were asked for.
	LinkLocal []netip.Addr      `json:"linkLocal,omitempty"`
	Options   map[string]string `json:"options,omitempty"`
}

func (a Attached) end() namespace.End {
	return namespace.End{
		Interface: a.Interface, IP: a.IP, Gateway: a.Gateway, IP6: a.IP6, Gateway6: a.Gateway6, LinkLocal: a.LinkLocal,
		Options: a.Options,
	}
}

// AsksNothing reports whether the name of the network says everything.
func (a Attachment) AsksNothing() bool {
	return len(a.Aliases)+len(a.Links)+len(a.LinkLocal)+len(a.Options) == 0 &&
		!a.IP.IsValid() && !a.IP6.IsValid() && a.MAC == ""
}

// OnNamed reports whether the container is on a network that somebody made, where
// containers find each other by name.
func (c Config) OnNamed() bool {
	return slices.ContainsFunc(c.Attachments, func(a Attachment) bool { return a.Network != "" })
}

// attachments are those of a container with a namespace of its own.
func (c Config) attachments() []Attachment {
	if len(c.Attachments) == 0 {
		return []Attachment{{Name: string(Bridge), IP: c.IP}}
	}
	return c.Attachments
}

// State is what a running container got. The flat fields are of the network with
// its default route.
type State struct {
	IP      netip.Prefix `json:"ip,omitzero"`
	Gateway netip.Addr   `json:"gateway,omitzero"`
	MAC     string       `json:"mac,omitempty"`
	Bridge  string       `json:"bridge,omitempty"`
	// IP6 and Gateway6 are of a network that has IPv6.
	IP6      netip.Prefix `json:"ip6,omitzero"`
	Gateway6 netip.Addr   `json:"gateway6,omitzero"`
	// Veth is the host's end.
	Veth  string         `json:"veth,omitempty"`
	Ports []publish.Port `json:"ports,omitempty"`
	// Attached are all its networks, when one of them is not the default bridge.
	Attached []Attached `json:"attached,omitempty"`
}
