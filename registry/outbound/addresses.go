package outbound

import "net/netip"

// special are networks that are not the public internet, from the registries of
// special-purpose addresses of IANA (RFC 6890 and later), and addresses of clouds
// behind which a machine's own secrets lie.
var special = []struct {
	network netip.Prefix
	what    string
}{
	{netip.MustParsePrefix("169.254.169.254/32"), metadataService},
	{netip.MustParsePrefix("fd00:ec2::254/128"), metadataService},
	{netip.MustParsePrefix("100.100.100.200/32"), metadataService}, // Alibaba Cloud
	{netip.MustParsePrefix("168.63.129.16/32"), metadataService},   // Azure; a public number
	{netip.MustParsePrefix("192.0.0.192/32"), metadataService},     // Oracle Cloud
	{netip.MustParsePrefix("0.0.0.0/8"), "this machine"},
	{netip.MustParsePrefix("10.0.0.0/8"), private},
	{netip.MustParsePrefix("100.64.0.0/10"), "an address of a provider's own network"},
	{netip.MustParsePrefix("127.0.0.0/8"), loopback},
	{netip.MustParsePrefix("169.254.0.0/16"), linkLocal},
	{netip.MustParsePrefix("172.16.0.0/12"), private},
	{netip.MustParsePrefix("192.0.0.0/24"), reservedRange},
	{netip.MustParsePrefix("192.0.2.0/24"), documentation},
	{netip.MustParsePrefix("192.88.99.0/24"), reservedRange},
	{netip.MustParsePrefix("192.168.0.0/16"), private},
	{netip.MustParsePrefix("198.18.0.0/15"), "an address for measurements"},
	{netip.MustParsePrefix("198.51.100.0/24"), documentation},
	{netip.MustParsePrefix("203.0.113.0/24"), documentation},
	{netip.MustParsePrefix("224.0.0.0/4"), multicast},
	{netip.MustParsePrefix("240.0.0.0/4"), reservedRange}, // with the broadcast
	{netip.MustParsePrefix("::/128"), "this machine"},
	{netip.MustParsePrefix("::1/128"), loopback},
	{netip.MustParsePrefix("::/96"), reservedRange}, // with an IPv4 address at the end, long out of use
	{netip.MustParsePrefix("::ffff:0:0:0/96"), reservedRange},
	{netip.MustParsePrefix("64:ff9b:1::/48"), "an address that is translated to a private one"},
	{netip.MustParsePrefix("100::/64"), reservedRange},
	{netip.MustParsePrefix("2001::/23"), reservedRange}, // with Teredo, which holds another address
	{netip.MustParsePrefix("2001:db8::/32"), documentation},
	{netip.MustParsePrefix("3fff::/20"), documentation},
	{netip.MustParsePrefix("5f00::/16"), reservedRange},
	{netip.MustParsePrefix("fc00::/7"), private},
	{netip.MustParsePrefix("fe80::/10"), linkLocal},
	{netip.MustParsePrefix("fec0::/10"), private},
	{netip.MustParsePrefix("ff00::/8"), multicast},
}

const (
	metadataService = "the metadata service of a cloud"
	private         = "a private address"
	loopback        = "a loopback address"
	linkLocal       = "a link-local address"
	documentation   = "an address of documentation"
	multicast       = "a multicast address"
	reservedRange   = "a reserved address"
)

// carriers hold an IPv4 address from a byte on: translation (RFC 6052) and 6to4
// (RFC 3056) lead there.
var carriers = []struct {
	network netip.Prefix
	at      int
}{
	{netip.MustParsePrefix("64:ff9b::/96"), 12},
	{netip.MustParsePrefix("2002::/16"), 2},
}

// reserved says what an address is that is not public; "" of one that is.
func reserved(addr netip.Addr) string {
	switch {
	case !addr.IsValid():
		return "no address"
	case addr.Zone() != "":
		return linkLocal
	}
	addr = addr.Unmap()
	for _, s := range special {
		if s.network.Contains(addr) {
			return s.what
		}
	}
	for _, c := range carriers {
		if c.network.Contains(addr) {
			bytes := addr.As16()
			return reserved(netip.AddrFrom4([4]byte(bytes[c.at : c.at+4])))
		}
	}
	return ""
}
