// Package network connects containers: a bridge with veth pairs, addresses
// from one locked file, NAT and published ports in one nftables table.
package network

import "net/netip"

// Mode says which network a container has: "bridge", "none", "host" or
// "container:ID". Empty is bridge.
type Mode string

// The modes; a container's own is ContainerPrefix followed by an ID.
const (
	Bridge          Mode = "bridge"
	None            Mode = "none"
	Host            Mode = "host"
	ContainerPrefix Mode = "container:"
)

// Config is what network a container asks for.
type Config struct {
	Mode Mode `json:"mode,omitempty"`
	// Ports are published on the host.
	Ports    []Port `json:"ports,omitempty"`
	Hostname string `json:"hostname,omitempty"`
	// ExtraHosts are "name:address" lines of /etc/hosts.
	ExtraHosts []string `json:"extraHosts,omitempty"`
	// IP asks for one address of the bridge's subnet.
	IP         netip.Addr `json:"ip,omitzero"`
	DNS        []string   `json:"dns,omitempty"`
	DNSSearch  []string   `json:"dnsSearch,omitempty"`
	DNSOptions []string   `json:"dnsOptions,omitempty"`
}

// Port is one published port.
type Port struct {
	// HostIP is the address to listen on; invalid is every address.
	HostIP netip.Addr `json:"hostIP,omitzero"`
	// HostPort 0 asks for a free one, found at start and told in State.
	HostPort      uint16 `json:"hostPort"`
	ContainerPort uint16 `json:"containerPort"`
	// Proto is "tcp" (or empty) or "udp".
	Proto string `json:"proto,omitempty"`
}

// State is what a running container got.
type State struct {
	IP      netip.Prefix `json:"ip,omitzero"`
	Gateway netip.Addr   `json:"gateway,omitzero"`
	MAC     string       `json:"mac,omitempty"`
	Bridge  string       `json:"bridge,omitempty"`
	// Veth is the host's end.
	Veth  string `json:"veth,omitempty"`
	Ports []Port `json:"ports,omitempty"`
}
