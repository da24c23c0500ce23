package plan_test

import (
	"fmt"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"cove/sandbox/host"
	"cove/sandbox/plan"
)

// A runtime spec becomes a list of system calls, before anything is started: what
// run --explain prints.
func ExampleCompile() {
	h, err := host.Detect()
	if err != nil {
		fmt.Println(err)
		return
	}
	p, err := plan.Compile(&specs.Spec{
		Version: "1.2.0",
		Root:    &specs.Root{Path: "/"},
		Process: &specs.Process{Cwd: "/", Args: []string{"/bin/true"}, NoNewPrivileges: true},
		Linux:   &specs.Linux{Namespaces: []specs.LinuxNamespace{{Type: specs.MountNamespace}, {Type: specs.UTSNamespace}}},
	}, h)
	if err != nil {
		fmt.Println(err)
		return
	}
	calls := map[string]bool{}
	for _, s := range p.Steps {
		calls[s.Call] = true
	}
	fmt.Println(calls["pivot_root"], calls["execve"], calls["ptrace"])
	// Output: true true false
}
