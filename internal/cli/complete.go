package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"cove/engine"
	"cove/engine/listing"
	"cove/internal/cli/app"
)

// completeNames gives every command below root that takes containers or images
// the completion of their names. What a command takes is what its usage line
// says.
func completeNames(a *app.App, root *cobra.Command) {
	if root.Name() == "run" && !root.HasParent() {
		root.ValidArgsFunction = complete(a, imageNames)
	}
	for _, cmd := range root.Commands() {
		completeNames(a, cmd)
		switch _, takes, _ := strings.Cut(cmd.Use, " "); {
		case cmd.ValidArgsFunction != nil || cmd.HasSubCommands():
		case strings.Contains(takes, "CONTAINER"):
			cmd.ValidArgsFunction = complete(a, containerNames)
		case strings.Contains(takes, "IMAGE"), strings.Contains(takes, "SOURCE"), strings.HasPrefix(takes,
			"[flags] NAME[:TAG]"):
			cmd.ValidArgsFunction = complete(a, imageNames)
		case strings.Contains(takes, "VOLUME") && cmd.Name() != "create":
			cmd.ValidArgsFunction = complete(a, volumeNames)
		case strings.Contains(takes, "CONTEXT"), strings.Contains(takes, "FILE"):
			// The shell's own completion of paths.
		default:
			cmd.ValidArgsFunction = cobra.NoFileCompletions
		}
	}
}

// complete offers the names that begin with what is typed. An engine that
// cannot be opened completes nothing: there is nowhere to say why.
func complete(a *app.App, names func(context.Context, *engine.Engine) ([]string, error)) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if strings.Contains(cmd.Use, "COMMAND") && len(args) > 0 {
			return nil, cobra.ShellCompDirectiveDefault
		}
		eng, err := a.Engine()
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		all, err := names(cmd.Context(), eng)
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		var fit []string
		for _, n := range all {
			if strings.HasPrefix(n, typed) {
				fit = append(fit, n)
			}
		}
		return fit, cobra.ShellCompDirectiveNoFileComp
	}
}

func containerNames(ctx context.Context, eng *engine.Engine) ([]string, error) {
	all, err := eng.Containers(ctx, listing.Filter{})
	if err != nil {
		return nil, err
	}
	var names []string
	for _, c := range all {
		names = append(names, c.Name)
	}
	return names, nil
}

func volumeNames(ctx context.Context, eng *engine.Engine) ([]string, error) {
	all, err := eng.Volumes(ctx, nil)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, v := range all {
		names = append(names, v.Name)
	}
	return names, nil
}

func imageNames(ctx context.Context, eng *engine.Engine) ([]string, error) {
	return eng.ImageNames(ctx)
}
