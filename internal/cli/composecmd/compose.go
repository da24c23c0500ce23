// Package composecmd runs docker's compose over cove: it serves docker's API on a
// socket of its own for as long as compose runs, so that none has to be set up.
package composecmd

import (
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"cove/errdefs"
	"cove/internal/cli/apiserver"
	"cove/internal/cli/app"
)

// Compose becomes docker's compose, with everything behind the word "compose".
func Compose(a *app.App) *cobra.Command {
	cmd := &cobra.Command{
		Use: "compose COMMAND", Short: "Run projects of several containers (docker's compose, over cove)",
		Long: `Run docker's compose over the containers and images of this machine's cove.

compose itself is docker's plugin of that name: it is looked for in docker's folders of
plugins (~/.docker/cli-plugins, $DOCKER_CONFIG/cli-plugins, cliPluginsExtraDirs of
config.json, /usr/local/lib/docker/cli-plugins and the like), and as docker-compose in
$PATH. docker's API is served to it on a private socket while it runs: no other has to be
there. What is on another machine is driven by docker compose with DOCKER_HOST.`,
		Example: `  compose up -d
  compose -f compose.yaml -f compose.test.yaml run --rm app
  compose down -v`,
		DisableFlagParsing: true, // they are compose's
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		own := cmd.Root().PersistentFlags()
		own.SetInterspersed(false) // up to the word "compose"
		if err := own.Parse(a.Args); err != nil {
			return err
		}
		args := own.Args()
		return become(cmd, a, args[min(1, len(args)):])
	}
	return cmd
}

// become replaces this process by compose, with a server beside it that ends with it.
func become(cmd *cobra.Command, a *app.App, args []string) error {
	plugin := find(folders(os.Getenv, os.ReadFile), os.Getenv("PATH"))
	if plugin == "" {
		return errdefs.Errorf(errdefs.ErrUnavailable, "docker's compose is not on this machine; "+
			"install the package docker-compose-plugin of docker, or put its program docker-compose (2.20 or newer) "+
			"into ~/.docker/cli-plugins or $PATH")
	}
	host, alive, err := apiserver.Private(cmd.Context(), a)
	if err != nil {
		return err
	}
	defer alive.Close() // reached only if there is no compose to keep it
	err = syscall.Exec(plugin, append([]string{"docker-compose"}, args...), environment(os.Environ(), host))
	return errdefs.Errorf(errdefs.ErrUnavailable, "starting %s: %w", plugin, err)
}

// environment has compose speak to a host, whatever docker's own would be.
func environment(env []string, host string) []string {
	env = slices.DeleteFunc(slices.Clone(env), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return slices.Contains([]string{"DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS", "DOCKER_TLS_VERIFY"}, name)
	})
	return append(env, "DOCKER_HOST="+host)
}
