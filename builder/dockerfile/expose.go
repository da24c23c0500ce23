package dockerfile

import (
	"fmt"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"

	"cove/builder/dockerfile/values"
	"cove/builder/dockerfile/vars"
	"cove/builder/plan"
)

func (c *converter) expose(s *state, cmd *instructions.ExposeCommand) error {
	warn := func(rule linter.LinterRuleI, text string) { c.lint.Run(rule, cmd.Location(), text) }
	var ports []string
	for _, word := range cmd.Ports {
		words, err := c.lex.ProcessWords(word, s.vars)
		if err != nil {
			return invalid("%w", vars.Unclosed(err))
		}
		for _, w := range words {
			more, err := values.Ports(w, warn)
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
