package cli

import (
	"slices"

	"github.com/spf13/cobra"

	"cove/internal/cli/app"
	"cove/internal/cli/cachecmd"
	"cove/internal/cli/composecmd"
	"cove/internal/cli/containercmd"
	"cove/internal/cli/contextcmd"
	"cove/internal/cli/imagecmd"
	"cove/internal/cli/networkcmd"
	"cove/internal/cli/sibling"
	"cove/internal/cli/systemcmd"
	"cove/internal/cli/volumecmd"
	"cove/internal/cli/whycmd"
)

// verb is one command of a grammar.
type verb struct {
	name  string
	group string
	make  func(*app.App) *cobra.Command
}

// The groups of cove's help.
const (
	groupContainers = "containers"
	groupImages     = "images"
	groupSystem     = "system"
)

var groupTitles = []cobra.Group{
	{ID: groupContainers, Title: "Containers:"},
	{ID: groupImages, Title: "Images:"},
	{ID: groupSystem, Title: "Everything else:"},
}

// Cove is docker's grammar, with every command.
func Cove(b Builder) Grammar {
	return Grammar{
		prog: "cove", builder: b, short: "Build, ship and run containers",
		verbs: slices.Concat(b.containerVerbs(), b.imageVerbs(), absent(), []verb{
			{"run", groupContainers, containercmd.Run},
			{"build", groupImages, b.Build},
			{"bake", groupImages, b.Bake},
			{"verify", groupImages, b.moves(imagecmd.Verify)},
			{"inspect", groupSystem, systemcmd.Inspect},
			{"doctor", groupSystem, systemcmd.Doctor},
			{"events", groupSystem, systemcmd.Events},
			{"info", groupSystem, systemcmd.Info},
			{"version", groupSystem, systemcmd.Version},
			{"container", groupSystem, b.containerNouns},
			{"image", groupSystem, b.imageNouns},
			{"network", groupSystem, networkcmd.Noun},
			{"volume", groupSystem, volumecmd.Noun},
			{"builder", groupSystem, b.builderNoun},
			{"system", groupSystem, systemcmd.System},
			{"registry", groupSystem, sibling.Registry},
			{"api", groupSystem, b.API},
			{"compose", groupSystem, composecmd.Compose},
			{"context", groupSystem, contextcmd.Noun},
		}),
	}
}

// Build is the grammar of the builder alone: build [flags] CONTEXT, or a verb.
func Build(b Builder) Grammar {
	verbs := slices.DeleteFunc(b.imageVerbs(), func(v verb) bool { return v.name == "history" })
	return Grammar{
		prog: "build", builder: b, short: "Build images, and look after them", implied: b.Build,
		verbs: slices.Concat(verbs, []verb{
			{"bake", groupImages, b.Bake},
			{"inspect", groupImages, imagecmd.Inspect},
			{"prune", groupImages, imagecmd.Prune},
			{"merge", groupImages, b.Merge},
			{"diff", groupImages, b.moves(imagecmd.Diff)},
			{"verify", groupImages, b.Verify},
			{"kaniko", groupImages, b.Kaniko},
			{"du", groupImages, cachecmd.DiskUsage},
			{"history", groupImages, b.histories},
			{"builder", groupSystem, b.builderNoun},
			{"__changes", groupSystem, sibling.AnswerChanges(b.Changes)},
			{"info", groupSystem, systemcmd.Info},
			{"version", groupSystem, systemcmd.Version},
		}),
	}
}

// Run is the grammar of the runner alone: run [flags] IMAGE [COMMAND...], or a
// verb.
func Run(b Builder) Grammar {
	return Grammar{
		prog: "run", builder: b, short: "Run containers, and look after them",
		implied: containercmd.Run, verbs: slices.Concat(b.containerVerbs(), []verb{
			{"inspect", groupContainers, containercmd.Inspect},
			{"prune", groupContainers, containercmd.Prune},
			{"network", groupContainers, networkcmd.Noun},
			{"volume", groupContainers, volumecmd.Noun},
			{"doctor", groupSystem, systemcmd.Doctor},
			{"events", groupSystem, systemcmd.Events},
			{"info", groupSystem, systemcmd.Info},
			{"version", groupSystem, systemcmd.Version},
		}),
	}
}

