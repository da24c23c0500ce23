// Command cove-api is cove with docker's API in it: "cove api" executes it.
package main

import (
	"os"

	"cove/internal/cli"
	"cove/internal/cli/apicmd"
)

func main() {
	here := cli.Elsewhere
	here.API, here.Again = apicmd.Noun, nil
	os.Exit(cli.Main(cli.Cove(here), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
