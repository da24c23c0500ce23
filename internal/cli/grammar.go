package cli

import (
	"slices"

	"github.com/spf13/cobra"

	"cove/internal/cli/app"
	"cove/internal/cli/containercmd"
	"cove/internal/cli/imagecmd"
	"cove/internal/cli/systemcmd"
)

// Cove is docker's grammar, with every command.
func Cove() Grammar {
	return Grammar{prog: "cove", short: "Build, ship and run containers", verbs: coveVerbs}
}

// Build is the grammar of the builder alone: build [flags] CONTEXT, or a verb.
func Build() Grammar {
	return Grammar{prog: "build", short: "Build images, and look after them", implied: "build", verbs: buildVerbs}
}

// Run is the grammar of the runner alone: run [flags] IMAGE [COMMAND...], or a
// verb.
func Run() Grammar {
	return Grammar{prog: "run", short: "Run containers, and look after them", implied: "run", verbs: runVerbs}
}

func coveVerbs(a *app.App, root *cobra.Command) {
	group(root, "run", "Containers:", containerVerbs(a)...)
	group(root, "image", "Images:", imageVerbs(a)...)
	group(root, "system", "Everything else:",
		systemcmd.Inspect(a), systemcmd.Info(a), systemcmd.Version(a),
		containerNouns(a), imageNouns(a), systemcmd.System(a), systemcmd.Registry(a))
	root.SetHelpCommandGroupID("system")
	root.SetCompletionCommandGroupID("system")
}

func buildVerbs(a *app.App, root *cobra.Command) {
	implied := imagecmd.Build(a)
	verbs := slices.DeleteFunc(imageVerbs(a), func(c *cobra.Command) bool { return c.Name() == "build" })
	alone(root, implied, append(verbs, imagecmd.Inspect(a), imagecmd.Prune(a), systemcmd.Info(a), systemcmd.Version(a)))
}

func runVerbs(a *app.App, root *cobra.Command) {
	implied := containercmd.Run(a)
	verbs := slices.DeleteFunc(containerVerbs(a), func(c *cobra.Command) bool { return c.Name() == "run" })
	alone(root, implied, append(verbs, containercmd.Inspect(a), containercmd.Prune(a), systemcmd.Info(a), systemcmd.Version(a)))
}

// alone makes root look like its implied command, which stays hidden below it.
func alone(root, implied *cobra.Command, verbs []*cobra.Command) {
	root.Use = implied.Use
	root.Example = implied.Example
	root.AddCommand(verbs...)
	root.AddCommand(implied)
	implied.Hidden = true
	// Before cobra gives it the shorthand -v, which is run's for volumes.
	root.Flags().Bool("version", false, "print the version")
	help := root.HelpFunc()
	root.SetHelpFunc(func(cmd *cobra.Command, args []string) {
		if cmd == root {
			root.Flags().AddFlagSet(implied.Flags())
		}
		help(cmd, args)
	})
}

func group(root *cobra.Command, id, title string, cmds ...*cobra.Command) {
	root.AddGroup(&cobra.Group{ID: id, Title: title})
	for _, c := range cmds {
		c.GroupID = id
	}
	root.AddCommand(cmds...)
}

func containerVerbs(a *app.App) []*cobra.Command {
	return []*cobra.Command{
		containercmd.Run(a), containercmd.Create(a), containercmd.Start(a), containercmd.Stop(a), containercmd.Restart(a),
		containercmd.Kill(a), containercmd.Remove(a), containercmd.List(a, "ps"), containercmd.Exec(a), containercmd.Attach(a),
		containercmd.Logs(a), containercmd.Top(a), containercmd.Port(a), containercmd.Wait(a), containercmd.Rename(a),
		containercmd.Pause(a), containercmd.Unpause(a),
	}
}

func imageVerbs(a *app.App) []*cobra.Command {
	return []*cobra.Command{
		imagecmd.Build(a), imagecmd.List(a, "images"), imagecmd.Pull(a), imagecmd.Push(a), imagecmd.Tag(a),
		imagecmd.Remove(a, "rmi"), imagecmd.History(a), imagecmd.Save(a), imagecmd.Load(a), imagecmd.Import(a),
		imagecmd.Login(a), imagecmd.Logout(a),
	}
}

func containerNouns(a *app.App) *cobra.Command {
	noun := app.Noun(&cobra.Command{Use: "container COMMAND", Short: "The commands about containers, by their noun"})
	ls := containercmd.List(a, "ls")
	ls.Aliases = []string{"list", "ps"}
	noun.AddCommand(append(slices.DeleteFunc(containerVerbs(a), func(c *cobra.Command) bool { return c.Name() == "ps" }),
		ls, containercmd.Inspect(a), containercmd.Prune(a))...)
	return noun
}

func imageNouns(a *app.App) *cobra.Command {
	noun := app.Noun(&cobra.Command{Use: "image COMMAND", Short: "The commands about images, by their noun"})
	ls, rm := imagecmd.List(a, "ls"), imagecmd.Remove(a, "rm")
	ls.Aliases, rm.Aliases = []string{"list"}, []string{"remove"}
	noun.AddCommand(imagecmd.Build(a), ls, imagecmd.Pull(a), imagecmd.Push(a), imagecmd.Tag(a), rm, imagecmd.History(a),
		imagecmd.Save(a), imagecmd.Load(a), imagecmd.Import(a), imagecmd.Inspect(a), imagecmd.Prune(a))
	return noun
}
