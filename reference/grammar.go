package reference

import (
	// go-digest asks the crypto registry for its algorithms.
	_ "crypto/sha256"
	_ "crypto/sha512"
	"net/netip"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"

	"cove/errdefs"
)

const (
	maxName = 255 // registry, slash and repository together
	maxTag  = 128
)

// ParseDigest checks a digest in its string form: sha256 or sha512 with the
// exact number of lower-case hexadecimal digits. Errors are errdefs.ErrInvalid.
func ParseDigest(s string) (digest.Digest, error) {
	alg, _, _ := strings.Cut(s, ":")
	if alg != string(digest.SHA256) && alg != string(digest.SHA512) {
		return "", errdefs.Errorf(errdefs.ErrInvalid, "digest %q: want sha256:… or sha512:…", s)
	}
	d, err := digest.Parse(s)
	if err != nil {
		return "", errdefs.Errorf(errdefs.ErrInvalid, "digest %q: want the %d hexadecimal digits of %s", s,
			digest.Algorithm(alg).Size()*2, alg)
	}
	return d, nil
}

// Encoded is an id, or the beginning of one, without the algorithm of a digest.
func Encoded(id string) string {
	for _, algorithm := range []digest.Algorithm{digest.SHA256, digest.SHA512} {
		if hex, ok := strings.CutPrefix(id, algorithm.String()+":"); ok {
			return hex
		}
	}
	return id
}

// ValidRepository reports whether s is a repository name by the Distribution
// specification:
//
//	[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*
//
// of at most 255 bytes.
func ValidRepository(s string) bool {
	if s == "" || len(s) > maxName {
		return false
	}
	for component := range strings.SplitSeq(s, "/") {
		if !validComponent(component) {
			return false
		}
	}
	return true
}

// validComponent walks runs of letters and digits parted by single separators.
func validComponent(s string) bool {
	for {
		n := 0
		for n < len(s) && isLowerAlnum(s[n]) {
			n++
		}
		if n == 0 {
			return false
		}
		if s = s[n:]; s == "" {
			return true
		}
		switch {
		case strings.HasPrefix(s, "__"):
			s = s[2:]
		case s[0] == '-':
			s = strings.TrimLeft(s, "-")
		case s[0] == '.' || s[0] == '_':
			s = s[1:]
		default:
			return false
		}
	}
}

// ValidTag reports whether s is a tag: [a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}.
func ValidTag(s string) bool {
	if s == "" || len(s) > maxTag || s[0] == '.' || s[0] == '-' {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if !isLowerAlnum(c) && (c < 'A' || c > 'Z') && c != '_' && c != '.' && c != '-' {
			return false
		}
	}
	return true
}

// validHost accepts a DNS name, an IPv4 address or an IPv6 address in brackets,
// with an optional port.
func validHost(s string) bool {
	host, port, hasPort := s, "", false
	if i := strings.LastIndexByte(s, ':'); i > strings.LastIndexByte(s, ']') {
		host, port, hasPort = s[:i], s[i+1:], true
	}
	if hasPort {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 || port[0] == '+' {
			return false
		}
	}
	if inner, ok := strings.CutPrefix(host, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		addr, err := netip.ParseAddr(inner)
		return ok && err == nil && addr.Is6() && addr.Zone() == ""
	}
	for label := range strings.SplitSeq(host, ".") {
		if !validLabel(label) {
			return false
		}
	}
	return true
}

func validLabel(s string) bool {
	if s == "" || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !isLowerAlnum(c) && (c < 'A' || c > 'Z') && c != '-' {
			return false
		}
	}
	return true
}

func isLowerAlnum(c byte) bool { return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' }

func isHex64(s string) bool {
	if len(s) != 64 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
