package parse

import (
	"encoding/csv"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"cove/errdefs"
	"cove/network"
	"cove/network/ends"
)

// NetworkFlags are flags of a container's first network.
type NetworkFlags struct {
	Aliases      []string
	IP, IP6, MAC string
	LinkLocal    []string
	Links        []string // CONTAINER[:ALIAS], of networks that are connected to later
	Options      []string // KEY=VALUE, of its end
}

// Networks reads the networks of a container: NAME, or name=NAME with alias=, ip=,
// ip6=, mac-address=, link-local-ip=, driver-opt=KEY=VALUE and gw-priority=, of which alias,
// link-local-ip and driver-opt may repeat. mode is the first's name;
// there are no attachments when a mode alone says everything.
func Networks(texts []string, flags NetworkFlags) (mode string, all []network.Attachment, err error) {
	for _, text := range texts {
		at, err := Network(text)
		if err != nil {
			return "", nil, err
		}
		same := func(o network.Attachment) bool { return o.Name == at.Name }
		if slices.ContainsFunc(all, same) {
			return "", nil, errdefs.Errorf(errdefs.ErrInvalid, "network %s: it is named twice", at.Name)
		}
		all = append(all, at)
	}
	if len(all) == 0 {
		all = []network.Attachment{{Name: string(network.Bridge)}}
	}
	if err := flags.Apply(&all[0]); err != nil {
		return "", nil, err
	}
	if at := all[0]; len(all) == 1 && at.AsksNothing() && at.Priority == 0 {
		return at.Name, nil, nil
	}
	return all[0].Name, all, nil
}

// Apply adds what the flags say; what is said twice is refused.
func (f NetworkFlags) Apply(at *network.Attachment) (err error) {
	both := func(what string) error {
		return errdefs.Errorf(errdefs.ErrInvalid, "network %s: the %s is given twice", at.Name, what)
	}
	switch {
	case len(f.Aliases) > 0 && len(at.Aliases) > 0:
		return both("alias")
	case f.IP != "" && at.IP.IsValid():
		return both("address")
	case f.IP6 != "" && at.IP6.IsValid():
		return both("IPv6 address")
	case f.MAC != "" && at.MAC != "":
		return both("hardware address")
	case len(f.LinkLocal) > 0 && len(at.LinkLocal) > 0:
		return both("link-local address")
	}
	at.Aliases = append(at.Aliases, f.Aliases...)
	if f.IP != "" {
		if at.IP, err = address4(at.Name, f.IP); err != nil {
			return err
		}
	}
	if f.IP6 != "" {
		if at.IP6, err = address6(at.Name, f.IP6); err != nil {
			return err
		}
	}
	for _, text := range f.LinkLocal {
		if err = linkLocal(at, at.Name, text); err != nil {
			return err
		}
	}
	for _, text := range f.Links {
		link, err := Link(text)
		if err != nil {
			return err
		}
		at.Links = append(at.Links, link)
	}
	for _, text := range f.Options {
		if err := driverOption(at, text); err != nil {
			return err
		}
	}
	if f.MAC != "" {
		at.MAC, err = hardware(at.Name, f.MAC)
	}
	return errors.Join(err, ends.Check(at.Name, at.Options))
}

// driverOption reads KEY=VALUE.
func driverOption(at *network.Attachment, text string) error {
	key, value, found := strings.Cut(text, "=")
	if !found || key == "" {
		return errdefs.Errorf(errdefs.ErrInvalid, "network %s: driver option %q: want KEY=VALUE", at.Name, text)
	}
	if at.Options == nil {
		at.Options = map[string]string{}
	}
	at.Options[key] = value
	return nil
}

// Network reads one.
func Network(text string) (at network.Attachment, err error) {
	if text == "" {
		return at, errdefs.Errorf(errdefs.ErrInvalid, "no name set for network")
	}
	if !strings.Contains(text, "=") {
		return network.Attachment{Name: text}, nil
	}
	terms, err := csv.NewReader(strings.NewReader(text)).Read()
	if err != nil {
		return at, errdefs.Errorf(errdefs.ErrInvalid, "network %s: %w", text, err)
	}
	for _, term := range terms {
		key, value, _ := strings.Cut(term, "=")
		switch strings.ToLower(strings.TrimSpace(key)) {
		case "name":
			at.Name = value
		case "alias":
			at.Aliases = append(at.Aliases, value)
		case "ip":
			at.IP, err = address4(text, value)
		case "ip6":
			at.IP6, err = address6(text, value)
		case "mac-address":
			at.MAC, err = hardware(text, value)
		case "link-local-ip":
			err = linkLocal(&at, text, value)
		case "driver-opt":
			err = driverOption(&at, value)
		case "gw-priority":
			if at.Priority, err = strconv.Atoi(value); err != nil {
				err = errdefs.Errorf(errdefs.ErrInvalid, "network %s: gw-priority %q is no number", text, value)
			}
		default:
			err = errdefs.Errorf(errdefs.ErrInvalid,
				"network %s: invalid field key %s; there are name, alias, ip, ip6, mac-address, link-local-ip, driver-opt, gw-priority",
				text, key)
		}
		if err != nil {
			return at, err
		}
	}
	if at.Name == "" {
		return at, errdefs.Errorf(errdefs.ErrInvalid, "no name set for network: %s", text)
	}
	return at, ends.Check(at.Name, at.Options)
}

func address4(what, text string) (netip.Addr, error) {
	ip, err := netip.ParseAddr(text)
	if err != nil || !ip.Is4() {
		return ip, errdefs.Errorf(errdefs.ErrInvalid, "network %s: %q is no IPv4 address", what, text)
	}
	return ip, nil
}

func address6(what, text string) (netip.Addr, error) {
	ip, err := netip.ParseAddr(text)
	if err != nil || !ip.Is6() || ip.Is4In6() || ip.Zone() != "" {
		return ip, errdefs.Errorf(errdefs.ErrInvalid, "network %s: %q is no IPv6 address", what, text)
	}
	return ip, nil
}

func linkLocal(at *network.Attachment, what, text string) error {
	ip, err := netip.ParseAddr(text)
	if err != nil || !ip.IsLinkLocalUnicast() || ip.Zone() != "" || ip.Is4In6() {
		return errdefs.Errorf(errdefs.ErrInvalid,
			"network %s: %q is no link-local address, as 169.254.8.8 or fe80::8", what, text)
	}
	if slices.Contains(at.LinkLocal, ip) {
		return errdefs.Errorf(errdefs.ErrInvalid, "network %s: the link-local address %s is given twice", what, ip)
	}
	at.LinkLocal = append(at.LinkLocal, ip)
	return nil
}

func hardware(what, text string) (string, error) {
	mac, err := net.ParseMAC(text)
	if err != nil || len(mac) != 6 || mac[0]&1 != 0 {
		return "", errdefs.Errorf(errdefs.ErrInvalid, "network %s: %s is not a valid mac address of one station",
			what, text)
	}
	return mac.String(), nil
}

// Link reads CONTAINER[:ALIAS]; without an alias it is the container's name.
func Link(text string) (network.Link, error) {
	name, alias, _ := strings.Cut(strings.TrimPrefix(text, "/"), ":")
	alias = strings.TrimPrefix(alias, "/")
	if name == "" || strings.ContainsAny(alias, ": /") {
		return network.Link{}, errdefs.Errorf(errdefs.ErrInvalid, "link %q: want CONTAINER[:ALIAS]", text)
	}
	return network.Link{ID: name, Alias: alias}, nil
}
