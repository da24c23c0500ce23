package subrequest

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"

	"cove/builder/plan"
)

// Lint is what is said of a Dockerfile, and what is wrong with it.
type Lint struct {
	Warnings []Warning   `json:"warnings"`
	Sources  []Source    `json:"sources"`
	Error    *BuildError `json:"buildError,omitempty"`
}

// Warning is advice about some lines.
type Warning struct {
	Rule        string    `json:"ruleName"`
	Description string    `json:"description,omitempty"`
	URL         string    `json:"url,omitempty"`
	Detail      string    `json:"detail,omitempty"`
	Location    *Location `json:"location,omitempty"`
}

// Source is the Dockerfile.
type Source struct {
	Filename string `json:"filename,omitempty"`
	Data     []byte `json:"data,omitempty"`
	Language string `json:"language,omitempty"`
}

// BuildError is what a build would end with before its first step.
type BuildError struct {
	Message  string   `json:"message"`
	Location Location `json:"location"`
}

// NewLint is the answer about a Dockerfile: its warnings, and the error of its plan, if
// there is one.
func NewLint(file string, text []byte, warnings []plan.Warning, err error) *Lint {
	l := &Lint{Sources: []Source{{Filename: file, Data: text, Language: "Dockerfile"}}}
	for _, w := range warnings {
		l.Warnings = append(l.Warnings, Warning{
			Rule: w.Rule, Description: w.Description, URL: w.URL, Detail: w.Text, Location: At(w.Location),
		})
	}
	if err != nil {
		l.Error = &BuildError{Message: err.Error()}
		if at := (*plan.Error)(nil); errors.As(err, &at) {
			l.Error.Location = *At(at.Location)
		}
	}
	return l
}

// Status implements Answer.
func (l *Lint) Status() int {
	if len(l.Warnings) > 0 || l.Error != nil {
		return 1
	}
	return 0
}

// Print implements Answer. The error is left to whoever asked.
func (l *Lint) Print(w io.Writer) {
	switch n := len(l.Warnings); {
	case n == 1:
		fmt.Fprintln(w, "Check complete, 1 warning has been found!")
	case n > 1:
		fmt.Fprintf(w, "Check complete, %d warnings have been found!\n", n)
	case l.Error == nil:
		fmt.Fprintln(w, "Check complete, no warnings found.")
	}
	l.Each(w)
}

// Each prints the warnings.
func (l *Lint) Each(w io.Writer) {
	for _, warning := range l.Warnings {
		fmt.Fprintf(w, "\nWARNING: %s", warning.Rule)
		if warning.URL != "" {
			fmt.Fprintf(w, " - %s", warning.URL)
		}
		fmt.Fprintf(w, "\n%s\n", clean(warning.Detail))
		l.Sources[0].show(w, warning.Location.Ranges)
	}
}

// show prints the lines of ranges, and as many around them as BuildKit does.
func (s Source) show(w io.Writer, at []Range) {
	lines := strings.Split(string(s.Data), "\n")
	if len(at) == 0 || at[0].Start.Line > len(lines) {
		return
	}
	first, last := at[0].Start.Line, min(at[len(at)-1].End.Line, len(lines))
	from, to := around(first, last, len(lines))
	fmt.Fprintf(w, "%s:%d\n--------------------\n", clean(s.Filename), first)
	for n := from; n <= to; n++ {
		mark := "   "
		if n >= first && n <= last {
			mark = ">>>"
		}
		fmt.Fprintf(w, " %3d | %s %s\n", n, mark, clean(lines[n-1]))
	}
	fmt.Fprintln(w, "--------------------")
}

// around widens some lines: a single one by two on each side, several by one.
func around(first, last, all int) (from, to int) {
	more := 1
	if first == last {
		more = 2
	}
	return max(1, first-more), min(all, last+more)
}

// clean leaves the control characters of a Dockerfile out of a terminal.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r != '\t' && unicode.IsControl(r) {
			return -1
		}
		return r
	}, s)
}
