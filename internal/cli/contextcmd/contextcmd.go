// Package contextcmd holds the commands about contexts, the names of machines that
// commands are done on, in docker's grammar.
package contextcmd

import (
	"cmp"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"cove/errdefs"
	"cove/internal/cli/app"
	"cove/internal/cli/contextcmd/store"
	"cove/internal/cli/remote"
)

// Noun is `context` with its commands.
func Noun(a *app.App) *cobra.Command {
	noun := app.Noun(&cobra.Command{
		Use: "context COMMAND", Short: "Name other machines, to do commands there",
		Long: `Name other machines, to do commands there: over ssh, by the cove that they have.

-H ssh://[USER@]HOST[:PORT] before a command does the same once. ssh is the program of that
name, with what ~/.ssh/config says of keys, jumps and shared connections. Exit codes,
terminals and their size, standard input and output are as of a command here. Folders and
files are those of the other machine, but what load and import read and save and export
write. $COVE_HOST and $COVE_CONTEXT take the place of the flags; docker's DOCKER_HOST says
nothing to cove. A context with unix:// or tcp:// is done by docker's client, if it is here.`,
	})
	noun.AddCommand(create(a), list(a), use(a), show(a), inspect(a), update(a), remove(a), exportTo(a), importFrom(a))
	return noun
}

func contexts() store.Store { return store.Default(os.Getenv) }

// current is the name of the context in use, by the environment or by "use".
func current() (string, error) {
	if os.Getenv("COVE_HOST") != "" {
		return store.Local, nil
	}
	if name := os.Getenv("COVE_CONTEXT"); name != "" {
		return name, nil
	}
	return contexts().Current()
}

// hostOf reads the value of --docker: host=URL and what docker has beside it.
func hostOf(values map[string]string) (string, error) {
	for key := range values {
		if key != "host" && key != "skip-tls-verify" {
			return "", errdefs.Errorf(errdefs.ErrUnsupported, "--docker %s=: only host= is known; "+
				"certificates are docker's own, by DOCKER_CERT_PATH", key)
		}
	}
	host := values["host"]
	_, err := remote.Parse(host)
	return host, err
}

func create(a *app.App) *cobra.Command {
	var description, from string
	var endpoint map[string]string
	cmd := &cobra.Command{
		Use: "create [flags] CONTEXT", Short: "Name another machine", Args: app.ExactArgs(1),
		Example: "  create build --docker host=ssh://builder@10.0.0.7\n  create copy --from build --description 'the same'",
	}
	cmd.Flags().StringVar(&description, "description", "", "what it is for")
	cmd.Flags().StringToStringVar(&endpoint, "docker", nil, "where it is: host=ssh://[USER@]HOST[:PORT]")
	cmd.Flags().StringVar(&from, "from", "", "a context to begin with")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		if err := store.CheckName(args[0]); err != nil {
			return err
		}
		if _, err := contexts().Get(args[0]); err == nil {
			return errdefs.Errorf(errdefs.ErrExists, "context %q already exists", args[0])
		}
		host, err := hostOf(endpoint)
		if err != nil {
			return err
		}
		if from != "" {
			c, err := contexts().Get(from)
			if err != nil {
				return err
			}
			host, description = cmp.Or(host, c.Host()), cmp.Or(description, c.Metadata.Description)
		}
		if err := contexts().Put(store.New(args[0], description, host)); err != nil {
			return err
		}
		fmt.Fprintln(a.Out, args[0])
		fmt.Fprintf(a.Err, "Successfully created context %q\n", args[0])
		return nil
	}
	return cmd
}

func update(a *app.App) *cobra.Command {
	var description string
	var endpoint map[string]string
	cmd := &cobra.Command{
		Use: "update [flags] CONTEXT", Short: "Change a context", Args: app.ExactArgs(1),
		Example: "  update build --docker host=ssh://builder@10.0.0.8",
	}
	cmd.Flags().StringVar(&description, "description", "", "what it is for")
	cmd.Flags().StringToStringVar(&endpoint, "docker", nil, "where it is: host=ssh://[USER@]HOST[:PORT]")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := contexts().Get(args[0])
		if err != nil {
			return err
		}
		host, err := hostOf(endpoint)
		if err != nil {
			return err
		}
		if !cmd.Flags().Changed("docker") {
			host = c.Host()
		}
		if !cmd.Flags().Changed("description") {
			description = c.Metadata.Description
		}
		if err := contexts().Put(store.New(args[0], description, host)); err != nil {
			return err
		}
		fmt.Fprintln(a.Out, args[0])
		fmt.Fprintf(a.Err, "Successfully updated context %q\n", args[0])
		return nil
	}
	return cmd
}
