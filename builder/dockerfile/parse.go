package dockerfile

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"

	"cove/builder/plan"
	"cove/errdefs"
	"cove/reference"
)

// maxSize is the largest Dockerfile that is read.
const maxSize = 16 << 20

// file is a parsed Dockerfile.
type file struct {
	stages []instructions.Stage
	global []instructions.ArgCommand
	escape rune
}

// parse reads the syntax and fires the rules that need nothing else.
func (c *converter) parse(src []byte) (f file, err error) {
	// The parser has panicked on bad input before; bytes from outside must not
	// end the process.
	defer func() {
		if p := recover(); p != nil {
			err = plan.At(plan.Location{File: c.opt.Name},
				errdefs.Errorf(errdefs.ErrInvalid, "the parser gave up: %v", p))
		}
	}()
	if len(src) > maxSize {
		return f, plan.At(plan.Location{File: c.opt.Name},
			errdefs.Errorf(errdefs.ErrInvalid, "larger than %d MiB", maxSize>>20))
	}
	if err := c.newLinter(src); err != nil {
		return f, err
	}
	if err := c.checkSyntax(src); err != nil {
		return f, err
	}
	tree, err := parser.Parse(bytes.NewReader(src))
	if err != nil {
		return f, c.syntaxError(err)
	}
	if err := c.checkTypography(tree.AST); err != nil {
		return f, err
	}
	for _, w := range tree.Warnings {
		if w.URL == linter.RuleNoEmptyContinuation.URL && w.Location != nil {
			c.lint.Run(&linter.RuleNoEmptyContinuation, []parser.Range{*w.Location},
				linter.RuleNoEmptyContinuation.Format())
		}
	}
	f.escape = tree.EscapeToken
	f.stages, f.global, err = instructions.Parse(tree.AST, c.lint)
	if err != nil {
		return f, c.syntaxError(err)
	}
	if len(f.stages) == 0 {
		return f, plan.At(plan.Location{File: c.opt.Name},
			errdefs.Errorf(errdefs.ErrInvalid, "no FROM: there is nothing to build"))
	}
	c.lintStages(f.stages)
	c.lintCasing(f.stages)
	return f, nil
}

// checkSyntax refuses a frontend other than docker's own: it would mean other
// instructions than these.
func (c *converter) checkSyntax(src []byte) error {
	if ref, ok := c.opt.BuildArgs[syntaxArg]; ok {
		return plan.At(plan.Location{File: c.opt.Name, Instruction: "build argument " + syntaxArg}, checkFrontend(ref))
	}
	ref, _, loc, ok := parser.DetectSyntax(src)
	if !ok {
		return nil
	}
	line := 1
	if len(loc) > 0 {
		line = loc[0].Start.Line
	}
	return plan.At(c.source.at(line), checkFrontend(ref))
}

// syntaxArg names a frontend in place of a "# syntax=".
const syntaxArg = "BUILDKIT_SYNTAX"

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

// reLine finds the line in the one error of the parser that has it as text.
var reLine = regexp.MustCompile(`^dockerfile parse error on line (\d+): `)

// syntaxError puts file, line and instruction before an error of the parser.
func (c *converter) syntaxError(err error) error {
	line, text := 0, err.Error()
	if loc := (*parser.LocationError)(nil); errors.As(err, &loc) && len(loc.Locations) > 0 &&
		len(loc.Locations[0]) > 0 {
		line = loc.Locations[0][0].Start.Line
	}
	if m := reLine.FindStringSubmatch(text); m != nil {
		line, _ = strconv.Atoi(m[1])
		text = text[len(m[0]):]
	}
	loc := c.source.at(line)
	return plan.At(loc, errdefs.Errorf(errdefs.ErrInvalid, "%s%s", text, hint(loc.Instruction, text)))
}

// hint explains the mistakes that the parser's own words do not.
func hint(instruction, text string) string {
	if i := strings.IndexFunc(instruction, isQuote); i >= 0 {
		return ": " + typographic(instruction[i:])
	}
	fields := strings.Fields(instruction)
	if len(fields) == 0 {
		return ""
	}
	if strings.EqualFold(fields[0], "FROM") && strings.Contains(instruction, "#") &&
		strings.Contains(text, "FROM requires") {
		return ": a comment needs a line of its own, # elsewhere is part of the instruction"
	}
	if strings.Contains(text, "unknown instruction") && !strings.Contains(text, "did you mean") &&
		fields[0] == strings.ToLower(fields[0]) {
		return ": if it goes on with the line before, that must end with a backslash"
	}
	return ""
}

// source is the text, for locations.
type source struct {
	name  string
	lines []string
}

func newSource(name string, src []byte) *source {
	return &source{name: name, lines: strings.Split(string(src), "\n")}
}

// at returns the location of the instruction that begins on line.
func (s *source) at(line int) plan.Location {
	loc := plan.Location{File: s.name, Line: line}
	if line >= 1 && line <= len(s.lines) {
		loc.Instruction = strings.TrimSpace(s.lines[line-1])
	}
	return loc
}

// at returns where an instruction of this text stands.
func (c *converter) at(ranges []parser.Range, text string) plan.Location {
	loc := plan.Location{File: c.opt.Name, Instruction: text}
	if len(ranges) > 0 {
		loc.Line, loc.End = ranges[0].Start.Line, ranges[len(ranges)-1].End.Line
	}
	return loc
}

// text is an instruction as it was written.
func text(cmd instructions.Command) string {
	if s, ok := cmd.(fmt.Stringer); ok {
		return s.String()
	}
	return strings.ToUpper(cmd.Name())
}
