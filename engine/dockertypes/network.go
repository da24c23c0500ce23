package dockertypes

import (
	"cmp"
	"net/netip"
	"time"

	"cove/internal/ids"
	"cove/network/bridge"
	"cove/network/definition"
	"cove/network/ipam"
)

// Network is docker's `network inspect`.
type Network struct {
	Name       string
	ID         string `json:"Id"`
	Created    time.Time
	Scope      string
	Driver     string
	EnableIPv4 bool
	EnableIPv6 bool
	IPAM       IPAM
	Internal   bool
	Attachable bool
	Ingress    bool
	ConfigFrom ConfigFrom
	ConfigOnly bool
	Containers map[string]NetworkMember
	Options    map[string]string
	Labels     map[string]string
}

// IPAM is where a network's addresses come from.
type IPAM struct {
	Driver  string
	Options map[string]string
	Config  []Pool
}

// Pool is one subnet.
type Pool struct {
	Subnet             string            `json:",omitempty"`
	IPRange            string            `json:",omitempty"`
	Gateway            string            `json:",omitempty"`
	AuxiliaryAddresses map[string]string `json:",omitempty"`
}

// ConfigFrom is always empty: networks are made of nothing else.
type ConfigFrom struct{ Network string }

// NetworkMember is a running container on a network.
type NetworkMember struct {
	Name        string
	EndpointID  string
	MacAddress  string
	IPv4Address string
	IPv6Address string
}

// OfNetwork describes a network that somebody made.
func OfNetwork(def definition.Network) Network {
	pool := Pool{Subnet: def.Subnet.String(), Gateway: def.Gateway.String()}
	if def.Range.IsValid() {
		pool.IPRange = def.Range.String()
	}
	for name, addr := range def.Reserved {
		if pool.AuxiliaryAddresses == nil {
			pool.AuxiliaryAddresses = map[string]string{}
		}
		pool.AuxiliaryAddresses[name] = addr.String()
	}
	n := localNetwork(def.Name, "bridge")
	n.ID, n.Created, n.Internal = def.ID, def.Created, def.Internal
	n.IPAM.Config = []Pool{pool}
	if def.Options != nil {
		n.Options = def.Options
	}
	if def.Labels != nil {
		n.Labels = def.Labels
	}
	return n
}

func localNetwork(name, driver string) Network {
	return Network{
		Name: name, ID: definition.PredefinedID(name), Scope: "local", Driver: driver, EnableIPv4: true,
		IPAM: IPAM{Driver: "default", Config: []Pool{}}, Containers: map[string]NetworkMember{},
		Options: map[string]string{}, Labels: map[string]string{},
	}
}

// BareNetwork is a predefined one without addresses: host, or none.
func BareNetwork(name string) Network {
	driver := name
	if name == "none" {
		driver = "null"
	}
	return localNetwork(name, driver)
}

// BridgeNetwork is the default one, whose link and subnet are given.
func BridgeNetwork(link string, subnet netip.Prefix) Network {
	n := localNetwork("bridge", "bridge")
	if subnet.IsValid() {
		n.IPAM.Config = []Pool{{Subnet: subnet.String(), Gateway: subnet.Addr().Next().String()}}
	}
	n.Options[definition.OptionBridge] = link
	return n
}

// AddMembers shows the running containers on the network.
func (n *Network) AddMembers(members map[string]ipam.Lease, subnet netip.Prefix) {
	for id, l := range members {
		name := l.Name
		if name == "" {
			name = ids.Short(id)
		}
		n.Containers[id] = NetworkMember{
			Name: name, EndpointID: id, MacAddress: cmp.Or(l.MAC, bridge.MACOf(l.IP).String()),
			IPv4Address: netip.PrefixFrom(l.IP, subnet.Bits()).String(),
		}
	}
}
