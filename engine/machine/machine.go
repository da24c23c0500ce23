// Package machine tells what this machine is and has that containers are given
// or told of.
package machine

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"

	"github.com/moby/sys/capability"

	"cove/engine/runspec"
)

// Capabilities are the capabilities that this process has and so may hand on.
func Capabilities() ([]string, error) {
	caps, err := capability.NewPid2(0)
	if err == nil {
		err = caps.Load()
	}
	if err != nil {
		return nil, fmt.Errorf("reading this process's capabilities: %w", err)
	}
	names := []string{}
	for _, c := range capability.ListKnown() {
		if caps.Get(capability.BOUNDING, c) && caps.Get(capability.PERMITTED, c) {
			names = append(names, "CAP_"+strings.ToUpper(c.String()))
		}
	}
	return names, nil
}

// Limits is what the limits of a container are held to.
func Limits() runspec.Machine {
	return runspec.Machine{
		CPUs:  online("cpu", "0-"+strconv.Itoa(runtime.NumCPU()-1)),
		Nodes: online("node", "0"),
	}
}

// online is the kernel's list of what there is of a kind, or otherwise if it has
// no such list, as kernels without memory nodes.
func online(kind, otherwise string) string {
	b, err := os.ReadFile("/sys/devices/system/" + kind + "/online")
	if err != nil {
		return otherwise
	}
	return strings.TrimSpace(string(b))
}
