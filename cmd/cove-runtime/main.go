// Command runtime is cove-runtime: an OCI runtime in runc's grammar, and the
// monitor that is each container's parent.
package main

import (
	"context"
	"fmt"
	"os"

	"cove/runner/monitor"
	"cove/runner/oci"
)

func main() {
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
