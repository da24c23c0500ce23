package codec

import (
	"errors"
	"testing"

	"cove/errdefs"
)

// TestLinked: a program without the libraries is told so, as an error of its own.
func TestLinked(t *testing.T) {
	if libs, err := Linked(); libs != nil || !errors.Is(err, errdefs.ErrNotLinked) || errdefs.KindOf(err) != nil {
		t.Errorf("without: %v, %v", libs, err)
	}
	Use(Libraries{})
	t.Cleanup(func() { linked = nil })
	if libs, err := Linked(); libs == nil || err != nil {
		t.Errorf("with: %v, %v", libs, err)
	}
}
