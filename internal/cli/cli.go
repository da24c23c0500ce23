// Package cli is the command line: flags, one engine or registry call, output.
//
// Three grammars share its commands. `cove` is docker's, with all of them.
// `build` and `run` are the tools alone: their first word is a verb if it is
// one of theirs, and the context or image otherwise; after `--` it is never a
// verb, so that an image may be called ps.
package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"cove/engine"
	"cove/errdefs"
	"cove/internal/buildinfo"
	"cove/internal/cli/app"
	"cove/internal/cli/dockerconfig"
	"cove/internal/cli/remote"
	"cove/internal/cli/sibling"
)

// Grammar is how a binary's arguments are read.
type Grammar struct {
	prog  string
	short string
	verbs []verb
	// implied is the command that is meant when the first word is no verb; it
	// has the program's name. nil is none.
	implied func(*app.App) *cobra.Command
	builder Builder
}

// Builder is what the commands need of the builder, which only the build binary has
// at hand (buildcmd), and of docker's API, which only cove-api has (apicmd); the
// others execute those two (sibling).
type Builder struct {
	// Again begins the command line again with a program that links what moves and
	// unpacks images, and returns only when it could not; nil is a program that does.
	Again func(*app.App) error
	// Bakes does the same with one that reads bake files, where Again is nil.
	Bakes func(*app.App) error

	Build   func(*app.App) *cobra.Command
	Bake    func(*app.App) *cobra.Command
	History func(*app.App) *cobra.Command
	Copy    func(*app.App) *cobra.Command
	Merge   func(*app.App) *cobra.Command
	Verify  func(*app.App) *cobra.Command
	Kaniko  func(*app.App) *cobra.Command
	Changes engine.Changes
	API     func(*app.App) *cobra.Command

	// Pack takes the files of a build along to another machine.
	Pack remote.Packer
}

// Elsewhere is the builder, and the API, of the binaries that do not link them.
var Elsewhere = Builder{
	Again: sibling.Again,
	Build: sibling.Build, Bake: sibling.Bake, History: sibling.BuildHistory,
	Verify: sibling.Verify, Kaniko: sibling.Kaniko,
	Copy: sibling.Copy, Merge: sibling.Merge, Changes: sibling.Changes, API: sibling.API,
}

// Main runs one command and returns the exit code.
func Main(g Grammar, args []string, in io.Reader, out, errOut io.Writer) int {
	a := &app.App{Prog: g.prog, Args: args, In: in, Out: out, Err: errOut, Changes: g.builder.Changes}
	ctx, stop := a.Signals(context.Background())
	defer stop()
	where, err := g.where(a)
	if err != nil {
		return a.Report(ctx, err)
	}
	args, word := g.dispatch(a.Args)
	if where.Speaks() && !ownWord(word) {
		return a.Report(ctx, where.Docker(args))
	}
	root := g.root(a, word)
	if !where.Here() && !ownWord(word) {
		remote.Take(root, a, where, g.builder.Pack)
	}
	root.SetArgs(args)
	err = root.ExecuteContext(ctx)
	if again := g.builder.again(); errors.Is(err, errdefs.ErrNotLinked) && again != nil {
		err = again(a)
	}
	return a.Report(ctx, err)
}

// again is what begins a command line again that needs what is not linked, or nil.
func (b Builder) again() func(*app.App) error {
	if b.Again == nil {
		return b.Bakes
	}
	return b.Again
}

// Tree is the program with all its commands, for who documents them.
func (g Grammar) Tree() *cobra.Command {
	return g.root(&app.App{Prog: g.prog, In: strings.NewReader(""), Out: io.Discard, Err: io.Discard}, "")
}

