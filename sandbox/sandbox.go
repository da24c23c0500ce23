// Package sandbox executes a plan: it starts the tiny static program that makes
// the plan's system calls and becomes the container's process.
//
// The parent opens what the plan lists (the root as a detached mount, the
// sources of binds, namespaces, cgroup tasks) and starts the program from a
// sealed memory file with those as inherited descriptors. Nothing of a container is ever
// mounted on the host, so a parent that is killed at any point leaves nothing
// behind but the control group.
package sandbox

import (
	"os"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"cove/layers/mount"
	"cove/sandbox/cgroup"
	"cove/sandbox/files"
	"cove/sandbox/plan"
)

// Request says what to create.
type Request struct {
	// Plan is compiled from Spec; Spec is consulted for what the plan leaves
	// to the parent (the sources of mounts, the seccomp profile).
	Plan *plan.Plan
	Spec *specs.Spec
	// Root is the root filesystem. It is mounted detached, never on the host.
	Root mount.Mount
	// Stacks are what mounts of the spec show that have these as their sources.
	Stacks map[string]files.Stack
	// Stdin, Stdout and Stderr are the process's; nil is /dev/null. With a
	// terminal they are ignored: see [Process.Console].
	Stdin, Stdout, Stderr *os.File
	// ConsoleSize is the terminal's at the beginning; zero leaves the kernel's.
	ConsoleSize unix.Winsize
	// ExtraFiles become the process's descriptors 3, 4, ….
	ExtraFiles []*os.File
	// Cgroup is the group to start in; nil stays in the caller's.
	Cgroup *cgroup.Group
	// Filter is the compiled seccomp filter; nil compiles Spec's.
	Filter []unix.SockFilter
	// OnCreated runs after the process exists (in its namespaces, mounts under
	// way) and before it may go on to pivot_root: network wiring. Its error
	// aborts the creation.
	OnCreated func(pid int) error
	// OnMounted runs after the mounts are made, and after OnCreated: OCI's
	// prestart and createRuntime hooks. Its error aborts the creation, too.
	OnMounted func(pid int) error
	// State is what hooks that run in the container are told; the status and
	// the pid are added to it.
	State specs.State
	// Control, a directory, makes the process survive its creator: its gate and
	// status are two named pipes there, so that [Release] in another process can
	// start it (OCI's create and start). Empty: the process is killed when its
	// creator dies.
	Control string
}
