// Command build builds images, and looks after them. Called as cove, it is the
// builder of cove.
package main

import (
	"os"
	"path/filepath"

	"cove/engine/builds"
	"cove/internal/cli"
	"cove/internal/cli/buildcmd"
)

func main() {
	here := cli.Builder{Build: buildcmd.Build, Bake: buildcmd.Bake, Changes: builds.Changes, API: cli.Elsewhere.API}
	grammar := cli.Build(here)
	if filepath.Base(os.Args[0]) == "cove" {
		grammar = cli.Cove(here)
	}
	os.Exit(cli.Main(grammar, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
