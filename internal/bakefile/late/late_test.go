package late

import (
	"errors"
	"testing"

	"cove/errdefs"
)

// TestParser: a program that links none is told so, before anything is read.
func TestParser(t *testing.T) {
	if _, err := Parser(); !errors.Is(err, errdefs.ErrNotLinked) {
		t.Errorf("%v, want that it is not linked", err)
	}
}
