package errdefs

import (
	"errors"
	"strings"
)

// Error is a failure as a value. Floors make it; what people read is made of it
// at an edge, which may leave out what it says itself, or translate Kind to a
// status. No one reads the text to find out
// what happened.
type Error struct {
	// Side is who could not: "registry", "runner", "network"; "" when that is
	// plain from Op and Object.
	Side string
	// Op is what was being done, as a gerund: "pulling", "reading".
	Op string
	// Object is what it was done to, as the caller named it: "redis:7",
	// "blob sha256:…".
	Object string
	// Kind is one of the kinds of this package; nil when Err tells.
	Kind error
	// Err is why.
	Err error
}

// Error is "side: op object: why", without what is empty.
func (e *Error) Error() string {
	var parts []string
	if e.Side != "" {
		parts = append(parts, e.Side)
	}
	if what := strings.TrimSpace(e.Op + " " + e.Object); what != "" {
		parts = append(parts, what)
	}
	if e.Err != nil {
		parts = append(parts, e.Err.Error())
	} else if e.Kind != nil {
		parts = append(parts, e.Kind.Error())
	}
	return strings.Join(parts, ": ")
}

// Unwrap returns the kind and the cause.
func (e *Error) Unwrap() []error {
	var errs []error
	if e.Kind != nil {
		errs = append(errs, e.Kind)
	}
	if e.Err != nil {
		errs = append(errs, e.Err)
	}
	return errs
}

// Outermost is the Error that err itself is; one that err only wraps is not.
func Outermost(err error) (*Error, bool) {
	var e *Error
	// What e wraps can be err only when it is e.
	if !errors.As(err, &e) || !errors.Is(e, err) {
		return nil, false
	}
	return e, true
}
