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

// Check prints what docker's build --check does: how many warnings there are,
// and each with its lines.
func Check(w io.Writer, source []byte, warnings []builds.Warning) {
	switch n := len(warnings); n {
	case 0:
		fmt.Fprintln(w, "Check complete, no warnings found.")
		return
	case 1:
		fmt.Fprintln(w, "Check complete, 1 warning has been found!")
	default:
		fmt.Fprintf(w, "Check complete, %d warnings have been found!\n", n)
	}
	for _, warning := range warnings {
		fmt.Fprintf(w, "\nWARNING: %s", warning.Rule)
		if warning.URL != "" {
			fmt.Fprintf(w, " - %s", warning.URL)
		}
		fmt.Fprintf(w, "\n%s\n", terminal.Clean(warning.Text))
		Excerpt(w, source, warning.Location)
	}
}
