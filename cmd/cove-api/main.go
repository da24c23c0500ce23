// Command cove-api is cove with docker's API in it: "cove api" executes it. Called as build,
// cove or run, it is that program with what reads bake files, whose tables no other build
// pays for.
package main

import (
	"os"
	"path/filepath"

	_ "cove/internal/bakefile/late/linked"
	"cove/internal/cli"
	"cove/internal/cli/apicmd"
	"cove/internal/cli/buildcmd"
)

func main() {
	here := cli.Elsewhere
	here.API, here.Bake, here.Again = apicmd.Noun, buildcmd.Bake, nil
	grammar := cli.Cove(here)
	switch filepath.Base(os.Args[0]) {
	case "build":
		grammar = cli.Build(here)
	case "run":
		grammar = cli.Run(here)
	}
	os.Exit(cli.Main(grammar, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
