// Package lint warns of what a Dockerfile says and most likely does not mean: the rules of
// BuildKit, which its linter holds, and the traps of beginners.
package lint

import (
	"slices"

	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"

	"cove/builder/dockerfile/syntax"
	"cove/builder/plan"
	"cove/errdefs"
)

// Arg holds the options of the linter, in place of a "# check=".
const Arg = "BUILDKIT_DOCKERFILE_CHECK"

// Linter collects the warnings of one Dockerfile.
type Linter struct {
	*linter.Linter // with the options that hold where the conversion is
	whole          *linter.Linter
	source         *syntax.Source
	warnings       []plan.Warning
}

// New reads "# check=…", or the build argument in its place if it is not nil.
func New(source *syntax.Source, given *string) (*Linter, error) {
	directive, _, ranges, _ := parser.ParseDirective("check", source.Text)
	loc := source.Range(ranges, "")
	if given != nil {
		directive, loc = *given, plan.Location{File: source.Name}
	}
	cfg, err := linter.ParseLintOptions(directive)
	if err != nil {
		return nil, plan.At(loc, errdefs.Errorf(errdefs.ErrInvalid, "%w", err))
	}
	l := &Linter{source: source}
	cfg.Warn = func(rule, about, url, msg string, ranges []parser.Range) {
		loc := source.Range(ranges, "")
		loc.Instruction = source.At(loc.Line).Instruction
		l.Warn(plan.Warning{Location: loc, Rule: rule, URL: url, Text: msg, Description: about})
	}
	l.whole = linter.New(cfg)
	l.Linter = l.whole
	return l, nil
}

// Below applies the "# check=" of comments above an instruction until the function that
// it returns is called.
func (l *Linter) Below(comments []string) (restore func()) {
	return l.with(l.WithMergedConfigFromComments(comments))
}

// Whole applies the options of the whole file alone until the function that it returns
// is called.
func (l *Linter) Whole() (restore func()) { return l.with(l.whole) }

func (l *Linter) with(rules *linter.Linter) (restore func()) {
	outer := l.Linter
	l.Linter = rules
	return func() { l.Linter = outer }
}

// Warn adds a warning once: a stage may be passed several times.
func (l *Linter) Warn(w plan.Warning) {
	if !slices.Contains(l.warnings, w) {
		l.warnings = append(l.warnings, w)
	}
}

// Warnings are those so far, in the order of their lines.
func (l *Linter) Warnings() []plan.Warning {
	slices.SortStableFunc(l.warnings, func(a, b plan.Warning) int { return a.Location.Line - b.Location.Line })
	return l.warnings
}

// Err makes the warnings an error, where the author wants that.
func (l *Linter) Err() error {
	if !l.ReturnAsError || len(l.warnings) == 0 {
		return nil
	}
	all := l.Warnings()
	return plan.At(all[0].Location, errdefs.Errorf(errdefs.ErrInvalid, "%w", &plan.LintError{Warnings: all}))
}
