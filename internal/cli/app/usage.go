package app

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// PrintUsage prints how a command is used, its commands and its flags, in
// docker's order.
func PrintUsage(cmd *cobra.Command) error {
	w := cmd.OutOrStderr()
	use := strings.TrimPrefix(cmd.UseLine(), cmd.CommandPath())
	fmt.Fprintf(w, "Usage:  %s%s\n", path(cmd), use)
	if len(cmd.Aliases) > 0 {
		fmt.Fprintf(w, "\nAliases:\n  %s\n", cmd.NameAndAliases())
	}
	if cmd.HasExample() {
		fmt.Fprintf(w, "\nExamples:\n%s\n", cmd.Example)
	}
	for _, g := range append(cmd.Groups(), &cobra.Group{Title: "Commands:"}) {
		printCommands(w, cmd, g)
	}
	for _, flags := range []struct{ title, usages string }{
		{"Options:", cmd.LocalFlags().FlagUsages()},
		{"Global Options:", cmd.InheritedFlags().FlagUsages()},
	} {
		if flags.usages != "" {
			flags.usages = strings.ReplaceAll(flags.usages, " (default )", "") // of a number that no value stands for
			fmt.Fprintf(w, "\n%s\n%s", flags.title, flags.usages)
		}
	}
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(w, "\nRun '%s COMMAND --help' for more information on a command.\n", cmd.CommandPath())
	}
	return nil
}

func printCommands(w io.Writer, cmd *cobra.Command, g *cobra.Group) {
	first := true
	for _, sub := range cmd.Commands() {
		if sub.GroupID != g.ID || !sub.IsAvailableCommand() && sub.Name() != "help" {
			continue
		}
		if first {
			fmt.Fprintf(w, "\n%s\n", g.Title)
		}
		first = false
		fmt.Fprintf(w, "  %-*s  %s\n", sub.NamePadding(), sub.Name(), sub.Short)
	}
}
