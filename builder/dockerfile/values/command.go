package values

import (
	"path"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"

	"cove/builder/plan"
)

// programs is where a heredoc with an interpreter is mounted for its RUN.
const programs = "/dev/pipes/"

// CommandLine is the argument vector of a shell or exec form.
func CommandLine(l instructions.ShellDependantCmdLine, shell []string) []string {
	if !l.PrependShell {
		return l.CmdLine
	}
	return script(shell, strings.Join(l.CmdLine, " "))
}

func script(shell []string, text string) []string { return append(slices.Clone(shell), text) }

// Command decides what a RUN executes: an exec form as it is, a script through the
// shell, a heredoc through the shell or as a program of its own, which documents are.
func Command(cmd *instructions.RunCommand, shell []string) (args []string, documents []plan.RunMount, err error) {
	if len(cmd.Files) == 0 {
		args = CommandLine(cmd.ShellDependantCmdLine, shell)
		if len(args) == 0 || len(cmd.CmdLine) == 0 || cmd.CmdLine[0] == "" && !cmd.PrependShell {
			return nil, nil, invalid("RUN needs a command")
		}
		return args, nil, nil
	}
	if len(cmd.CmdLine) != 1 || !cmd.PrependShell {
		return nil, nil, invalid("a heredoc goes with the shell form only")
	}
	line := cmd.CmdLine[0]
	doc, err := parser.ParseHeredoc(line)
	if err != nil {
		return nil, nil, invalid("%w", err)
	}
	if doc == nil {
		// The heredocs belong to commands of the line: the shell reads them.
		var text strings.Builder
		text.WriteString(line)
		for _, f := range cmd.Files {
			text.WriteString("\n" + f.Data + f.Name)
		}
		return script(shell, text.String()), nil, nil
	}
	body := cmd.Files[0].Data
	if cmd.Files[0].Chomp {
		body = parser.ChompHeredocContent(body)
	}
	if !strings.HasPrefix(body, "#!") {
		return script(shell, body), nil, nil
	}
	name := programs + path.Base(path.Clean("/"+cmd.Files[0].Name))
	return []string{name}, []plan.RunMount{{
		Type: "file", Target: name, From: plan.FromNothing, Data: body, Mode: 0o755, ReadOnly: true,
	}}, nil
}
