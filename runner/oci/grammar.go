package oci

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"cove/errdefs"
)

// command is one of the runtime's, in the words of its help.
type command struct {
	name, args, help, example string
	run                       func(*app, context.Context, []string) (int, error)
}

// commands are runc's, without help itself.
func commands() []command {
	return []command{
		{
			"create", "[options] ID", "create a container from a bundle; its process waits for start",
			"create --bundle /bundles/web web", (*app).create,
		},
		{"start", "ID", "run the process of a created container", "start web", (*app).start},
		{"run", "[options] ID", "create and start; wait for its end unless -d", "run -d -b /web web", (*app).run},
		{"state", "ID", "print the state as JSON", "state web", (*app).state},
		{"kill", "[--all] ID [SIGNAL]", "send a signal (default TERM)", "kill web HUP", (*app).kill},
		{"delete", "[-f] ID", "remove a stopped container; -f kills it first", "delete -f web", (*app).delete},
		{"exec", "[options] ID COMMAND…", "run another process in a container", "exec -t web sh", (*app).exec},
		{"list", "[-q] [-f json|table]", "list containers", "list -f json", (*app).list},
		{"ps", "[-f json|table] ID [PS-OPTIONS]", "list a container's processes", "ps web -o pid,args", (*app).ps},
		{"pause", "ID", "freeze all processes", "pause web", (*app).pause},
		{"resume", "ID", "let them go on", "resume web", (*app).resume},
		{"update", "-r FILE|--LIMIT VALUE… ID", "change limits", "update --memory 512m web", (*app).update},
		{
			"events", "[--stats] [--interval TIME] ID", "print what a container uses, and kills for want of memory",
			"events --interval 1s web", (*app).events,
		},
		{"spec", "[-b DIR] [--rootless]", "write a config.json to begin with", "spec -b /bundles/web", (*app).spec},
		{"features", "", "print what this runtime supports as JSON", "features", (*app).features},
		{"checkpoint", "ID", "not supported: there is no CRIU here", "", withoutCRIU("checkpoint")},
		{"restore", "ID", "not supported: there is no CRIU here", "", withoutCRIU("restore")},
	}
}

// find looks a command up.
func find(name string) (command, error) {
	if name == "help" || name == "h" {
		return command{name: "help", run: (*app).help}, nil
	}
	all := commands()
	i := slices.IndexFunc(all, func(c command) bool { return c.name == name })
	if i < 0 {
		return command{}, errdefs.Errorf(errdefs.ErrInvalid,
			"No help topic for '%s': there is no such command; see cove-runtime --help", name) // as runc says it
	}
	return all[i], nil
}

// help is the command.
func (a *app) help(ctx context.Context, args []string) (int, error) {
	if len(args) == 0 {
		_, err := a.globals([]string{"--help"})
		return 0, err
	}
	c, err := find(args[0])
	if err != nil || c.name == "help" {
		return 1, err
	}
	return c.run(a, ctx, []string{"--help"})
}

// withoutCRIU is a command that is there to say that it does nothing, whatever its flags.
func withoutCRIU(name string) func(*app, context.Context, []string) (int, error) {
	return func(a *app, _ context.Context, args []string) (int, error) {
		asks := func(arg string) bool { return slices.Contains([]string{"-h", "-help", "--help"}, arg) }
		if slices.ContainsFunc(args, asks) {
			_, err := a.parse(flags(name), []string{"--help"}, 0, 0)
			return 0, err
		}
		return 1, errdefs.Errorf(errdefs.ErrUnsupported,
			"checkpoint and restore are not supported: cove-runtime does not use CRIU; stop the container and start it again")
	}
}

// flags is a flag set that leaves reporting to its caller.
func flags(name string) *flag.FlagSet {
	f := flag.NewFlagSet(name, flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.Usage = func() {}
	return f
}

// alias gives a flag its short name.
func alias(f *flag.FlagSet, long, short string) {
	named := f.Lookup(long)
	f.Var(named.Value, short, named.Usage)
}

// called is what people have called the program by: it may stand in runc's place, under its name.
func called() string { return filepath.Base(os.Args[0]) }

// usage prints the help of a command, or of all, in the sections of runc's.
func (a *app) usage(f *flag.FlagSet) {
	me := called()
	if c, err := find(f.Name()); err == nil {
		fmt.Fprintf(a.out, "NAME:\n   %s %s - %s\n\nUSAGE:\n   %s %[2]s %[5]s\n", me, c.name, c.help, me, c.args)
		if c.example != "" {
			fmt.Fprintf(a.out, "\nEXAMPLE:\n   %s %s\n", me, c.example)
		}
	} else {
		fmt.Fprintf(a.out, "NAME:\n   %s - Open Container Initiative runtime\n\n"+
			"USAGE:\n   %[1]s [options] COMMAND …\n\nEXAMPLE:\n   %[1]s run --bundle /bundles/web web\n\n"+
			"COMMANDS (help of one: %[1]s COMMAND --help):\n", me)
		for _, c := range commands() {
			fmt.Fprintf(a.out, "   %-11s %-32s %s\n", c.name, c.args, c.help)
		}
	}
	fmt.Fprintf(a.out, "\nOPTIONS:\n   %-32s %s\n", "-h, --help", "print this help")
	f.VisitAll(func(fl *flag.Flag) {
		if len(fl.Name) == 1 {
			return // printed with its long name
		}
		name, text := flag.UnquoteUsage(fl)
		names := "    --" + fl.Name
		f.VisitAll(func(short *flag.Flag) {
			if len(short.Name) == 1 && short.Usage == fl.Usage {
				names = "-" + short.Name + ", --" + fl.Name
			}
		})
		fmt.Fprintf(a.out, "   %-32s %s\n", strings.TrimRight(names+" "+name, " "), text)
	})
}

// parse reads a command's flags, before its arguments or behind them, and checks how many
// arguments there are; where any number may follow, they have flags of their own. Asked
// for help it prints that, and returns flag.ErrHelp.
func (a *app) parse(f *flag.FlagSet, args []string, least, most int) (rest []string, err error) {
	for more := true; more; {
		if err := f.Parse(args); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				a.usage(f)
				return nil, err
			}
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "%s: %w; see cove-runtime %[1]s --help", f.Name(), err)
		}
		if args = f.Args(); most >= 0 && len(args) > 0 {
			rest, args = append(rest, args[0]), args[1:]
		} else {
			rest, more = append(rest, args...), false
		}
	}
	if n := len(rest); n < least || (most >= 0 && n > most) {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "%s: %d arguments given; see cove-runtime %s --help", f.Name(),
			n, f.Name())
	}
	return rest, nil
}

// list is a flag that may be given several times.
type list []string

func (l *list) String() string     { return strings.Join(*l, ",") }
func (l *list) Set(v string) error { *l = append(*l, v); return nil }
