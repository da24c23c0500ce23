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
	IP         netip.Addr `json:"ip,omitzero"`
	DNS        []string   `json:"dns,omitempty"`
	DNSSearch  []string   `json:"dnsSearch,omitempty"`
	DNSOptions []string   `json:"dnsOptions,omitempty"`
}

// State is what a running container got.
type State struct {
	IP      netip.Prefix `json:"ip,omitzero"`
	Gateway netip.Addr   `json:"gateway,omitzero"`
	MAC     string       `json:"mac,omitempty"`
	Bridge  string       `json:"bridge,omitempty"`
	// Veth is the host's end.
	Veth  string         `json:"veth,omitempty"`
	Ports []publish.Port `json:"ports,omitempty"`
}
