package command

import (
	"slices"
	"strings"
	"testing"
)

func TestTail(t *testing.T) {
	t.Parallel()
	var tl Tail
	if tl.Lines() != nil {
		t.Error("nothing was written")
	}
	for i := range 10_000 {
		tl.Add([]byte("line " + strings.Repeat("x", i%50) + "\n"))
	}
	tl.Add([]byte("last"))
	ls := tl.Lines()
	if len(ls) != tailLines || ls[len(ls)-1] != "last" || len(tl.buf) > 3*tailBytes {
		t.Errorf("%d lines, %d bytes, last %q", len(ls), len(tl.buf), slices.Max(ls))
	}
}
