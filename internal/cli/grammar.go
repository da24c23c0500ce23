package cli

import (
	"slices"

	"github.com/spf13/cobra"

	"cove/internal/cli/app"
	"cove/internal/cli/cachecmd"
	"cove/internal/cli/containercmd"
	"cove/internal/cli/imagecmd"
	"cove/internal/cli/networkcmd"
	"cove/internal/cli/sibling"
	"cove/internal/cli/systemcmd"
	"cove/internal/cli/volumecmd"
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
		verbs: slices.Concat(containerVerbs(), imageVerbs(), []verb{
			{"run", groupContainers, containercmd.Run},
			{"build", groupImages, b.Build},
			{"bake", groupImages, b.Bake},
			{"inspect", groupSystem, systemcmd.Inspect},
			{"doctor", groupSystem, systemcmd.Doctor},
			{"events", groupSystem, systemcmd.Events},
			{"info", groupSystem, systemcmd.Info},
			{"version", groupSystem, systemcmd.Version},
			{"container", groupSystem, containerNouns},
			{"image", groupSystem, b.imageNouns},
			{"network", groupSystem, networkcmd.Noun},
			{"volume", groupSystem, volumecmd.Noun},
			{"builder", groupSystem, func(a *app.App) *cobra.Command { return cachecmd.Noun(a, b.Build(a)) }},
			{"system", groupSystem, systemcmd.System},
			{"registry", groupSystem, sibling.Registry},
			{"api", groupSystem, b.API},
		}),
	}
}

// Build is the grammar of the builder alone: build [flags] CONTEXT, or a verb.
func Build(b Builder) Grammar {
	return Grammar{
		prog: "build", builder: b, short: "Build images, and look after them", implied: b.Build,
		verbs: slices.Concat(imageVerbs(), []verb{
			{"bake", groupImages, b.Bake},
			{"inspect", groupImages, imagecmd.Inspect},
			{"prune", groupImages, imagecmd.Prune},
			{"du", groupImages, cachecmd.DiskUsage},
			{"builder", groupSystem, func(a *app.App) *cobra.Command { return cachecmd.Noun(a, b.Build(a)) }},
			{"__changes", groupSystem, sibling.AnswerChanges(b.Changes)},
			{"info", groupSystem, systemcmd.Info},
			{"version", groupSystem, systemcmd.Version},
		}),
	}
}

// Run is the grammar of the runner alone: run [flags] IMAGE [COMMAND...], or a
// verb.
func Run() Grammar {
	return Grammar{
		prog: "run", builder: Elsewhere, short: "Run containers, and look after them",
		implied: containercmd.Run, verbs: slices.Concat(containerVerbs(), []verb{
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
func containerVerbs() []verb {
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
		{"commit", groupContainers, containercmd.Commit},
		{"export", groupContainers, containercmd.Export},
		{"port", groupContainers, containercmd.Port},
		{"wait", groupContainers, containercmd.Wait},
		{"rename", groupContainers, containercmd.Rename},
		{"pause", groupContainers, containercmd.Pause},
		{"unpause", groupContainers, containercmd.Unpause},
		{"update", groupContainers, containercmd.Update},
		{"why", groupContainers, containercmd.Why},
	}
}

// imageVerbs are the commands about images but build.
func imageVerbs() []verb {
	return []verb{
		{"images", groupImages, func(a *app.App) *cobra.Command { return imagecmd.List(a, "images") }},
		{"pull", groupImages, imagecmd.Pull},
		{"push", groupImages, imagecmd.Push},
		{"copy", groupImages, imagecmd.Copy},
		{"tag", groupImages, imagecmd.Tag},
		{"rmi", groupImages, func(a *app.App) *cobra.Command { return imagecmd.Remove(a, "rmi") }},
		{"history", groupImages, imagecmd.History},
		{"save", groupImages, imagecmd.Save},
		{"load", groupImages, imagecmd.Load},
		{"import", groupImages, imagecmd.Import},
		{"search", groupImages, imagecmd.Search},
		{"login", groupImages, imagecmd.Login},
		{"logout", groupImages, imagecmd.Logout},
	}
}

func containerNouns(a *app.App) *cobra.Command {
	noun := app.Noun(&cobra.Command{Use: "container COMMAND", Short: "The commands about containers, by their noun"})
	for _, v := range containerVerbs() {
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
	noun.AddCommand(b.Build(a), ls, imagecmd.Pull(a), imagecmd.Push(a), imagecmd.Copy(a), imagecmd.Tag(a), rm,
		imagecmd.History(a), imagecmd.Save(a), imagecmd.Load(a), imagecmd.Import(a), imagecmd.Inspect(a),
		imagecmd.Prune(a))
	return noun
}
