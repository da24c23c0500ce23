// Command run runs containers, and looks after them.
package main

import (
	"os"

	"cove/internal/cli"
)

func main() {
	os.Exit(cli.Main(cli.Run(cli.Elsewhere), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
