// Command build builds images, and looks after them. Called as cove or run, it is that
// program with what those do not link, because they start with each container: the
// builder, and what moves, packs and unpacks images. For the parent of a container it is
// the program that speaks TLS with a syslog server.
package main

import (
	"os"
	"path/filepath"

	"cove/engine/builds/changes"
	"cove/internal/cli"
	"cove/internal/cli/buildcmd"
	"cove/internal/cli/buildpack"
	"cove/internal/cli/copycmd"
	"cove/internal/cli/historycmd"
	"cove/internal/cli/sibling"
	"cove/internal/cli/verifycmd"
	"cove/internal/process"
	"cove/runner/logs/ship"
	"cove/runner/logs/ship/secure"
)

func main() {
	if os.Args[0] == ship.SecureProgram {
		os.Exit(secure.Main(os.Args[1:], os.Stdin))
	}
	process.CollectLate(64 << 20)
	here := cli.Builder{
		Build: buildcmd.Build, Bake: buildcmd.Bake, History: historycmd.Noun, Changes: changes.Read,
		Verify: verifycmd.Verify, Kaniko: buildcmd.Kaniko,
		Copy: copycmd.Copy, Merge: copycmd.Merge, API: cli.Elsewhere.API,
		Pack: buildpack.Pack, Bakes: sibling.Bakes,
	}
	grammar := cli.Build(here)
	switch filepath.Base(os.Args[0]) {
	case "cove":
		grammar = cli.Cove(here)
	case "run":
		grammar = cli.Run(here)
	}
	os.Exit(cli.Main(grammar, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