// root makes the command tree. Start-up is paid at every run: of the commands,
// only the one that word selects is made, and all of them when it selects none
// ("", help, completion, a mistake).
func (g Grammar) root(a *app.App, word string) *cobra.Command {
	root := &cobra.Command{
		Use:           g.prog + " COMMAND",
		Short:         g.short,
		Version:       buildinfo.Version(),
		SilenceErrors: true,
		SilenceUsage:  true,

		DisableFlagsInUseLine: true,
	}
	app.Noun(root)
	root.SetIn(a.In)
	root.SetOut(a.Out)
	root.SetErr(a.Err)
	root.SetVersionTemplate(g.prog + " version {{.Version}}\n")
	root.SetFlagErrorFunc(app.FlagError)
	root.SetUsageFunc(app.PrintUsage)
	fs := root.PersistentFlags()
	fs.StringVar(&a.Root, "root", app.DefaultRoot(), "where images and containers live ($COVE_ROOT)")
	fs.BoolVarP(&a.Debug, "debug", "D", false, "log what happens")
	fs.StringSliceVar(&a.Insecure, "insecure-registry", app.InsecureRegistries(),
		"a registry without TLS, or with a certificate nobody vouches for: HOST[:PORT] or CIDR ($COVE_INSECURE_REGISTRIES)")
	fs.StringSliceVar(&a.Mirrors, "registry-mirror", app.RegistryMirrors(),
		"ask `URL` before docker.io when reading; \"\" for none ($COVE_REGISTRY_MIRRORS)")
	fs.Func("config",
		"`folder` of docker's config.json: sign-ins, proxies, formats of lists ($"+dockerconfig.Env+"; default ~/.docker)",
		func(dir string) error { return os.Setenv(dockerconfig.Env, dir) })
	fs.Func("log-level", "debug, which is -D, or `level`s at which nothing more is said: info, warn, error, fatal",
		func(level string) error { return logLevel(a, level) })
	app.Register(fs, certificates...)
	if g.implied == nil {
		g.whereFlags(root.Flags())
	}
	if cmd := g.only(a, word); cmd != nil {
		root.AddCommand(cmd)
		root.CompletionOptions.DisableDefaultCmd = true
	} else {
		g.addAll(a, root)
	}
	for _, cmd := range root.Commands() {
		setUp(cmd)
	}
	completeNames(a, root)
	return root
}

// certificates are docker's flags for a daemon at a TCP port.
var certificates = []app.Only{
	{Name: "tls", Values: []string{"false"}, Switch: true, Why: noCertificates},
	{Name: "tlsverify", Values: []string{"false"}, Switch: true, Why: noCertificates},
	{Name: "tlscacert", Why: noCertificates},
	{Name: "tlscert", Why: noCertificates},
	{Name: "tlskey", Why: noCertificates},
}

const noCertificates = "there is no daemon to be reached by TLS: another machine is --host ssh://HOST"

func logLevel(a *app.App, level string) error {
	levels := []string{"debug", "info", "warn", "error", "fatal"}
	if !slices.Contains(levels, level) {
		return errdefs.Errorf(errdefs.ErrInvalid, "want one of %s", strings.Join(levels, ", "))
	}
	a.Debug = a.Debug || level == "debug"
	return nil
}

// only makes the one command that word selects, or nil.
func (g Grammar) only(a *app.App, word string) *cobra.Command {
	if g.implied != nil && word == g.prog {
		return g.implied(a)
	}
	for _, v := range g.verbs {
		if v.name == word {
			return v.make(a)
		}
	}
	return nil
}

// addAll makes every command. A grammar with an implied command looks like it,
// and has it hidden below.
func (g Grammar) addAll(a *app.App, root *cobra.Command) {
	for _, v := range g.verbs {
		cmd := v.make(a)
		if g.implied == nil {
			cmd.GroupID = v.group
		}
		root.AddCommand(cmd)
	}
	if g.implied == nil {
		for _, group := range groupTitles {
			root.AddGroup(&group)
		}
		root.SetHelpCommandGroupID(groupSystem)
		root.SetCompletionCommandGroupID(groupSystem)
		return
	}
	implied := g.implied(a)
	root.Use, root.Example = implied.Use, implied.Example
	implied.Hidden = true
	root.AddCommand(implied)
	// Before cobra gives it the shorthand -v, which is run's for volumes.
	root.Flags().Bool("version", false, "print the version")
	if help := implied.Flags().Lookup("help"); help != nil { // likewise -h, run's for the host name
		root.Flags().AddFlag(help)
	}
	help := root.HelpFunc()
	root.SetHelpFunc(func(cmd *cobra.Command, args []string) {
		if cmd == root {
			root.Flags().AddFlagSet(implied.Flags())
		}
		help(cmd, args)
	})
}

