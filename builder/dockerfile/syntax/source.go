package syntax

import (
	"errors"
	"regexp"
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/parser"

	"cove/builder/plan"
	"cove/errdefs"
)

// Source is the text of a Dockerfile; it knows where everything stands in it.
type Source struct {
	Name  string // of the file
	Text  []byte
	Lines []string
}

// NewSource reads the text of the file that is called name.
func NewSource(name string, src []byte) *Source {
	return &Source{Name: name, Text: src, Lines: strings.Split(string(src), "\n")}
}

// At returns the location of the instruction that begins on line.
func (s *Source) At(line int) plan.Location {
	loc := plan.Location{File: s.Name, Line: line}
	if line >= 1 && line <= len(s.Lines) {
		loc.Instruction = strings.TrimSpace(s.Lines[line-1])
	}
	return loc
}

// Range returns where an instruction of this text stands.
func (s *Source) Range(ranges []parser.Range, text string) plan.Location {
	loc := plan.Location{File: s.Name, Instruction: text}
	if len(ranges) > 0 {
		loc.Line, loc.End = ranges[0].Start.Line, ranges[len(ranges)-1].End.Line
	}
	return loc
}

// reLine finds the line in the one error of the parser that has it as text.
var reLine = regexp.MustCompile(`^dockerfile parse error on line (\d+): `)

// Error puts file, line and instruction before an error of the parser.
func (s *Source) Error(err error) error {
	line, text := 0, err.Error()
	if loc := (*parser.LocationError)(nil); errors.As(err, &loc) && len(loc.Locations) > 0 &&
		len(loc.Locations[0]) > 0 {
		line = loc.Locations[0][0].Start.Line
	}
	if m := reLine.FindStringSubmatch(text); m != nil {
		line, _ = strconv.Atoi(m[1])
		text = text[len(m[0]):]
	}
	loc := s.At(line)
	return plan.At(loc, errdefs.Errorf(errdefs.ErrInvalid, "%s%s", text, hint(loc.Instruction, text)))
}

// hint explains the mistakes that the parser's own words do not.
func hint(instruction, text string) string {
	if i := strings.IndexFunc(instruction, isQuote); i >= 0 {
		return ": " + Typographic(instruction[i:])
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
