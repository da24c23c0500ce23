package app

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"cove/errdefs"
	"cove/internal/nearest"
)

// MinArgs, MaxArgs and ExactArgs are cobra's checks in docker's words.
func MinArgs(n int) cobra.PositionalArgs { return RangeArgs(n, -1) }

// NoArgs refuses every argument.
func NoArgs() cobra.PositionalArgs { return RangeArgs(0, 0) }

// ExactArgs wants n arguments.
func ExactArgs(n int) cobra.PositionalArgs { return RangeArgs(n, n) }

// RangeArgs wants at least lo and, unless hi is negative, at most hi.
func RangeArgs(lo, hi int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		word := ""
		switch {
		case lo == hi && len(args) != lo:
			word = "exactly " + plural(lo)
			if lo == 0 {
				word = "no arguments"
			}
		case len(args) < lo:
			word = "at least " + plural(lo)
		case hi >= 0 && len(args) > hi:
			word = "at most " + plural(hi)
		default:
			return nil
		}
		verb := " requires "
		if word == "no arguments" {
			verb = " accepts "
		}
		use := path(cmd) + strings.TrimPrefix(cmd.UseLine(), cmd.CommandPath())
		err := errdefs.Errorf(errdefs.ErrInvalid, "%q%s%s (%s)", path(cmd), verb, word, use)
		return &Usage{Command: path(cmd), Err: err, Code: CodeFailed}
	}
}

// path is what a user types for cmd: a program whose own name implies a
// command ("build .") does not repeat it.
func path(cmd *cobra.Command) string {
	if p := cmd.Parent(); p != nil && !p.HasParent() && p.Name() == cmd.Name() {
		return p.Name()
	}
	return cmd.CommandPath()
}

func plural(n int) string {
	if n == 1 {
		return "1 argument"
	}
	return fmt.Sprintf("%d arguments", n)
}

// Noun makes cmd a group of commands: alone it prints its help, and a word
// that is none of its commands is a mistake that names the nearest.
func Noun(cmd *cobra.Command) *cobra.Command {
	cmd.Args = cobra.ArbitraryArgs
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cmd.Help()
		}
		var names []string
		for _, sub := range cmd.Commands() {
			if !sub.Hidden {
				names = append(names, sub.Name())
			}
		}
		msg := fmt.Sprintf("unknown command %q", args[0])
		if near := nearest.Name(args[0], names); near != "" {
			msg += fmt.Sprintf("; did you mean %q", near)
		}
		return &Usage{Command: cmd.CommandPath(), Err: errdefs.Errorf(errdefs.ErrInvalid, "%s", msg), Code: CodeFailed}
	}
	return cmd
}

// FlagError words a flag that could not be parsed, and names the nearest one
// to a flag that does not exist.
func FlagError(cmd *cobra.Command, err error) error {
	msg := err.Error()
	if name, ok := strings.CutPrefix(msg, "unknown flag: --"); ok {
		if near := nearestFlag(cmd, name); near != "" {
			msg += "; did you mean --" + near
		}
	}
	return &Usage{Command: path(cmd), Err: errdefs.Errorf(errdefs.ErrInvalid, "%s", msg), Code: CodeUsage}
}

func nearestFlag(cmd *cobra.Command, name string) string {
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, f.Name)
		}
	})
	return nearest.Name(name, names)
}

// sibling marks the commands that another binary of cove has.
const sibling = "sibling"

// MarkSibling says that another binary of cove has the command.
func MarkSibling(cmd *cobra.Command) { cmd.Annotations = map[string]string{sibling: ""} }

// InSibling reports whether another binary of cove has the command.
func InSibling(cmd *cobra.Command) bool {
	_, marked := cmd.Annotations[sibling]
	return marked
}

// goesThere marks the commands that reach another machine by themselves.
const goesThere = "goes there"

// MarkGoesThere says that a command does on another machine what is to be done there, and
// the rest here.
func MarkGoesThere(cmd *cobra.Command) { cmd.Annotations = map[string]string{goesThere: ""} }

// GoesThere reports whether a command reaches another machine by itself.
func GoesThere(cmd *cobra.Command) bool {
	_, marked := cmd.Annotations[goesThere]
	return marked
}
