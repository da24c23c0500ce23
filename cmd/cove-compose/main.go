// Command cove-compose is docker's compose, linked from its library: what `cove compose` runs
// where docker's own plugin is not installed. It is a module of its own, because nothing else
// of cove links what it needs.
package main

import (
	"os"

	"github.com/docker/cli/cli-plugins/metadata"
	"github.com/docker/cli/cli-plugins/plugin"
	"github.com/docker/cli/cli/command"
	"github.com/docker/compose/v2/cmd/compatibility"
	commands "github.com/docker/compose/v2/cmd/compose"
	"github.com/docker/compose/v2/cmd/prompt"
	"github.com/docker/compose/v2/pkg/compose"
	"github.com/spf13/cobra"
)

// version is that of the library, and is set when it is linked.
var version = "dev"

func main() {
	// What docker would put before a plugin's own words; options of old are turned into today's.
	os.Args = append([]string{"docker"}, compatibility.Convert(os.Args[1:])...)
	plugin.Run(root, metadata.Metadata{SchemaVersion: "0.1.0", Vendor: "cove", Version: version},
		command.WithUserAgent("compose/"+version))
}

// root is compose's command, which first connects to docker's API.
func root(cli command.Cli) *cobra.Command {
	ask := prompt.NewPrompt(cli.In(), cli.Out())
	cmd := commands.RootCommand(cli, compose.NewComposeService(cli, compose.WithPrompt(ask.Confirm)))
	prepare := cmd.PersistentPreRunE
	cmd.PersistentPreRunE = func(cmd *cobra.Command, args []string) error {
		if err := plugin.PersistentPreRunE(cmd, args); err != nil || prepare == nil {
			return err
		}
		return prepare(cmd, args)
	}
	return cmd
}
