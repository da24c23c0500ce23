package containercmd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"cove/engine"
	"cove/engine/containers"
	"cove/errdefs"
	"cove/internal/cli/app"
	"cove/internal/cli/output"
	"cove/internal/cli/runflags"
	"cove/internal/cli/verbs"
)

// Exec runs one more process in a container.
func Exec(a *app.App) *cobra.Command {
	var cfg containers.ExecOptions
	var stdin bool
	var envFiles, env []string
	var detachKeys string
	cmd := &cobra.Command{
		Use:     "exec [flags] CONTAINER COMMAND [ARG...]",
		Short:   "Run a command in a running container",
		Example: "  exec db env\n  exec -it db bash\n  exec -u nobody -w /tmp db ls -l",
		Args:    app.MinArgs(2),
	}
	fs := cmd.Flags()
	fs.SetInterspersed(false)
	fs.BoolVarP(&cfg.Detach, "detach", "d", false, "leave it running")
	fs.BoolVarP(&stdin, "interactive", "i", false, "keep its standard input open")
	fs.BoolVarP(&cfg.Terminal, "tty", "t", false, "give it a terminal")
	fs.StringVarP(&cfg.User, "user", "u", "", "user: NAME|UID[:GROUP|GID]")
	fs.StringVarP(&cfg.Cwd, "workdir", "w", "", "working directory")
	fs.StringArrayVarP(&env, "env", "e", nil, "set a variable: KEY=VALUE, or KEY to take it from here")
	fs.StringArrayVar(&envFiles, "env-file", nil, "read variables from a file")
	fs.BoolVar(&cfg.Privileged, "privileged", false, "give it every capability")
	fs.StringVar(&detachKeys, "detach-keys", "", keysUsage)
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		cfg.Args = args[1:]
		if slices.Contains(env, "") {
			err := errdefs.Errorf(errdefs.ErrInvalid, "--env \"\": invalid environment variable: it is empty")
			return &app.Exit{Code: app.CodeUsage, Err: err}
		}
		if cfg.Env, err = runflags.Environment(envFiles, env); err != nil {
			return err
		}
		eng, err := a.Engine()
		if err != nil {
			return err
		}
		if cfg.Detach {
			_, err := eng.Exec(cmd.Context(), args[0], cfg, containers.Streams{})
			return started(err)
		}
		t := &terminal{a: a}
		defer t.restore()
		streams, err := t.open(terminalOptions{stdin: stdin, tty: cfg.Terminal, keys: detachKeys})
		if err != nil {
			return err
		}
		status, err := eng.Exec(cmd.Context(), args[0], cfg, streams)
		t.restore()
		if err != nil && !errors.Is(err, containers.ErrDetached) {
			return started(err)
		}
		return left(a, status, err)
	}
	return cmd
}

// started gives an exec that could not start docker's 126 or 127.
func started(err error) error {
	var start *containers.StartError
	if errors.As(err, &start) {
		return &app.Exit{Code: start.Code, Err: err}
	}
	return err
}

// Logs prints what a container wrote.
func Logs(a *app.App) *cobra.Command {
	var o containers.LogOptions
	var tail, since, until string
	cmd := &cobra.Command{
		Use:     "logs [flags] CONTAINER",
		Short:   "Print a container's output",
		Example: "  logs -f --tail 20 db\n  logs --since 10m -t db",
		Args:    app.ExactArgs(1),
	}
	fs := cmd.Flags()
	fs.BoolVarP(&o.Follow, "follow", "f", false, "go on as it writes more")
	fs.StringVarP(&tail, "tail", "n", "all", "only the last N lines")
	fs.StringVar(&since, "since", "", "only what is newer: 10m, or 2006-01-02T15:04:05Z")
	fs.StringVar(&until, "until", "", "only what is older")
	fs.BoolVar(&o.Details, "details", false, "begin lines with the labels and variables that --log-opt named")
	fs.BoolVarP(&o.Timestamps, "timestamps", "t", false, "begin lines with their time")
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		if o.Tail, err = parseTail(tail); err != nil {
			return err
		}
		o.All = tail == "all"
		now := time.Now()
		if o.Since, err = verbs.Moment("--since", since, now); err != nil {
			return err
		}
		if o.Until, err = verbs.Moment("--until", until, now); err != nil {
			return err
		}
		eng, err := a.Engine()
		if err != nil {
			return err
		}
		err = eng.Logs(cmd.Context(), args[0], o, a.Out, a.Err)
		if o.Follow {
			return app.Left(cmd.Context(), err)
		}
		return err
	}
	return cmd
}

func parseTail(s string) (int, error) {
	if s == "all" || s == "" {
		return -1, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0, errdefs.Errorf(errdefs.ErrInvalid, "--tail %s: want a number of lines or all", s)
	}
	return n, nil
}

// Top prints a container's processes as the host's ps shows them.
func Top(a *app.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "top CONTAINER [ps options]",
		Short:   "List a container's processes, as the host sees them",
		Example: "  top db\n  top db -o pid,user,args",
		Args:    app.MinArgs(1),
	}
	cmd.Flags().SetInterspersed(false)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		eng, err := a.Engine()
		if err != nil {
			return err
		}
		rows, err := eng.Top(cmd.Context(), args[0], args[1:])
		if err != nil {
			return err
		}
		tw := output.NewColumns(a.Out, 20)
		for _, row := range rows {
			fmt.Fprintln(tw, strings.Join(row, "\t"))
		}
		return tw.Flush()
	}
	return cmd
}

// Inspect prints containers as JSON.
func Inspect(a *app.App) *cobra.Command {
	var size bool
	cmd := &cobra.Command{
		Use:     "inspect [flags] CONTAINER [CONTAINER...]",
		Short:   "Print everything about containers, as JSON",
		Example: "  inspect db\n  inspect -f '{{.State.Pid}}' db\n  inspect -s -f '{{.SizeRw}}' db",
	}
	cmd.Flags().BoolVarP(&size, "size", "s", false, "also what it wrote (SizeRw), and that with its image (SizeRootFs)")
	return verbs.Inspect(a, cmd, func(ctx context.Context, eng *engine.Engine, ref string) (any, error) {
		found, err := eng.InspectContainer(ctx, ref)
		if err == nil && size {
			err = eng.MeasureContainer(ctx, found)
		}
		return found, err
	})
}
