// Command build builds images, and looks after them.
package main

import (
	"os"

	"cove/internal/cli"
)

func main() {
	os.Exit(cli.Main(cli.Build(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
