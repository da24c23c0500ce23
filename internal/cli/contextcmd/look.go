package contextcmd

import (
	"fmt"

	"github.com/spf13/cobra"

	"cove/errdefs"
	"cove/internal/cli/app"
	"cove/internal/cli/contextcmd/store"
	"cove/internal/cli/output"
	"cove/internal/cli/remote"
)

// row is a context in a list, with docker's names.
type row struct{ Name, Description, DockerEndpoint, Error, Current string }

var table = output.List[row]{ID: "Name", Columns: []output.Column{
	{Field: "Name", Header: "NAME"},
	{Field: "Description", Header: "DESCRIPTION"},
	{Field: "DockerEndpoint", Header: "DOCKER ENDPOINT"},
	{Field: "Error", Header: "ERROR"},
	{Field: "Current", Header: "CURRENT", Extra: true},
}}

func list(a *app.App) *cobra.Command {
	var out output.Options
	cmd := &cobra.Command{
		Use: "ls [flags]", Aliases: []string{"list"}, Short: "List contexts",
		Example: "  ls\n  ls -q", Args: app.NoArgs(),
	}
	out.FormatFlag(cmd.Flags())
	out.QuietFlag(cmd.Flags(), "names")
	cmd.RunE = func(*cobra.Command, []string) error {
		all, err := contexts().List()
		if err != nil {
			return err
		}
		name, err := current()
		if err != nil {
			return err
		}
		rows := make([]row, 0, len(all))
		for _, c := range all {
			r := row{Name: c.Name, Description: c.Metadata.Description, DockerEndpoint: c.Host()}
			if c.Name == name {
				r.Current = "true"
				if !out.Quiet && (out.Format == "" || out.Format == "table") {
					r.Name += " *"
				}
			}
			if _, err := remote.Parse(c.Host()); err != nil {
				r.Error = err.Error()
			}
			rows = append(rows, r)
		}
		return table.Write(a.Out, out, rows)
	}
	return cmd
}

func show(a *app.App) *cobra.Command {
	return &cobra.Command{
		Use: "show", Short: "Print the name of the context in use", Example: "  show", Args: app.NoArgs(),
		RunE: func(*cobra.Command, []string) error {
			name, err := current()
			if err == nil {
				fmt.Fprintln(a.Out, name)
			}
			return err
		},
	}
}

func use(a *app.App) *cobra.Command {
	return &cobra.Command{
		Use: "use CONTEXT", Short: "Do commands there from now on",
		Example: "  use build\n  use default", Args: app.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if err := contexts().Use(args[0]); err != nil {
				return err
			}
			fmt.Fprintln(a.Out, args[0])
			if name, err := current(); err == nil && name != args[0] {
				a.Warnf("$COVE_HOST or $COVE_CONTEXT takes its place: %s is in use", name)
			}
			fmt.Fprintf(a.Err, "Current context is now %q\n", args[0])
			return nil
		},
	}
}

func inspect(a *app.App) *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use: "inspect [flags] [CONTEXT...]", Short: "Print everything about contexts, as JSON",
		Example: "  inspect\n  inspect -f '{{.Endpoints.docker.Host}}' build", Args: app.MinArgs(0),
	}
	cmd.Flags().StringVarP(&format, "format", "f", "", "json, or a Go template")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		if len(args) == 0 {
			name, err := current()
			if err != nil {
				return err
			}
			args = []string{name}
		}
		return output.Each(a.Out, format, args, func(name string) (any, error) { return contexts().Get(name) })
	}
	return cmd
}

func remove(a *app.App) *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use: "rm [flags] CONTEXT [CONTEXT...]", Aliases: []string{"remove"}, Short: "Forget contexts",
		Example: "  rm build", Args: app.MinArgs(1),
	}
	cmd.Flags().BoolVarP(&force, "force", "f", false, "also the one in use")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		var errs []error
		for _, name := range args {
			err := forget(name, force)
			if err == nil {
				fmt.Fprintln(a.Out, name)
			}
			errs = append(errs, err)
		}
		return app.Join(errs...)
	}
	return cmd
}

func forget(name string, force bool) error {
	used, err := contexts().Current()
	if err != nil {
		return err
	}
	if used == name && name != store.Local {
		if !force {
			return errdefs.Errorf(errdefs.ErrConflict,
				"context %q is in use; 'cove context use default' changes that, or use --force", name)
		}
		if err := contexts().Use(store.Local); err != nil {
			return err
		}
	}
	return contexts().Remove(name)
}
