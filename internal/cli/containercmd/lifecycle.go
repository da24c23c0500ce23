package containercmd

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"cove/engine"
	"cove/engine/containers"
	"cove/errdefs"
	"cove/internal/cli/app"
	"cove/internal/cli/verbs"
)

// Start starts containers that were created or have ended.
func Start(a *app.App) *cobra.Command {
	var attach, interactive bool
	var detachKeys string
	cmd := &cobra.Command{
		Use:     "start [flags] CONTAINER [CONTAINER...]",
		Short:   "Start stopped containers",
		Example: "  start db\n  start -ai job",
		Args:    app.MinArgs(1),
	}
	cmd.Flags().BoolVarP(&attach, "attach", "a", false, "attach to its output and end with its exit code")
	cmd.Flags().BoolVarP(&interactive, "interactive", "i", false, "attach to its input")
	cmd.Flags().StringVar(&detachKeys, "detach-keys", "", keysUsage)
	const noCheckpoint = "what runs is not written to disk, so there is nothing to go on from"
	app.Register(cmd.Flags(),
		app.Only{Name: "checkpoint", Why: noCheckpoint}, app.Only{Name: "checkpoint-dir", Why: noCheckpoint})
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if !attach && !interactive {
			return verbs.Each(cmd.Context(), a, args, (*engine.Engine).Start)
		}
		if len(args) > 1 {
			return errdefs.Errorf(errdefs.ErrInvalid, "you cannot start and attach multiple containers at once")
		}
		return session(cmd.Context(), a, args[0],
			sessionOptions{start: true, stdin: interactive, keys: detachKeys, proxy: true})
	}
	return cmd
}

// Attach connects to a running container.
func Attach(a *app.App) *cobra.Command {
	o := sessionOptions{}
	var noStdin bool
	cmd := &cobra.Command{
		Use:     "attach [flags] CONTAINER",
		Short:   "Attach to a running container's streams",
		Example: "  attach shell",
		Args:    app.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.stdin = !noStdin
			return session(cmd.Context(), a, args[0], o)
		},
	}
	cmd.Flags().BoolVar(&noStdin, "no-stdin", false, "leave its input alone")
	cmd.Flags().BoolVar(&o.proxy, "sig-proxy", true, "hand signals on to it")
	cmd.Flags().StringVar(&o.keys, "detach-keys", "", keysUsage)
	return cmd
}

type sessionOptions struct {
	start, stdin, proxy bool
	keys                string
}

// session attaches to a container until it ends, and ends with its code.
func session(ctx context.Context, a *app.App, ref string, o sessionOptions) error {
	eng, err := a.Engine()
	if err != nil {
		return err
	}
	t := &terminal{a: a}
	defer t.restore()
	attached := false
	status, err := eng.Attach(ctx, ref, containers.AttachOptions{
		Start: o.start,
		Streams: func(c containers.Attached) (containers.Streams, error) {
			attached = true
			if o.proxy {
				proxySignals(a, eng, c.ID)
			}
			return t.open(terminalOptions{stdin: o.stdin && c.OpenStdin, tty: c.TTY, keys: o.keys})
		},
	})
	t.restore()
	if err != nil && !attached {
		return err // docker's 1, not the 125 of run
	}
	if !o.start {
		return left(a, status, err)
	}
	return result(a, status, err)
}

// left is result for a session with what ran already: to leave it is docker's 1.
func left(a *app.App, status containers.ExitStatus, err error) error {
	if errors.Is(err, containers.ErrDetached) {
		fmt.Fprintln(a.Err, detached)
		return &app.Exit{Code: app.CodeFailed}
	}
	return result(a, status, err)
}

// Stop stops containers: their stop signal, a while, SIGKILL.
func Stop(a *app.App) *cobra.Command {
	var how stopFlags
	cmd := &cobra.Command{
		Use:     "stop [flags] CONTAINER [CONTAINER...]",
		Short:   "Stop running containers",
		Example: "  stop db\n  stop -t 30 db web\n  stop -s INT job",
		Args:    app.MinArgs(1),
	}
	how.add(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return verbs.Each(cmd.Context(), a, args, how.each((*engine.Engine).Stop))
	}
	return cmd
}

// stopFlags are how stop and restart end a container: by which signal, and how long they wait before SIGKILL.
type stopFlags struct {
	signal  string
	seconds int
	set     *pflag.FlagSet
}

func (t *stopFlags) add(fs *pflag.FlagSet) {
	t.set = fs
	fs.SetNormalizeFunc(olderTime)
	fs.IntVarP(&t.seconds, "timeout", "t", 0,
		"seconds before SIGKILL, -1 to wait for ever (default: the container's own, 10)")
	fs.Lookup("timeout").DefValue = ""
	fs.StringVarP(&t.signal, "signal", "s", "", "signal to send, by name or number (default: the container's own, TERM)")
}