// setUp puts the program's name before the examples of a command and of those
// below it.
func setUp(cmd *cobra.Command) {
	cmd.DisableFlagsInUseLine = true
	path := strings.TrimSuffix(cmd.CommandPath(), cmd.Name())
	lines := strings.Split(cmd.Example, "\n")
	for i, line := range lines {
		if rest := strings.TrimLeft(line, " "); strings.HasPrefix(rest, cmd.Name()+" ") || rest == cmd.Name() {
			lines[i] = "  " + path + rest
		}
	}
	cmd.Example = strings.Join(lines, "\n")
	for _, sub := range cmd.Commands() {
		setUp(sub)
	}
}

// dispatch finds the word that selects the command, and puts the implied
// command before arguments whose first word is no verb. Flags that every
// command has may come before a verb; after any other flag there is none, and
// -h asks for help only when nothing follows that it could be for.
func (g Grammar) dispatch(args []string) (_ []string, word string) {
	if len(args) > 1 && (args[0] == cobra.ShellCompRequestCmd || args[0] == cobra.ShellCompNoDescRequestCmd) {
		if len(args) == 2 && !strings.HasPrefix(args[1], "-") {
			return args, "" // still the first word: root completes verbs and arguments
		}
		rest, _ := g.dispatch(args[1:])
		return append(args[:1:1], rest...), ""
	}
	i := 0
	for i < len(args) && globalFlag(args[i]) {
		if slices.Contains(globalValues, args[i]) {
			i++
		}
		i++
	}
	if i >= len(args) {
		if g.implied != nil { // alone it is called wrongly, as docker build is
			return append(slices.Clone(args), g.prog), g.prog
		}
		return args, ""
	}
	if g.implied != nil && len(args) == i+1 && args[i] == "-h" {
		return append(slices.Clone(args[:i]), "--help"), "--help"
	}
	if g.implied == nil && i+1 < len(args) && args[i] == "build" && args[i+1] == "bake" {
		args = slices.Delete(slices.Clone(args), i, i+1) // the builder's verb, as it is in build itself
	}
	if g.implied == nil && i+2 < len(args) && args[i] == "build" && (args[i+1] == "merge" || args[i+1] == "diff") {
		args = slices.Clone(args)
		args[i] = "image"
	}
	if g.implied == nil && i+2 < len(args) && args[i] == "build" && ofBuilder(args[i+1], args[i+2]) {
		args = slices.Clone(args)
		args[i] = "builder"
	}
	if g.implied == nil || g.isVerb(args[i]) {
		return args, args[i]
	}
	return slices.Insert(slices.Clone(args), i, g.prog), g.prog
}

// ofBuilder says whether the word after "build" is one of its commands: a context of that
// name is alone.
func ofBuilder(word, next string) bool {
	return word == "verify" || word == "kaniko" || word == "history" && ofBuilds(next)
}

// ofBuilds says whether a word after "history" is a command about builds: without one
// it is an image's history, or a context of that name.
func ofBuilds(word string) bool {
	return slices.Contains([]string{"ls", "list", "logs", "inspect", "rm", "remove"}, word)
}

// globalValues are the flags of every command that take a value.
var globalValues = []string{
	"--root", "--insecure-registry", "--registry-mirror", "--config", "--log-level",
	"--tlscacert", "--tlscert", "--tlskey",
}

func globalFlag(arg string) bool {
	name, _, _ := strings.Cut(arg, "=")
	switches := []string{"-D", "--debug", "--tls", "--tlsverify"}
	return slices.Contains(switches, name) || slices.Contains(globalValues, name)
}

// isVerb reports whether a first word selects a command. The implied one's own
// name does not: it is an image, or a context, of that name.
func (g Grammar) isVerb(word string) bool {
	switch word {
	case "help", "completion", "--help", "--version":
		return true
	}
	return slices.ContainsFunc(g.verbs, func(v verb) bool { return v.name == word })
}
