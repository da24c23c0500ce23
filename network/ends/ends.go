// Package ends reads the options of a container's end of a network, in docker's words.
package ends

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"cove/errdefs"
	"cove/network/bridge"
)

const (
	// Sysctls are settings of the interface, as net.ipv4.conf.IFNAME.log_martians=1,
	// several with commas between them.
	Sysctls = "com.docker.network.endpoint.sysctls"
	// Ifname is what the interface is called.
	Ifname = "com.docker.network.endpoint.ifname"
)

// itself stands for the interface in a setting.
const itself = "IFNAME"

// maxIfname is the longest name of an interface (IFNAMSIZ).
const maxIfname = 15

// Check refuses options that there are not, and settings that are not the interface's
// own; network is named in errors.
func Check(network string, options map[string]string) error {
	for _, key := range slices.Sorted(maps.Keys(options)) {
		value := options[key]
		switch key {
		case Ifname:
			if value == "" || len(value) > maxIfname || slices.Contains([]string{".", "..", "lo"}, value) ||
				strings.ContainsAny(value, "/: \t\n%") {
				return errdefs.Errorf(errdefs.ErrInvalid, "network %s: %s=%s is no name of an interface", network,
					key, value)
			}
		case Sysctls:
			if _, err := Settings(value, "eth0"); err != nil {
				return errdefs.Errorf(errdefs.ErrInvalid, "network %s: %s: %w", network, key, err)
			}
		default:
			return errdefs.Errorf(errdefs.ErrUnsupported,
				"network %s: driver option %s is not supported: there are %s and %s", network, key, Sysctls, Ifname)
		}
	}
	return nil
}

// WithoutIPv6 reports whether options turn IPv6 off on the interface, which then has no
// address of it and no route.
func WithoutIPv6(options map[string]string) bool {
	all, err := Settings(options[Sysctls], itself)
	return err == nil && slices.Contains(all, [2]string{"ipv6/conf/" + itself + "/disable_ipv6", "1"})
}

// Settle makes the settings that options have of an interface; inside calls on a thread
// in its namespace.
func Settle(options map[string]string, ifname string, inside func(func() error) error) error {
	all, err := Settings(options[Sysctls], ifname)
	if err != nil || len(all) == 0 {
		return err
	}
	return inside(func() error {
		for _, s := range all {
			if err := bridge.Sysctl(s[0], s[1]); err != nil {
				return errdefs.Errorf(errdefs.ErrInvalid, "network: setting %s to %q: %w", s[0], s[1], err)
			}
		}
		return nil
	})
}

// Settings are those of an interface that Sysctls asks for: files below /proc/sys/net, and
// what is written to them.
func Settings(text, name string) (all [][2]string, err error) {
	if text == "" {
		return nil, nil
	}
	for setting := range strings.SplitSeq(text, ",") {
		key, value, found := strings.Cut(setting, "=")
		parts := strings.Split(key, ".")
		at := slices.Index(parts, itself)
		if !found || len(parts) < 4 || parts[0] != "net" || at < 2 || slices.Contains(parts, "") ||
			strings.ContainsAny(key, "/\x00") || !slices.Contains([]string{"ipv4", "ipv6", "mpls"}, parts[1]) {
			return nil, fmt.Errorf("setting %q: want one of the interface, as net.ipv4.conf.%s.log_martians=1",
				setting, itself)
		}
		parts[at] = name
		all = append(all, [2]string{strings.Join(parts[1:], "/"), value})
	}
	return all, nil
}
