package definition

import (
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"cove/errdefs"
)

// The options of a bridge, in docker's words.
const (
	OptionBridge     = "com.docker.network.bridge.name"
	OptionICC        = "com.docker.network.bridge.enable_icc"
	OptionMasquerade = "com.docker.network.bridge.enable_ip_masquerade"
	OptionHostIP     = "com.docker.network.bridge.host_binding_ipv4"
	OptionMTU        = "com.docker.network.driver.mtu"
)

// Settings is what the options of a network mean.
type Settings struct {
	// Isolated keeps its containers from each other; NoMasquerade leaves their own
	// address on what they send out.
	Isolated, NoMasquerade bool
	// MTU is 0 for that of the host's uplink.
	MTU int
	// HostIP is where ports are published that name no address.
	HostIP netip.Addr
}

// Settings reads the options; one that is unknown, or has a value that it cannot
// have, is errdefs.ErrInvalid.
func (n Network) Settings() (s Settings, err error) {
	for _, key := range slices.Sorted(maps.Keys(n.Options)) {
		if err := s.set(key, n.Options[key]); err != nil {
			return s, err
		}
	}
	return s, nil
}

func (s *Settings) set(key, value string) (err error) {
	ok := true
	switch key {
	case OptionBridge:
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
	default:
		return errdefs.Errorf(errdefs.ErrInvalid, "network option %s: there is no such option; there are %s", key,
			strings.Join([]string{OptionBridge, OptionICC, OptionMasquerade, OptionHostIP, OptionMTU}, ", "))
	}
	if err != nil || !ok {
		return errdefs.Errorf(errdefs.ErrInvalid, "network option %s: %q is no value that it can have", key, value)
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
