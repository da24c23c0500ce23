package dockerfile

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"

	"cove/builder/plan"
)

func (c *converter) expose(s *state, cmd *instructions.ExposeCommand) error {
	var ports []string
	for _, word := range cmd.Ports {
		words, err := c.lex.ProcessWords(word, s.vars)
		if err != nil {
			return invalid("%w", err)
		}
		for _, w := range words {
			more, err := c.ports(w, cmd)
			if err != nil {
				return err
			}
			ports = append(ports, more...)
		}
	}
	if s.config.ExposedPorts == nil {
		s.config.ExposedPorts = map[string]struct{}{}
	}
	for _, p := range ports {
		s.config.ExposedPorts[p] = struct{}{}
	}
	s.record(fmt.Sprintf("EXPOSE %v", ports), plan.None, c.opt)
	return nil
}

// ports reads "80", "80/udp" or "7000-7010" into "80/tcp" and so on.
func (c *converter) ports(spec string, cmd *instructions.ExposeCommand) ([]string, error) {
	rest, proto, _ := strings.Cut(spec, "/")
	if proto != strings.ToLower(proto) {
		c.lint.Run(&linter.RuleExposeProtoCasing, cmd.Location(), linter.RuleExposeProtoCasing.Format(spec))
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
		c.lint.Run(&linter.RuleExposeInvalidFormat, cmd.Location(), linter.RuleExposeInvalidFormat.Format(spec))
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
