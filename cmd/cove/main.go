// Command cove builds, ships and runs containers, in docker's grammar.
package main

import (
	"os"

	"cove/internal/cli"
)

func main() {
	os.Exit(cli.Main(cli.Cove(cli.Elsewhere), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
