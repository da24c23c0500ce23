package pki

import (
	"crypto/x509"
	"net"
	"os"
	"slices"
	"strings"

	"cove/errdefs"
)

// Names are what a certificate is valid for: its subject alternative names.
type Names struct {
	DNS []string
	IPs []net.IP
}

// ParseNames reads names as people write them: "harbor.example.com",
// "10.0.0.5", and OpenSSL's "DNS:harbor.example.com" and "IP:10.0.0.5".
func ParseNames(texts ...string) (Names, error) {
	var n Names
	for _, text := range texts {
		for part := range strings.SplitSeq(text, ",") {
			if err := n.add(strings.TrimSpace(part)); err != nil {
				return Names{}, err
			}
		}
	}
	return n, nil
}

func (n *Names) add(text string) error {
	kind, value, typed := strings.Cut(text, ":")
	switch {
	case typed && strings.EqualFold(kind, "DNS"):
		text = value
		if net.ParseIP(value) != nil {
			return errdefs.Errorf(errdefs.ErrInvalid, "name %q: %s is an address; use IP:%s", kind+":"+value, value,
				value)
		}
	case typed && (strings.EqualFold(kind, "IP") || strings.EqualFold(kind, "IP Address")):
		text = value
		if net.ParseIP(value) == nil {
			return errdefs.Errorf(errdefs.ErrInvalid, "name %q: %s is not an IP address; use DNS:%s", kind+":"+value,
				value, value)
		}
	}
	if ip := net.ParseIP(strings.Trim(text, "[]")); ip != nil {
		n.addIP(ip)
		return nil
	}
	if !isHostname(text) {
		return errdefs.Errorf(errdefs.ErrInvalid,
			"name %q: want a host name or an IP address, without scheme, port or path", text)
	}
	n.addDNS(strings.ToLower(text))
	return nil
}

func (n *Names) addDNS(name string) {
	if !slices.Contains(n.DNS, name) {
		n.DNS = append(n.DNS, name)
	}
}

func (n *Names) addIP(ip net.IP) {
	if v4 := ip.To4(); v4 != nil {
		ip = v4
	}
	if !slices.ContainsFunc(n.IPs, ip.Equal) {
		n.IPs = append(n.IPs, ip)
	}
}

// isHostname says whether a certificate can carry the name: RFC 1123, with
// "*." in front for all names one level below, and the underscore that many
// internal names have.
func isHostname(name string) bool {
	name = strings.TrimPrefix(name, "*.")
	if name == "" || len(name) > 253 {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, c := range label {
			if c != '-' && c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
				return false
			}
		}
	}
	return true
}

// WithLocal adds the names by which this machine may be reached: localhost,
// its host name and every address of its interfaces.
func (n Names) WithLocal() Names {
	out := Names{DNS: slices.Clone(n.DNS), IPs: slices.Clone(n.IPs)}
	out.addDNS("localhost")
	if host, err := os.Hostname(); err == nil && isHostname(host) {
		out.addDNS(strings.ToLower(host))
	}
	for _, ip := range []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback} {
		out.addIP(ip)
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return out // without them the names given still work
	}
	for _, a := range addrs {
		if ipnet, ok := a.(*net.IPNet); ok && !ipnet.IP.IsLinkLocalUnicast() {
			out.addIP(ipnet.IP)
		}
	}
	return out
}

// coveredBy says whether the certificate is valid for every one of the names.
func (n Names) coveredBy(cert *x509.Certificate) bool {
	for _, name := range n.DNS {
		if !slices.Contains(cert.DNSNames, name) {
			return false
		}
	}
	for _, ip := range n.IPs {
		if !slices.ContainsFunc(cert.IPAddresses, ip.Equal) {
			return false
		}
	}
	return true
}

// NamesOf lists what a certificate is valid for.
func NamesOf(cert *x509.Certificate) []string {
	names := slices.Clone(cert.DNSNames)
	for _, ip := range cert.IPAddresses {
		names = append(names, ip.String())
	}
	for _, u := range cert.URIs {
		names = append(names, u.String())
	}
	return names
}

// First is the first of the names, "" when there is none.
func (n Names) First() string {
	switch {
	case len(n.DNS) > 0:
		return n.DNS[0]
	case len(n.IPs) > 0:
		return n.IPs[0].String()
	}
	return ""
}