// olderTime takes --time, as docker called --timeout before 28.
func olderTime(_ *pflag.FlagSet, name string) pflag.NormalizedName {
	if name == "time" {
		name = "timeout"
	}
	return pflag.NormalizedName(name)
}

// each makes of a verb one that has what was typed.
func (t *stopFlags) each(
	do func(*engine.Engine, context.Context, string, containers.StopOptions) error,
) func(*engine.Engine, context.Context, string) error {
	return func(eng *engine.Engine, ctx context.Context, ref string) error {
		o := containers.StopOptions{Signal: t.signal}
		if t.set.Changed("timeout") {
			timeout := containers.Seconds(t.seconds)
			o.Timeout = &timeout
		}
		return do(eng, ctx, ref, o)
	}
}

// Restart stops and starts containers.
func Restart(a *app.App) *cobra.Command {
	var how stopFlags
	cmd := &cobra.Command{
		Use:     "restart [flags] CONTAINER [CONTAINER...]",
		Short:   "Restart containers",
		Example: "  restart db",
		Args:    app.MinArgs(1),
	}
	how.add(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return verbs.Each(cmd.Context(), a, args, how.each((*engine.Engine).Restart))
	}
	return cmd
}

// Kill sends a signal.
func Kill(a *app.App) *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:     "kill [flags] CONTAINER [CONTAINER...]",
		Short:   "Send a signal to running containers",
		Example: "  kill db\n  kill -s HUP web",
		Args:    app.MinArgs(1),
	}
	cmd.Flags().StringVarP(&name, "signal", "s", "KILL", "signal, by name or number")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return verbs.Each(cmd.Context(), a, args, func(eng *engine.Engine, ctx context.Context, ref string) error {
			return eng.Kill(ctx, ref, name)
		})
	}
	return cmd
}

// Remove deletes containers.
func Remove(a *app.App) *cobra.Command {
	var force, volumes bool
	cmd := &cobra.Command{
		Use:     "rm [flags] CONTAINER [CONTAINER...]",
		Short:   "Remove containers",
		Example: "  rm db\n  rm -f $(ps -aq)",
		Args:    app.MinArgs(1),
	}
	cmd.Flags().BoolVarP(&force, "force", "f", false, "also running ones, which are killed")
	cmd.Flags().BoolVarP(&volumes, "volumes", "v", false, "with their anonymous volumes")
	app.Register(cmd.Flags(), app.Only{
		Name: "link", Short: "l", Values: []string{"false"}, Switch: true,
		Why: "a link stays while its container does; make the container anew without it",
	})
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return verbs.Each(cmd.Context(), a, args, func(eng *engine.Engine, ctx context.Context, ref string) error {
			return verbs.Missing(a, force, eng.Remove(ctx, ref, force, volumes))
		})
	}
	return cmd
}

// Prune removes containers that do not run.
func Prune(a *app.App) *cobra.Command {
	return verbs.Prune(a, &cobra.Command{
		Short: "Remove all containers that do not run, and what dead ones left behind", Example: "  prune",
	}, func() (engine.PruneOptions, error) { return engine.PruneOptions{Containers: true}, nil })
}

// Pause freezes containers.
func Pause(a *app.App) *cobra.Command {
	return simple(a, "pause", "Pause all processes of containers",
		(*engine.Engine).Pause)
}

// Unpause thaws containers.
func Unpause(a *app.App) *cobra.Command {
	return simple(a, "unpause", "Let the processes of paused containers go on",
		(*engine.Engine).Unpause)
}

func simple(a *app.App, name, short string, do func(*engine.Engine, context.Context, string) error) *cobra.Command {
	return &cobra.Command{
		Use: name + " CONTAINER [CONTAINER...]", Short: short, Example: "  " + name + " db", Args: app.MinArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return verbs.Each(cmd.Context(), a, args, do) },
	}
}

// Rename gives a container another name.
func Rename(a *app.App) *cobra.Command {
	return &cobra.Command{
		Use: "rename CONTAINER NAME", Short: "Rename a container", Example: "  rename db db-old",
		Args: app.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			eng, err := a.Engine()
			if err != nil {
				return err
			}
			return eng.Rename(cmd.Context(), args[0], args[1])
		},
	}
}

// Wait waits for containers to end and prints their exit codes.
func Wait(a *app.App) *cobra.Command {
	return &cobra.Command{
		Use: "wait CONTAINER [CONTAINER...]", Short: "Wait until containers end, then print their exit codes",
		Example: "  wait job", Args: app.MinArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			eng, err := a.Engine()
			if err != nil {
				return err
			}
			for _, ref := range args {
				status, err := eng.Wait(cmd.Context(), ref)
				if err != nil {
					return err
				}
				fmt.Fprintln(a.Out, strconv.Itoa(status.Code))
			}
			return nil
		},
	}
}
