package errdefs

import (
	"errors"
	"fmt"
	"io"
	"testing"
)

func TestErrorf(t *testing.T) {
	t.Parallel()
	err := Errorf(ErrCorrupt, "reading blob %s: %w", "sha256:ab", io.ErrUnexpectedEOF)
	wrapped := fmt.Errorf("pulling redis: %w", err)
	if got, want := wrapped.Error(), "pulling redis: reading blob sha256:ab: unexpected EOF"; got != want {
		t.Errorf("message %q, want %q: the kind must not show", got, want)
	}
	for _, is := range []error{ErrCorrupt, io.ErrUnexpectedEOF, err} {
		if !errors.Is(wrapped, is) {
			t.Errorf("errors.Is(err, %v) = false", is)
		}
	}
	for _, not := range []error{ErrNotFound, ErrInvalid, io.EOF} {
		if errors.Is(wrapped, not) {
			t.Errorf("errors.Is(err, %v) = true", not)
		}
	}
}

func TestErrorfKeepsBothKinds(t *testing.T) {
	t.Parallel()
	inner := Errorf(ErrNotFound, "blob is gone")
	outer := Errorf(ErrUnavailable, "asking the mirror: %w", inner)
	if !errors.Is(outer, ErrUnavailable) || !errors.Is(outer, ErrNotFound) {
		t.Errorf("kinds of %v: want both the outer and the inner", outer)
	}
}

type codeError struct{ code int }

func (codeError) Error() string { return "code" }

func TestErrorfAs(t *testing.T) {
	t.Parallel()
	err := Errorf(ErrDenied, "pushing: %w", codeError{403})
	var c codeError
	if !errors.As(err, &c) || c.code != 403 {
		t.Errorf("errors.As found %+v", c)
	}
}
