// Package sibling holds the commands that another binary of cove executes: the
// registry's, those that need the builder, and those that move or unpack images.
// So `cove` and `run` start without the weight of any of them.
package sibling

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"cove/errdefs"
	"cove/internal/cli/app"
)

// Path is where the sibling of a name is: beside this binary, where every
// installation puts it. $PATH is not searched, because a program called build
// may be anybody's there.
func Path(name string) (string, error) {
	exe, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("finding the program %s, which is installed beside this one: %w", name, err)
	}
	return filepath.Join(filepath.Dir(exe), name), nil
}

// become replaces this process by a sibling, which is told to be argv[0].
func become(name string, argv ...string) error {
	path, err := Path(name)
	if err != nil {
		return err
	}
	if itself(path) { // it would do so again, without end
		return errdefs.Errorf(errdefs.ErrNotLinked, "%s is this program, which does not link what this command needs", path)
	}
	return missing(path, syscall.Exec(path, argv, os.Environ()))
}

// itself reports whether a program is the one that runs.
func itself(path string) bool {
	it, err := os.Stat(path)
	if err != nil {
		return false
	}
	own, err := os.Stat("/proc/self/exe")
	return err == nil && os.SameFile(it, own)
}

// missing says what to do about a sibling that could not be started.
func missing(path string, err error) error {
	return errdefs.Errorf(errdefs.ErrUnavailable,
		"starting %s: %w; this command needs the program %s, which belongs into the same directory as this one",
		path, err, filepath.Base(path))
}

// Registry becomes the registry binary.
func Registry(*app.App) *cobra.Command {
	return &cobra.Command{
		Use: "registry COMMAND", Short: "Serve and administer a registry (the registry binary)",
		Example:            "  registry serve --root /srv/registry --listen :443",
		DisableFlagParsing: true,
		RunE: func(_ *cobra.Command, args []string) error {
			return become("registry", append([]string{"registry"}, args...)...)
		},
	}
}

// Build becomes the build binary.
func Build(a *app.App) *cobra.Command {
	return another(a, "build", &cobra.Command{Use: "build [flags] CONTEXT", Short: "Build an image from a Dockerfile"})
}

// Bake is Build for the targets of a file.
func Bake(a *app.App) *cobra.Command {
	return another(a, "build", &cobra.Command{
		Use: "bake [flags] [TARGET...]", Short: "Build the targets of a bake or compose file, all as one build",
	})
}

// BuildHistory is Build for the builds that were.
func BuildHistory(a *app.App) *cobra.Command {
	return another(a, "build", &cobra.Command{Use: "history COMMAND", Short: "Look at the builds that were"})
}

// Copy is Build for what goes past the local images.
func Copy(a *app.App) *cobra.Command {
	return another(a, "build", &cobra.Command{
		Use: "copy [flags] SRC DST", Short: "Copy an image or artifact between registries and OCI layouts",
	})
}

// Merge is Copy for images that become one.
func Merge(a *app.App) *cobra.Command {
	return another(a, "build", &cobra.Command{
		Use: "merge [flags] -t NAME IMAGE [IMAGE...]", Short: "Make one image of several platforms from images that are there",
	})
}

// Verify is Build for an image that is built again.
func Verify(a *app.App) *cobra.Command {
	return another(a, "build", &cobra.Command{
		Use: "verify IMAGE [CONTEXT]", Short: "Build an image again, and list the files that differ",
	})
}

// Kaniko is Build with the flags of kaniko.
func Kaniko(a *app.App) *cobra.Command {
	return another(a, "build", &cobra.Command{
		Use: "kaniko [flags]", Short: "Build an image with the flags of kaniko's executor",
	})
}

// Again becomes the build binary with the same command line: it links what moves,
// packs and unpacks images too, and under this program's name it is this program.
func Again(a *app.App) error { return become("build", append([]string{a.Prog}, a.Again()...)...) }

// Bakes becomes the cove-api binary with the same command line: it links what reads bake
// files, too.
func Bakes(a *app.App) error { return become("cove-api", append([]string{a.Prog}, a.Again()...)...) }

// InPlaceOf is a command that the build binary does, as its help shows it.
func InPlaceOf(a *app.App, cmd *cobra.Command) *cobra.Command {
	cmd.Args = cobra.ArbitraryArgs // the other one counts them
	return another(a, "build", cmd)
}

// API becomes the cove-api binary.
func API(a *app.App) *cobra.Command {
	return another(a, "cove-api", &cobra.Command{
		Use: "api COMMAND", Short: "Serve docker's API, for docker's own clients (the cove-api binary)",
		Example: "  api serve --socket /run/docker.sock --group docker",
	})
}

// another is a command of this grammar that another binary has: that reads the whole
// command line again as this program, with the same flags, help and completion.
func another(a *app.App, name string, cmd *cobra.Command) *cobra.Command {
	again := func() error { return become(name, append([]string{a.Prog}, a.Again()...)...) }
	cmd.DisableFlagParsing = true
	app.MarkSibling(cmd)
	cmd.RunE = func(*cobra.Command, []string) error { return again() }
	cmd.ValidArgsFunction = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		_ = again() // there is nowhere to say why it could not
		return nil, cobra.ShellCompDirectiveError
	}
	cmd.SetHelpFunc(func(*cobra.Command, []string) { a.Tell(again()) })
	return cmd
}
