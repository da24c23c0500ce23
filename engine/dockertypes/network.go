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
	n := localNetwork(def.Name, def.Kind())
	n.ID, n.Created, n.Internal, n.EnableIPv6 = def.ID, def.Created, def.Internal, def.HasIPv6()
	n.Attachable = def.Attachable
	n.IPAM.Config = []Pool{poolOf(def, definition.Space{Subnet: def.Subnet, Gateway: def.Gateway, Range: def.Range})}
	if def.HasIPv6() {
		n.IPAM.Config = append(n.IPAM.Config, poolOf(def, def.V6))
	}
	if def.Options != nil {
		n.Options = def.Options
	}
	if def.Labels != nil {
		n.Labels = def.Labels
	}
	return n
}

func poolOf(def definition.Network, s definition.Space) Pool {
	pool := Pool{Subnet: s.Subnet.String(), Gateway: s.Gateway.String()}
	if s.Range.IsValid() {
		pool.IPRange = s.Range.String()
	}
	for name, addr := range def.Reserved {
		if !s.Subnet.Contains(addr) {
			continue
		}
		if pool.AuxiliaryAddresses == nil {
			pool.AuxiliaryAddresses = map[string]string{}
		}
		pool.AuxiliaryAddresses[name] = addr.String()
	}
	return pool
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

// BridgeNetwork is the default one, whose link and pool are given.
func BridgeNetwork(link string, pool *ipam.Pool) Network {
	n := localNetwork("bridge", "bridge")
	if pool.Subnet.IsValid() {
		n.IPAM.Config = []Pool{{Subnet: pool.Subnet.String(), Gateway: pool.Gateway().String()}}
	}
	if v6 := pool.V6; v6.Subnet.IsValid() {
		n.EnableIPv6 = true
		n.IPAM.Config = append(n.IPAM.Config, Pool{Subnet: v6.Subnet.String(), Gateway: v6.Gateway().String()})
	}
	n.Options[definition.OptionBridge] = link
	return n
}

// AddMembers shows the running containers on the network.
func (n *Network) AddMembers(pool *ipam.Pool) {
	for id, l := range pool.Leases {
		name := l.Name
		if name == "" {
			name = ids.Short(id)
		}
		member := NetworkMember{
			Name: name, EndpointID: id, MacAddress: cmp.Or(l.MAC, bridge.MACOf(l.IP).String()),
			IPv4Address: netip.PrefixFrom(l.IP, pool.Subnet.Bits()).String(),
		}
		if l.IP6.IsValid() {
			member.IPv6Address = netip.PrefixFrom(l.IP6, pool.V6.Subnet.Bits()).String()
		}
		n.Containers[id] = member
	}
}
