package lint

import (
	"regexp"
	"strings"

	"cove/builder/dockerfile/syntax"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// reNextCommand finds a line that begins a command of its own, and is not one more
// argument of the one before: a name alone may well be that of a package.
var reNextCommand = regexp.MustCompile(`^((apt-get|apt|apk|yum|dnf|microdnf|pip3?|npm|yarn)\s+(-\S+\s+)*` +
	`(install|update|upgrade|add|ci|clean|autoremove)\b|(rm|mkdir|cp|mv|chmod|chown|ln|cd|curl|wget|tar)\s+[-/])`)

// reJoined finds the end of a line that says how the next one goes on.
var reJoined = regexp.MustCompile(`(&&|\|\|?|;|[({]|\b(then|do|else))$`)

// Joins warns of a line of a RUN that begins a command although the line
// before does not end with an operator: both are one command then.
func (l *Linter) Joins(cmd *instructions.RunCommand) {
	if len(cmd.Files) > 0 || len(cmd.Location()) == 0 {
		return
	}
	first, last := cmd.Location()[0].Start.Line, cmd.Location()[len(cmd.Location())-1].End.Line
	if first < 1 || last > len(l.source.Lines) {
		return
	}
	before := ""
	for _, line := range l.source.Lines[first-1 : last] {
		text := strings.TrimSpace(line)
		if text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		if before != "" && !reJoined.MatchString(before) && reNextCommand.MatchString(text) {
			word := strings.Join(strings.Fields(text)[:2], " ")
			l.Run(ourRule("MissingOperator"), cmd.Location(),
				"\""+word+" …\" begins a line, and the line before does not end with &&: both are one command")
			return
		}
		before = strings.TrimSpace(strings.TrimSuffix(text, `\`))
	}
}

// reInstall and reUpdate find what apt-get is told, with options before it.
var (
	reInstall = regexp.MustCompile(`\bapt(-get)?\s+(-\S+\s+)*install\b`)
	reUpdate  = regexp.MustCompile(`\bapt(-get)?\s+(-\S+\s+)*update\b`)
)

// Apt warns of a stage that installs packages and never asks which there are: the
// images that distributions publish hold no list of them. updated says that the stage
// has asked.
func (l *Linter) Apt(updated *bool, cmd *instructions.RunCommand) {
	script := strings.Join(cmd.CmdLine, " ")
	for _, doc := range cmd.Files {
		script += "\n" + doc.Data
	}
	if reUpdate.MatchString(script) {
		*updated = true
	}
	if reInstall.MatchString(script) && !*updated {
		l.Run(ourRule("InstallWithoutUpdate"), cmd.Location(),
			"apt-get install without apt-get update: write RUN apt-get update && apt-get install …")
		*updated = true // is said once
	}
}

// Dashes warns of words of a command that begin with a typographic dash. Where a flag
// or a name has one it is an error, which the syntax tells.
func (l *Linter) Dashes(tree *parser.Node) {
	for _, n := range tree.Children {
		verb, command, _ := strings.Cut(strings.TrimSpace(n.Original), " ")
		if strings.EqualFold(verb, "ONBUILD") {
			verb, command, _ = strings.Cut(strings.TrimSpace(command), " ")
		}
		switch strings.ToUpper(verb) {
		case "RUN", "CMD", "ENTRYPOINT":
			l.dashes(n, command)
		}
	}
}

func (l *Linter) dashes(n *parser.Node, command string) {
	if strings.HasPrefix(strings.TrimSpace(command), "[") {
		return
	}
	for _, word := range strings.Fields(command) {
		if syntax.BeginsWithDash(word) {
			l.Run(ourRule("TypographicDash"), n.Location(), word+": "+syntax.Typographic(word))
			return
		}
	}
}
