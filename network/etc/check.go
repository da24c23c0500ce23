package etc

import (
	"net/netip"
	"strings"
	"unicode"

	"cove/errdefs"
)

// CheckResolver refuses what is no line of a resolv.conf: servers are addresses, domains
// are names, or "." for none, and an option is one word.
func CheckResolver(servers, domains, options []string) error {
	for _, s := range servers {
		if _, err := netip.ParseAddr(strings.Trim(s, "[]")); err != nil {
			return errdefs.Errorf(errdefs.ErrInvalid, "name server %q: want an address, as 9.9.9.9", s)
		}
	}
	for _, d := range domains {
		if d != "." && !isDomain(strings.TrimSuffix(d, ".")) {
			return errdefs.Errorf(errdefs.ErrInvalid, "search domain %q: want a name, as example.com, or . for none", d)
		}
	}
	for _, o := range options {
		if len(strings.Fields(o)) != 1 || strings.TrimSpace(o) != o {
			return errdefs.Errorf(errdefs.ErrInvalid, "option of the resolver %q: want one word, as ndots:2", o)
		}
	}
	return nil
}

// CheckHost refuses a name that would be no single word of a line of /etc/hosts. Any other
// may be one, as those of docker.
func CheckHost(name string) error {
	if strings.ContainsFunc(name, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) || r == '#' }) {
		return errdefs.Errorf(errdefs.ErrInvalid, "host name %q: want one word, without spaces and #", name)
	}
	return nil
}

func isDomain(name string) bool {
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || strings.ContainsFunc(label, notInLabel) {
			return false
		}
	}
	return len(name) <= 253
}

// notInLabel is for what names are not made of; an underscore is in those of services.
func notInLabel(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
}
