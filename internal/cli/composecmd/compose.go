// Package composecmd runs docker's compose over cove: it serves docker's API on a
// socket of its own for as long as compose runs, so that none has to be set up.
package composecmd

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"cove/errdefs"
	"cove/internal/cli/apiserver"
	"cove/internal/cli/app"
	"cove/internal/cli/remote"
	"cove/internal/cli/sibling"
)

// Compose becomes docker's compose, with everything behind the word "compose".
func Compose(a *app.App) *cobra.Command {
	cmd := &cobra.Command{
		Use: "compose COMMAND", Short: "Run projects of several containers (docker's compose, over cove)",
		Long: `Run docker's compose over the containers and images of this machine's cove.

compose itself is docker's plugin of that name: it is looked for in docker's folders of
plugins (~/.docker/cli-plugins, $DOCKER_CONFIG/cli-plugins, cliPluginsExtraDirs of
config.json, /usr/local/lib/docker/cli-plugins and the like), and as docker-compose in
$PATH. Where it is nowhere, the packages' own program cove-compose does the same: it is
linked of compose's library. docker's API is served to it on a private socket while it runs: no other has to be
there. With -H ssh://HOST compose and the files of the project are here, and containers,
images and folders are those of the other machine.`,
		Example: `  compose up -d
  compose -f compose.yaml -f compose.test.yaml run --rm app
  compose down -v`,
		DisableFlagParsing: true, // they are compose's
	}
	app.MarkGoesThere(cmd)
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
	own, err := sibling.Path("cove-compose")
	if err != nil {
		return err
	}
	plugin := find(folders(os.Getenv), os.Getenv("PATH"), own)
	if plugin == "" {
		return errdefs.Errorf(errdefs.ErrUnavailable, "docker's compose is not on this machine, nor is %s; "+
			"install the package docker-compose-plugin of docker, or put its program docker-compose (2.20 or newer) "+
			"into ~/.docker/cli-plugins or $PATH, or make compose where cove is built", own)
	}
	if len(a.Where) == 2 { // --host with its value
		e, err := remote.Parse(a.Where[1])
		if err != nil {
			return err
		}
		return there(cmd.Context(), a, e, command{plugin, args})
	}
	host, alive, err := apiserver.Private(cmd.Context(), a)
	if err != nil {
		return err
	}
	defer alive.Close() // reached only if there is no compose to keep it
	err = syscall.Exec(plugin, append([]string{"docker-compose"}, args...), environment(os.Environ(), host))
	return errdefs.Errorf(errdefs.ErrUnavailable, "starting %s: %w", plugin, err)
}

// command is compose with its arguments.
type command struct {
	plugin string
	args   []string
}

// there runs compose here over another machine's cove: the files of a project are read
// here, and what is made of them is made there.
func there(ctx context.Context, a *app.App, e remote.Endpoint, c command) (err error) {
	host, stop, err := e.Relay(ctx, a)
	if err != nil {
		return err
	}
	defer func() {
		if stopErr := stop(); err == nil {
			err = stopErr
		}
	}()
	cmd := exec.Command(c.plugin, c.args...) //nolint:noctx // it ends by signals, in its own way
	cmd.Args[0] = "docker-compose"
	cmd.Env = environment(os.Environ(), host)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = a.In, a.Out, a.Err
	if err := cmd.Start(); err != nil {
		return errdefs.Errorf(errdefs.ErrUnavailable, "starting %s: %w", c.plugin, err)
	}
	a.OnSignal(func(sig os.Signal) {
		// A terminal gives an interrupt to both, and two of them mean haste to compose.
		if _, typed := app.Terminal(a.In); !typed || sig != os.Interrupt {
			_ = cmd.Process.Signal(sig)
		}
	})
	err = cmd.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return &app.Exit{Code: max(exit.ExitCode(), app.CodeFailed)}
	}
	return err
}

// environment has compose speak to a host, whatever docker's own would be.
func environment(env []string, host string) []string {
	env = slices.DeleteFunc(slices.Clone(env), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return slices.Contains([]string{"DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS", "DOCKER_TLS_VERIFY"}, name)
	})
	return append(env, "DOCKER_HOST="+host)
}
