// Package cli is the command line: flags, one engine or registry call, output.
//
// Three grammars share its commands. `cove` is docker's, with all of them.
// `build` and `run` are the tools alone: their first word is a verb if it is
// one of theirs, and the context or image otherwise; after `--` it is never a
// verb, so that an image may be called ps.
package cli

import (
	"context"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"cove/internal/buildinfo"
	"cove/internal/cli/app"
)

// Grammar is how a binary's arguments are read.
type Grammar struct {
	prog  string
	short string
	// implied is the command that is meant when the first word is no verb.
	implied string
	verbs   func(a *app.App, root *cobra.Command)
}

// Main runs one command and returns the exit code.
func Main(g Grammar, args []string, in io.Reader, out, errOut io.Writer) int {
	a := &app.App{Prog: g.prog, In: in, Out: out, Err: errOut}
	defer a.Close()
	ctx, stop := a.Signals(context.Background())
	defer stop()
	root := g.root(a)
	root.SetArgs(g.dispatch(root, args))
	return a.Report(ctx, root.ExecuteContext(ctx))
}

func (g Grammar) root(a *app.App) *cobra.Command {
	root := &cobra.Command{
		Use:           g.prog + " COMMAND",
		Short:         g.short,
		Version:       buildinfo.Version(),
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	app.Noun(root)
	root.SetIn(a.In)
	root.SetOut(a.Out)
	root.SetErr(a.Err)
	root.SetVersionTemplate(g.prog + " version {{.Version}}\n")
	root.SetFlagErrorFunc(app.FlagError)
	fs := root.PersistentFlags()
	fs.StringVar(&a.Root, "root", app.DefaultRoot(), "where images and containers live ($COVE_ROOT)")
	fs.BoolVarP(&a.Debug, "debug", "D", false, "log what happens")
	g.verbs(a, root)
	for _, cmd := range root.Commands() {
		setUp(cmd)
	}
	completeNames(a, root)
	return root
}

// setUp gives a command and those below it what all share: the program's name
// in its examples, and no error text from cobra.
func setUp(cmd *cobra.Command) {
	path := strings.TrimSuffix(cmd.CommandPath(), " "+cmd.Name())
	var lines []string
	for line := range strings.SplitSeq(cmd.Example, "\n") {
		if rest := strings.TrimLeft(line, " "); strings.HasPrefix(rest, cmd.Name()+" ") || rest == cmd.Name() {
			line = "  " + path + " " + rest
		}
		lines = append(lines, line)
	}
	if cmd.Example != "" {
		cmd.Example = strings.Join(lines, "\n")
	}
	cmd.DisableFlagsInUseLine = true
	for _, sub := range cmd.Commands() {
		setUp(sub)
	}
}

// dispatch puts the implied command before arguments whose first word is no
// verb. Flags that every command has may come before a verb; after any other
// flag there is none.
func (g Grammar) dispatch(root *cobra.Command, args []string) []string {
	if g.implied == "" {
		return args
	}
	if len(args) > 1 && (args[0] == cobra.ShellCompRequestCmd || args[0] == cobra.ShellCompNoDescRequestCmd) {
		if len(args) == 2 && !strings.HasPrefix(args[1], "-") {
			return args // still the first word: root completes verbs and arguments
		}
		return append(args[:1:1], g.dispatch(root, args[1:])...)
	}
	i := 0
	for i < len(args) && globalFlag(args[i]) {
		if args[i] == "--root" {
			i++
		}
		i++
	}
	if i >= len(args) || isVerb(root, g.implied, args[i]) {
		return args
	}
	return append(append(append([]string{}, args[:i]...), g.implied), args[i:]...)
}

func globalFlag(arg string) bool {
	return arg == "-D" || arg == "--debug" || arg == "--root" || strings.HasPrefix(arg, "--root=")
}

// isVerb reports whether a first word selects a command of root.
func isVerb(root *cobra.Command, implied, word string) bool {
	switch word {
	case "help", "completion", "--help", "-h", "--version":
		return true
	case implied:
		return false // an image or a context of that name
	}
	for _, cmd := range root.Commands() {
		if cmd.Name() == word || cmd.HasAlias(word) {
			return true
		}
	}
	return false
}
