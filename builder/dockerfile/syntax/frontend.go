package syntax

import (
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/parser"

	"cove/builder/plan"
	"cove/errdefs"
	"cove/reference"
)

// Arg names a frontend in place of a "# syntax=".
const Arg = "BUILDKIT_SYNTAX"

// CheckFrontend refuses a frontend other than docker's own: it would mean other
// instructions than these. given names it in place of the text, if it is not nil.
func (s *Source) CheckFrontend(given *string) error {
	if given != nil {
		return plan.At(plan.Location{File: s.Name, Instruction: "build argument " + Arg}, checkFrontend(*given))
	}
	ref, _, loc, ok := parser.DetectSyntax(s.Text)
	if !ok {
		return nil
	}
	line := 1
	if len(loc) > 0 {
		line = loc[0].Start.Line
	}
	return plan.At(s.At(line), checkFrontend(ref))
}

// checkFrontend refuses a reference that is not docker's own frontend, or the
// same under the name of a mirror: HOST/PATH/docker/dockerfile.
func checkFrontend(name string) error {
	ref, err := reference.Parse(name)
	if err != nil {
		return invalid("the frontend %q: %w", name, err)
	}
	repo := "/" + ref.Repository
	if strings.HasSuffix(repo, "/docker/dockerfile") || strings.HasSuffix(repo, "/docker/dockerfile-upstream") {
		return nil
	}
	return errdefs.Errorf(errdefs.ErrUnsupported,
		"the frontend %s is not supported: docker/dockerfile is what is built in, "+
			"under the name of any mirror", name)
}

func invalid(format string, args ...any) error {
	return errdefs.Errorf(errdefs.ErrInvalid, format, args...)
}
