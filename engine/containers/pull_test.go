package containers

import (
	"errors"
	"slices"
	"testing"

	"cove/engine/parts"
	"cove/engine/runspec"
	"cove/errdefs"
	"cove/layers/compress/codec"
)

// TestCannotPull: a program that links nothing to unpack layers says so before it tells
// or asks anybody, and says that an image is missing as it always does where it may not
// be pulled.
func TestCannotPull(t *testing.T) {
	var told []string
	p, err := parts.Of(parts.Config{
		Root:   t.TempDir(),
		Notify: func(s string) { told = append(told, s) },
	})
	if err != nil {
		t.Fatal(err)
	}
	cs := &Containers{parts: p}
	for policy, want := range map[PullPolicy]error{
		"":          errdefs.ErrNotLinked,
		PullMissing: errdefs.ErrNotLinked,
		PullAlways:  errdefs.ErrNotLinked,
		PullNever:   errdefs.ErrNotFound,
	} {
		o := CreateOptions{Options: runspec.Options{Image: "localhost:1/missing"}, Pull: policy}
		if _, err := cs.imageToRun(t.Context(), nil, o); !errors.Is(err, want) {
			t.Errorf("%q: %v", policy, err)
		}
	}
	if told = slices.Compact(told); len(told) > 0 {
		t.Errorf("told: %q", told)
	}
	codec.Use(codec.Libraries{})
	if err := CanPull(); err != nil {
		t.Errorf("with libraries: %v", err)
	}
}
