package definition

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/internal/ids"
	"cove/network/parent"
)

// What networks are made of: a bridge of their own, or interfaces on a link of the
// host's.
const (
	DriverBridge  = "bridge"
	DriverMacvlan = "macvlan"
	DriverIPvlan  = "ipvlan"
)

// The options of networks, in docker's words.
const (
	OptionBridge     = "com.docker.network.bridge.name"
	OptionICC        = "com.docker.network.bridge.enable_icc"
	OptionMasquerade = "com.docker.network.bridge.enable_ip_masquerade"
	OptionHostIP     = "com.docker.network.bridge.host_binding_ipv4"
	OptionMTU        = "com.docker.network.driver.mtu"
	OptionPrefix     = "com.docker.network.container_iface_prefix"
	OptionSource     = "com.docker.network.host_ipv4"
	OptionSource6    = "com.docker.network.host_ipv6"
	OptionGateway    = "com.docker.network.bridge.gateway_mode_ipv4"
	OptionGateway6   = "com.docker.network.bridge.gateway_mode_ipv6"

	OptionParent  = "parent"
	OptionMacvlan = "macvlan_mode"
	OptionIPvlan  = "ipvlan_mode"
	OptionFlag    = "ipvlan_flag"
)

// options are those of each driver, and modes what an option of modes may be, the
// default first.
var (
	options = map[string][]string{
		DriverBridge: {
			OptionBridge, OptionICC, OptionMasquerade, OptionHostIP, OptionMTU, OptionPrefix, OptionSource,
			OptionSource6, OptionGateway, OptionGateway6,
		},
		DriverMacvlan: {OptionParent, OptionMacvlan, OptionMTU, OptionPrefix},
		DriverIPvlan:  {OptionParent, OptionIPvlan, OptionFlag, OptionMTU, OptionPrefix},
	}
	modes = map[string][]string{
		OptionMacvlan: {"bridge", "private", "vepa", parent.Passthru},
		OptionIPvlan:  {"l2", "l3", "l3s"},
		OptionFlag:    {"bridge", "private", "vepa"},
	}
)

// Settings is what the options of a network mean.
type Settings struct {
	// Isolated keeps its containers from each other; NoMasquerade leaves their own
	// address on what they send out.
	Isolated, NoMasquerade bool
	// MTU is 0 for that of the host's uplink, or of the parent.
	MTU int
	// HostIP is where ports are published that name no address.
	HostIP netip.Addr
	// Source and Source6 are the addresses of the host that what its containers send out
	// comes from; not valid for that of the link it leaves by.
	Source, Source6 netip.Addr
	// Prefix is what the names of its containers' interfaces begin with.
	Prefix string
	// Mode and Flag are those of macvlan and ipvlan; "" is the default.
	Mode, Flag string
}

// Kind is the network's driver.
func (n Network) Kind() string { return cmp.Or(n.Driver, DriverBridge) }

// OnParent reports whether its containers have interfaces on a link of the host's.
func (n Network) OnParent() bool { return n.Kind() != DriverBridge }

// Parent is that link: where nobody names one, it is the network's own, which leads
// nowhere.
func (n Network) Parent() string { return cmp.Or(n.Options[OptionParent], "dm-"+ids.Short(n.ID)) }

// Routed reports whether what its containers send is routed by the kernel, so that they
// need no gateway (ipvlan's modes l3 and l3s).
func (n Network) Routed() bool { return strings.HasPrefix(n.Options[OptionIPvlan], "l3") }

// Settings reads the options; one that is unknown, or has a value that it cannot
// have, is errdefs.ErrInvalid.
func (n Network) Settings() (s Settings, err error) {
	known, ok := options[n.Kind()]
	if !ok {
		return s, errdefs.Errorf(errdefs.ErrUnsupported, "network driver %s: there are %s, %s and %s", n.Driver,
			DriverBridge, DriverMacvlan, DriverIPvlan)
	}
	for _, key := range slices.Sorted(maps.Keys(n.Options)) {
		if !slices.Contains(known, key) {
			return s, errdefs.Errorf(errdefs.ErrInvalid, "network option %s: there is no such option; there are %s",
				key, strings.Join(known, ", "))
		}
		if err := s.set(key, n.Options[key]); err != nil {
			return s, err
		}
	}
	return s, nil
}

func (s *Settings) set(key, value string) (err error) {
	ok := true
	switch key {
	case OptionBridge, OptionParent:
		ok = validLink(value)
	case OptionICC:
		var icc bool
		icc, err = strconv.ParseBool(value)
		s.Isolated = !icc
	case OptionMasquerade:
		var masquerade bool
		masquerade, err = strconv.ParseBool(value)
		s.NoMasquerade = !masquerade
	case OptionMTU:
		s.MTU, err = strconv.Atoi(value)
		ok = s.MTU >= minMTU && s.MTU <= maxMTU
	case OptionHostIP:
		s.HostIP, err = netip.ParseAddr(value)
		ok = s.HostIP.Is4()
	case OptionSource:
		s.Source, err = netip.ParseAddr(value)
		ok = s.Source.Is4()
	case OptionSource6:
		s.Source6, err = netip.ParseAddr(value)
		ok = s.Source6.Is6() && !s.Source6.Is4In6() && s.Source6.Zone() == ""
	case OptionPrefix:
		s.Prefix = value
		ok = validPrefix(value)
	case OptionGateway, OptionGateway6:
		return gatewayMode(key, value)
	default:
		return s.mode(key, value)
	}
	if err != nil || !ok {
		return errdefs.Errorf(errdefs.ErrInvalid, "network option %s: %q is no value that it can have", key, value)
	}
	return nil
}

// gatewayMode lets through what docker calls nat, which is what bridges here do.
func gatewayMode(key, value string) error {
	switch value {
	case "", "nat":
		return nil
	case "nat-unprotected", "routed", "isolated":
		return errdefs.Errorf(errdefs.ErrUnsupported,
			"network option %s: %s is not supported, only nat; an internal network is kept from all others", key, value)
	}
	return errdefs.Errorf(errdefs.ErrInvalid, "network option %s: %q is no mode; nat is", key, value)
}

func (s *Settings) mode(key, value string) error {
	if value != "" && !slices.Contains(modes[key], value) {
		driver, what, _ := strings.Cut(key, "_")
		return errdefs.Errorf(errdefs.ErrInvalid,
			"requested %s %s '%s' is not valid, '%s' %s is the %s driver default; there are %s",
			driver, what, value, modes[key][0], what, driver, strings.Join(modes[key], ", "))
	}
	if key == OptionFlag {
		s.Flag = value
	} else {
		s.Mode = value
	}
	return nil
}

// The sizes of packets that a link may have: RFC 791 has 68 as the least, RFC 8200
// for IPv6 1280.
const (
	minMTU  = 68
	minMTU6 = 1280
	maxMTU  = 65535
)

// validLink follows the kernel's dev_valid_name.
func validLink(name string) bool {
	return name != "" && len(name) < unix.IFNAMSIZ && name != "." && name != ".." &&
		!strings.ContainsAny(name, "/: \t\n")
}

// validPrefix leaves room for a number of two digits, and keeps the names of loopbacks.
func validPrefix(prefix string) bool {
	return validLink(prefix+"99") && prefix != "" && !strings.Contains(prefix, "%") && !strings.HasPrefix(prefix, "lo")
}
