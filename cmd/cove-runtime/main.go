// Command cove-runtime is an OCI runtime in runc's grammar, the monitor that is
// each container's parent, and, inside of one that asks for it, its init.
package main

import (
	"context"
	"fmt"
	"os"

	"cove/runner/monitor"
	"cove/runner/oci"
	"cove/runner/pid1"
	"cove/runner/record"
)

func main() {
	if os.Args[0] == record.InitPath {
		os.Exit(pid1.Main(os.Args[1:], os.Stderr))
	}
	ctx := context.Background()
	if len(os.Args) > 1 && os.Args[1] == "monitor" {
		if err := monitor.Main(ctx, os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, "cove-runtime monitor:", err)
			os.Exit(125)
		}
		return
	}
	os.Exit(oci.Main(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
