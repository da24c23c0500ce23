package steps

import (
	"fmt"
	"io"
	"strings"

	"cove/engine/builds"
	"cove/internal/cli/terminal"
)

// Excerpt prints the lines of a Dockerfile around an instruction, with >>> at
// those of the instruction itself. Without a line it prints nothing.
func Excerpt(w io.Writer, source []byte, at builds.Location) {
	lines := strings.Split(strings.TrimSuffix(string(source), "\n"), "\n")
	first, last := at.Line, min(max(at.Line, at.End), len(lines))
	if first < 1 || first > len(lines) {
		return
	}
	around := 2
	if first == last {
		around = 3
	}
	fmt.Fprintf(w, "%s:%d\n--------------------\n", terminal.Clean(at.File), first)
	for n := max(1, first-around); n <= min(len(lines), last+around); n++ {
		mark := "   "
		if n >= first && n <= last {
			mark = ">>>"
		}
		fmt.Fprintf(w, " %3d | %s %s\n", n, mark, terminal.Clean(lines[n-1]))
	}
	fmt.Fprintln(w, "--------------------")
}
