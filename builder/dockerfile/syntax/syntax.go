// Package syntax reads the text of a Dockerfile with BuildKit's parser, and says what
// is wrong with it at its line: frontends that are not built in, typographic dashes and
// quotes, and the mistakes that the parser's own words do not explain.
package syntax

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"

	"cove/builder/plan"
)

// File is a parsed Dockerfile.
type File struct {
	Stages []instructions.Stage
	Global []instructions.ArgCommand // the ARGs before the first FROM
	Escape rune
	// Instructions is the tree that the rest was read from.
	Instructions *parser.Node
}

// Parse reads the instructions, and fires the rules of lint that belong to the syntax.
func (s *Source) Parse(lint *linter.Linter) (f File, err error) {
	tree, err := parser.Parse(bytes.NewReader(s.Text))
	if err != nil {
		return f, s.Error(err)
	}
	if err := s.checkTypography(tree.AST); err != nil {
		return f, err
	}
	for _, w := range tree.Warnings {
		if w.URL == linter.RuleNoEmptyContinuation.URL && w.Location != nil {
			lint.Run(&linter.RuleNoEmptyContinuation, []parser.Range{*w.Location},
				linter.RuleNoEmptyContinuation.Format())
		}
	}
	f.Escape, f.Instructions = tree.EscapeToken, tree.AST
	if f.Stages, f.Global, err = instructions.Parse(tree.AST, lint); err != nil {
		return f, s.Error(err)
	}
	if len(f.Stages) == 0 {
		return f, plan.At(plan.Location{File: s.Name}, invalid("no FROM: there is nothing to build"))
	}
	return f, nil
}

// Written is an instruction as it was written.
func Written(cmd instructions.Command) string {
	if s, ok := cmd.(fmt.Stringer); ok {
		return s.String()
	}
	return strings.ToUpper(cmd.Name())
}
