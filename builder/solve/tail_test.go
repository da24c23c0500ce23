package solve

import (
	"slices"
	"strings"
	"testing"
)

func TestTail(t *testing.T) {
	t.Parallel()
	var tl tail
	if tl.lines() != nil {
		t.Error("nothing was written")
	}
	for i := range 10_000 {
		tl.add([]byte("line " + strings.Repeat("x", i%50) + "\n"))
	}
	tl.add([]byte("last"))
	ls := tl.lines()
	if len(ls) != tailLines || ls[len(ls)-1] != "last" || len(tl.buf) > 3*tailBytes {
		t.Errorf("%d lines, %d bytes, last %q", len(ls), len(tl.buf), slices.Max(ls))
	}
}
