package errdefs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
	"testing"
)

func TestErrorText(t *testing.T) {
	t.Parallel()
	for want, err := range map[string]*Error{
		"registry: reading blob sha256:ab: unexpected EOF": {Side: "registry", Op: "reading", Object: "blob sha256:ab", Err: io.ErrUnexpectedEOF},
		"pulling redis:7: not found":                       {Op: "pulling", Object: "redis:7", Kind: ErrNotFound},
		"container db: it is running":                      {Object: "container db", Kind: ErrConflict, Err: errors.New("it is running")},
		"":                                                 {},
	} {
		if got := err.Error(); got != want {
			t.Errorf("%#v reads %q, want %q", *err, got, want)
		}
	}
}

func TestErrorIsItsKindAndItsCause(t *testing.T) {
	t.Parallel()
	err := fmt.Errorf("outer: %w", &Error{Op: "pulling", Object: "x", Kind: ErrUnavailable, Err: io.ErrUnexpectedEOF})
	var e *Error
	if !errors.Is(err, ErrUnavailable) || !errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, ErrDenied) {
		t.Errorf("kinds of %v", err)
	}
	if !errors.As(err, &e) || e.Object != "x" {
		t.Errorf("its fields: %+v", e)
	}
}

func TestKindOf(t *testing.T) {
	t.Parallel()
	for _, kind := range Kinds() {
		if got := KindOf(fmt.Errorf("wrapped: %w", Errorf(kind, "x"))); !errors.Is(got, kind) {
			t.Errorf("KindOf(%v) = %v", kind, got)
		}
		if got := KindNamed(kind.Error()); !errors.Is(got, kind) {
			t.Errorf("KindNamed(%q) = %v", kind, got)
		}
	}
	if KindOf(io.EOF) != nil || KindOf(nil) != nil || KindNamed("odd") != nil {
		t.Error("a kind where there is none")
	}
	both := Errorf(ErrUnavailable, "no mirror left: %w", Errorf(ErrCorrupt, "bad bytes"))
	if got := KindOf(both); !errors.Is(got, ErrCorrupt) {
		t.Errorf("KindOf(%v) = %v, want the more telling one", both, got)
	}
}

func TestAFileWithoutRoomSuggestsItself(t *testing.T) {
	t.Parallel()
	full := &fs.PathError{Op: "mkdir", Path: "/srv/x", Err: syscall.ENOSPC}
	for _, err := range []error{
		full, fmt.Errorf("writing: %w", full), Errorf(ErrExhausted, "%w", full), errors.Join(full, io.EOF),
		&os.LinkError{Op: "rename", Old: "a", New: "b", Err: syscall.EDQUOT},
	} {
		if s, ok := SuggestionFor(err); !ok || s.Do != FreeSpace {
			t.Errorf("%v: %v, %v", err, s, ok)
		}
	}
	if s, _ := SuggestionFor(Suggest(full, Prune, "")); s.Do != Prune {
		t.Errorf("who knows better is not heard: %v", s)
	}
	for _, err := range []error{nil, syscall.ENOSPC, &fs.PathError{Op: "open", Path: "/", Err: syscall.EACCES}} {
		if s, ok := SuggestionFor(err); ok || s != (Suggestion{}) {
			t.Errorf("%v suggests %v, %v", err, s, ok)
		}
	}
}

func TestSuggest(t *testing.T) {
	t.Parallel()
	cause := Errorf(ErrConflict, "container db: it is running")
	err := fmt.Errorf("removing: %w", Suggest(cause, StopFirst, "db"))
	if err.Error() != "removing: container db: it is running" || !errors.Is(err, ErrConflict) {
		t.Errorf("%v: a suggestion must not show in the text", err)
	}
	if s, ok := SuggestionFor(err); !ok || s != (Suggestion{Do: StopFirst, To: "db"}) {
		t.Errorf("%+v, %v", s, ok)
	}
	if s, _ := SuggestionFor(Suggest(err, Force, "db")); s.Do != Force {
		t.Errorf("%+v: the outermost must win", s)
	}
	if _, ok := SuggestionFor(cause); ok || Suggest(nil, Force, "") != nil {
		t.Error("a suggestion where there is none")
	}
}

func TestOutermost(t *testing.T) {
	t.Parallel()
	inner := &Error{Object: "blob x", Kind: ErrNotFound}
	outer := &Error{Side: "registry", Err: inner}
	for err, want := range map[error]*Error{
		inner: inner, outer: outer, fmt.Errorf("reading: %w", inner): nil, errors.New("other"): nil,
		errors.Join(inner): nil,
	} {
		if got, ok := Outermost(err); got != want || ok != (want != nil) {
			t.Errorf("%v: %v, %v", err, got, ok)
		}
	}
}
