package networks

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/engine/runspec"
	"cove/engine/runspec/parse"
	"cove/layers/mount"
	"cove/network"
	"cove/network/publish"
)

// Published are the ports that are asked for, and all that are exposed if that is.
// A container without a network of its own has none to publish.
func Published(img ocispec.ImageConfig, o runspec.Options) ([]publish.Port, error) {
	ports := slices.Clone(o.Ports)
	shares := strings.HasPrefix(o.Network, string(network.ContainerPrefix))
	if !o.PublishAll || shares || o.Network == string(network.None) || o.Network == string(network.Host) {
		return ports, nil
	}
	exposed := append(slices.Sorted(maps.Keys(img.ExposedPorts)), o.Expose...)
	for _, text := range exposed {
		more, err := parse.Ports(text)
		if err != nil {
			return nil, err
		}
		for _, p := range more {
			p.Proto = cmp.Or(p.Proto, "tcp")
			if !slices.ContainsFunc(ports, func(have publish.Port) bool {
				return have.ContainerPort == p.ContainerPort && cmp.Or(have.Proto, "tcp") == p.Proto
			}) {
				ports = append(ports, p)
			}
		}
	}
	return ports, nil
}

// Config is what the network room is asked for a container. owners say whether it
// has a user namespace of its own.
func Config(o runspec.Options, hostname string, owners mount.IDMap) network.Config {
	if o.Domainname != "" {
		hostname += "." + o.Domainname
	}
	cfg := network.Config{
		Mode: network.Mode(o.Network), Ports: o.Ports, Hostname: hostname, DNS: o.DNS,
		DNSSearch: o.DNSSearch, DNSOptions: o.DNSOptions, Attachments: o.Networks, OwnNamespace: !owners.IsZero(),
		Links: o.Links,
	}
	for _, h := range o.AddHosts {
		cfg.ExtraHosts = append(cfg.ExtraHosts, h.Name+":"+h.IP)
	}
	return cfg
}