// containerVerbs are the commands about containers but run.
func (b Builder) containerVerbs() []verb {
	return []verb{
		{"create", groupContainers, containercmd.Create},
		{"bundle", groupContainers, containercmd.Bundle},
		{"start", groupContainers, containercmd.Start},
		{"stop", groupContainers, containercmd.Stop},
		{"restart", groupContainers, containercmd.Restart},
		{"kill", groupContainers, containercmd.Kill},
		{"rm", groupContainers, containercmd.Remove},
		{"ps", groupContainers, func(a *app.App) *cobra.Command { return containercmd.List(a, "ps") }},
		{"exec", groupContainers, containercmd.Exec},
		{"attach", groupContainers, containercmd.Attach},
		{"logs", groupContainers, containercmd.Logs},
		{"top", groupContainers, containercmd.Top},
		{"stats", groupContainers, containercmd.Stats},
		{"cp", groupContainers, containercmd.Copy},
		{"diff", groupContainers, containercmd.Diff},
		{"commit", groupContainers, b.moves(containercmd.Commit)},
		{"export", groupContainers, containercmd.Export},
		{"port", groupContainers, containercmd.Port},
		{"wait", groupContainers, containercmd.Wait},
		{"rename", groupContainers, containercmd.Rename},
		{"pause", groupContainers, containercmd.Pause},
		{"unpause", groupContainers, containercmd.Unpause},
		{"update", groupContainers, containercmd.Update},
		{"why", groupContainers, whycmd.Why},
	}
}

// imageVerbs are the commands about images but build.
func (b Builder) imageVerbs() []verb {
	return []verb{
		{"images", groupImages, func(a *app.App) *cobra.Command { return imagecmd.List(a, "images") }},
		{"pull", groupImages, b.moves(imagecmd.Pull)},
		{"push", groupImages, b.moves(imagecmd.Push)},
		{"copy", groupImages, b.Copy},
		{"tag", groupImages, imagecmd.Tag},
		{"rmi", groupImages, func(a *app.App) *cobra.Command { return imagecmd.Remove(a, "rmi") }},
		{"history", groupImages, imagecmd.History},
		{"save", groupImages, b.moves(imagecmd.Save)},
		{"load", groupImages, b.moves(imagecmd.Load)},
		{"import", groupImages, b.moves(imagecmd.Import)},
		{"search", groupImages, b.moves(imagecmd.Search)},
		{"login", groupImages, b.moves(imagecmd.Login)},
		{"logout", groupImages, imagecmd.Logout},
	}
}

// moves is a command that moves, packs or unpacks images, which is begun with another
// program where this one links nothing for it.
func (b Builder) moves(command func(*app.App) *cobra.Command) func(*app.App) *cobra.Command {
	if b.Again == nil {
		return command
	}
	return func(a *app.App) *cobra.Command { return sibling.InPlaceOf(a, command(a)) }
}

func (b Builder) containerNouns(a *app.App) *cobra.Command {
	noun := app.Noun(&cobra.Command{Use: "container COMMAND", Short: "The commands about containers, by their noun"})
	for _, v := range b.containerVerbs() {
		if v.name != "ps" {
			noun.AddCommand(v.make(a))
		}
	}
	ls := containercmd.List(a, "ls")
	ls.Aliases = []string{"list", "ps"}
	noun.AddCommand(containercmd.Run(a), ls, containercmd.Inspect(a), containercmd.Prune(a))
	return noun
}

func (b Builder) imageNouns(a *app.App) *cobra.Command {
	noun := app.Noun(&cobra.Command{Use: "image COMMAND", Short: "The commands about images, by their noun"})
	ls, rm := imagecmd.List(a, "ls"), imagecmd.Remove(a, "rm")
	ls.Aliases, rm.Aliases = []string{"list"}, []string{"remove"}
	for _, command := range []func(*app.App) *cobra.Command{
		imagecmd.Pull, imagecmd.Push, imagecmd.Diff,
		imagecmd.Save, imagecmd.Load, imagecmd.Import, imagecmd.Verify,
	} {
		noun.AddCommand(b.moves(command)(a))
	}
	noun.AddCommand(b.Build(a), b.Copy(a), b.Merge(a))
	noun.AddCommand(ls, imagecmd.Tag(a), rm, imagecmd.History(a), imagecmd.Inspect(a), imagecmd.Prune(a))
	return noun
}

// histories is that of an image, and below it the commands about builds that were: an
// image that is called like one of them has its whole name, docker.io/library/ls.
func (b Builder) histories(a *app.App) *cobra.Command {
	cmd, builds := imagecmd.History(a), b.History(a)
	cmd.Short = "Show how an image was made, line by line, or look at builds: ls, logs, inspect, rm"
	cmd.AddCommand(builds.Commands()...)
	return cmd
}

func (b Builder) builderNoun(a *app.App) *cobra.Command {
	return cachecmd.Noun(a, b.Build(a), b.History(a), b.Verify(a), b.Kaniko(a))
}
