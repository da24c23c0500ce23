// Command registry is a private image registry: see "registry --help".
package main

import (
	"os"

	"cove/internal/cli/registrycmd"
)

func main() { os.Exit(registrycmd.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }
