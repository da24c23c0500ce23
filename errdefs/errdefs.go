// Package errdefs names the kinds of failure that every floor of cove shares.
//
// A floor that fails returns an error that [errors.Is] one of the kinds below,
// with a message that names the side, the object and the way out. Only the
// edges translate a kind: distribution/errcode to an HTTP status, internal/cli
// to an exit code. Kinds carry no text of their own into the message.
package errdefs

import (
	"errors"
	"fmt"
)

// The kinds. Compare with errors.Is; create with [Errorf].
var (
	// ErrNotFound: the object named does not exist.
	ErrNotFound = errors.New("not found")
	// ErrExists: the object to be made exists already.
	ErrExists = errors.New("already exists")
	// ErrInvalid: what the caller gave cannot be right, now or later.
	ErrInvalid = errors.New("invalid")
	// ErrUnauthenticated: who the caller is could not be established.
	ErrUnauthenticated = errors.New("unauthenticated")
	// ErrDenied: the caller is known and may not do this.
	ErrDenied = errors.New("denied")
	// ErrConflict: the object is in a state that forbids the operation, as in use.
	ErrConflict = errors.New("conflict")
	// ErrUnavailable: something needed is down or busy; the same call may work later.
	ErrUnavailable = errors.New("unavailable")
	// ErrUnsupported: this build, kernel or peer cannot do it.
	ErrUnsupported = errors.New("unsupported")
	// ErrExhausted: a limit is reached: disk full, quota, too many.
	ErrExhausted = errors.New("exhausted")
	// ErrCorrupt: stored or received bytes do not match their digest.
	ErrCorrupt = errors.New("corrupt")
)

// ErrNotLinked is no kind: this program was built without what the call needs, found out
// before anything was done or told. The command line begins the command again with a
// program that has it, so nobody sees the message.
var ErrNotLinked = errors.New("not linked")

// Kinds lists them all, the more telling first: what is corrupt may be wrapped
// in what is unavailable because of it.
func Kinds() []error {
	return []error{
		ErrCorrupt, ErrExhausted, ErrDenied, ErrUnauthenticated, ErrNotFound, ErrExists, ErrConflict, ErrInvalid,
		ErrUnsupported, ErrUnavailable,
	}
}

// KindOf returns the first of [Kinds] that err is, nil if it is none. To hand a
// kind to another process, send its text and look it up by [KindNamed].
func KindOf(err error) error {
	for _, kind := range Kinds() {
		if errors.Is(err, kind) {
			return kind
		}
	}
	return nil
}

// KindNamed returns the kind whose text is name, nil if there is none.
func KindNamed(name string) error {
	for _, kind := range Kinds() {
		if kind.Error() == name {
			return kind
		}
	}
	return nil
}

// Errorf returns an error of the given kind. Its message is format and args
// alone; a %w among them stays reachable through errors.Is and errors.As too.
func Errorf(kind error, format string, args ...any) error {
	return &kinded{kind: kind, err: fmt.Errorf(format, args...)}
}

type kinded struct{ kind, err error }

func (e *kinded) Error() string   { return e.err.Error() }
func (e *kinded) Unwrap() []error { return []error{e.kind, e.err} }
