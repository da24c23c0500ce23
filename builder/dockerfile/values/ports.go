package values

import (
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/linter"
)

// Ports reads "80", "80/udp" or "7000-7010" into "80/tcp" and so on.
func Ports(spec string, warn func(linter.LinterRuleI, string)) ([]string, error) {
	rest, proto, _ := strings.Cut(spec, "/")
	if proto != strings.ToLower(proto) {
		warn(&linter.RuleExposeProtoCasing, linter.RuleExposeProtoCasing.Format(spec))
	}
	switch proto = strings.ToLower(proto); proto {
	case "":
		proto = "tcp"
	case "tcp", "udp", "sctp":
	default:
		return nil, invalid("port %q: the protocol is one of tcp, udp, sctp", spec)
	}
	if i := strings.LastIndexByte(rest, ':'); i >= 0 {
		// An address or host port does nothing here, and docker takes it.
		warn(&linter.RuleExposeInvalidFormat, linter.RuleExposeInvalidFormat.Format(spec))
		rest = rest[i+1:]
	}
	from, to, isRange := strings.Cut(rest, "-")
	if !isRange {
		to = from
	}
	lo, err1 := strconv.ParseUint(from, 10, 16)
	hi, err2 := strconv.ParseUint(to, 10, 16)
	if err1 != nil || err2 != nil || hi < lo {
		return nil, invalid("port %q is not a number or range between 0 and 65535", spec)
	}
	var out []string
	for p := lo; p <= hi; p++ {
		out = append(out, strconv.FormatUint(p, 10)+"/"+proto)
	}
	return out, nil
}
