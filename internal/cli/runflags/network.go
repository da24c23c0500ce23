package runflags

import (
	"slices"

	"github.com/spf13/pflag"

	"cove/engine/runspec"
	"cove/engine/runspec/parse"
)

// networkFlags are which networks a container is on, and how it finds others.
type networkFlags struct {
	names, links               []string
	aliases                    []string
	ip, ip6, mac               string
	linkLocal                  []string
	dns, dnsSearch, dnsOptions []string
}

func (f *networkFlags) register(fs *pflag.FlagSet) {
	fs.StringArrayVar(&f.names, "network", nil,
		"network: bridge (the default), none, host, container:NAME, or one that was made; may repeat, as name=NAME,alias=NAME,ip=IP")
	fs.StringArrayVar(&f.aliases, "network-alias", nil, "further name on its first network")
	fs.StringVar(&f.ip, "ip", "", "address on its first network, which has to be one that was made")
	fs.StringVar(&f.ip6, "ip6", "", "IPv6 address on its first network, which has to have such")
	fs.StringArrayVar(&f.linkLocal, "link-local-ip", nil, "further address on its first network, as 169.254.8.8 or fe80::8")
	fs.StringVar(&f.mac, "mac-address", "", "hardware address on its first network")
	fs.StringArrayVar(&f.links, "link", nil, "find another container by a name of its own: CONTAINER[:ALIAS]")
	fs.StringArrayVar(&f.dns, "dns", nil, "name server")
	fs.StringArrayVar(&f.dnsSearch, "dns-search", nil, "domain that names are searched in (\".\" for none)")
	fs.StringArrayVar(&f.dnsOptions, "dns-option", nil, "option of the resolver, as ndots:2")
}

func (f *networkFlags) parse(o *runspec.Options) (err error) {
	if o.Links, err = parseAll(f.links, parse.Link); err != nil {
		return err
	}
	// As docker does, which writes a line of no options then.
	options := slices.DeleteFunc(f.dnsOptions, func(option string) bool { return option == "" })
	o.DNS, o.DNSSearch, o.DNSOptions = f.dns, f.dnsSearch, options
	o.Network, o.Networks, err = parse.Networks(f.names, parse.NetworkFlags{
		Aliases: f.aliases, IP: f.ip, IP6: f.ip6, MAC: f.mac, LinkLocal: f.linkLocal,
	})
	return err
}
