package plan

import (
	"fmt"
	"slices"
	"strings"
)

// maxInstruction is how much of an instruction an error shows.
const maxInstruction = 100

// Error is a failure at one line of a Dockerfile. It reads
// "Dockerfile:7: COPY nope /: what went wrong".
type Error struct {
	Location Location
	// Source is the whole Dockerfile, for whoever shows its lines; it may be nil.
	Source []byte
	Err    error
}

// LintError is a Dockerfile whose author wants warnings to be errors.
type LintError struct{ Warnings []Warning }

func (e *LintError) Error() string {
	var rules []string
	for _, w := range e.Warnings {
		rules = append(rules, w.Rule)
	}
	slices.Sort(rules)
	return "lint violation found for rules: " + strings.Join(slices.Compact(rules), ", ")
}

// At puts loc before err. An error that has a location already keeps it: the
// innermost is where the trouble is.
func At(loc Location, err error) error {
	if err == nil {
		return nil
	}
	return &Error{Location: loc, Err: err}
}

func (e *Error) Error() string {
	return e.Location.String() + ": " + e.Err.Error()
}

// Unwrap returns the error without its location.
func (e *Error) Unwrap() error { return e.Err }

// String is "FILE:LINE: INSTRUCTION", as far as they are known.
func (l Location) String() string {
	s := l.File
	if l.Line > 0 {
		s = fmt.Sprintf("%s:%d", l.File, l.Line)
	}
	if l.Instruction == "" {
		return s
	}
	text := strings.Join(strings.Fields(l.Instruction), " ")
	if r := []rune(text); len(r) > maxInstruction {
		text = string(r[:maxInstruction]) + "…"
	}
	return s + ": " + text
}
