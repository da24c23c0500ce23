// Package configcmd is the registry's commands on its configuration.
package configcmd

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"cove/internal/cli/registrycmd/command"
	"cove/registry/server/config"
)

// New is the command "config" with those below it.
func New() *cobra.Command {
	return command.Group("config", "Check the configuration, and list what can be set", newCheck(), newKeys())
}

func newCheck() *cobra.Command {
	return &cobra.Command{
		Use:   "check [FILE]",
		Short: "Say what is wrong in a configuration file, and in the variables over it",
		Long: `Read a file, and the variables ` + config.VariablePrefix + `… over it, as serve does, and say
what is wrong. Nothing is opened, made or served.`,
		Example: `  registry config check /etc/cove/registry.yaml`,
		Args:    command.Args(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			file := strings.Join(a, "")
			c, err := config.Load(file)
			if err == nil {
				err = c.Complete()
			}
			if err != nil {
				return err
			}
			storage, database := c.Root, "SQLite in "+c.Root
			if c.Storage.S3 != nil {
				storage = "bucket " + c.Storage.S3.Bucket
			}
			if c.Database != "" {
				database = "PostgreSQL"
			}
			names := cmp.Or(strings.Join(c.Hostnames, ", "), "those of this machine")
			_, err = fmt.Fprintf(cmd.OutOrStdout(),
				"%s: nothing is wrong\nlisten:   %s\nnames:    %s\nstorage:  %s\ndatabase: %s\n",
				cmp.Or(file, "no file"), c.Listen, names, storage, database)
			return err
		},
	}
}

func newKeys() *cobra.Command {
	return &cobra.Command{
		Use:     "keys",
		Short:   "List every key of the file, with the variable that goes before it, and what SIGHUP does",
		Example: `  registry config keys`,
		Args:    command.Args(cobra.MaximumNArgs(0)),
		RunE: func(cmd *cobra.Command, _ []string) error {
			t := command.NewTable(cmd, false, "VARIABLE", "SIGHUP")
			for _, k := range config.Keys() {
				taken := "restart"
				if config.Live(k.Path) {
					taken = "taken"
				}
				if err := t.Row(k.Path, k.Variable, taken); err != nil {
					return err
				}
			}
			return t.Flush(nil)
		},
	}
}
