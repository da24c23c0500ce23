// Package sandbox executes a plan: it starts the tiny static program that makes
// the plan's system calls and becomes the container's process.
//
// The parent opens what the plan lists (the root as a detached mount, the
// sources of binds, namespaces, cgroup.procs) and starts the program from a
// sealed memory file with those as inherited descriptors. Nothing of a container is ever
// mounted on the host, so a parent that is killed at any point leaves nothing
// behind but the control group.
package sandbox

import (
	"context"
	"os"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/layers/mount"
	"cove/runner/cgroup"
	"cove/runner/plan"
)

// Request says what to create.
type Request struct {
	// Plan is compiled from Spec; Spec is consulted for what the plan leaves
	// to the parent (the sources of mounts, the seccomp profile).
	Plan *plan.Plan
	Spec *specs.Spec
	// Root is the root filesystem. It is mounted detached, never on the host.
	Root mount.Mount
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
	// way) and before it may go on to pivot_root: network wiring and OCI's
	// prestart and createRuntime hooks. Its error aborts the creation.
	OnCreated func(pid int) error
	// Control, a directory, makes the process survive its creator: its gate and
	// status are two named pipes there, so that [Release] in another process can
	// start it (OCI's create and start). Empty: the process is killed when its
	// creator dies.
	Control string
}

// ExitStatus is how a process ended.
type ExitStatus struct {
	// Code is the exit code if Signal is zero.
	Code int
	// Signal is the one that ended the process.
	Signal unix.Signal
	// CoreDumped reports that a core was written.
	CoreDumped bool
	// Usage is what the process and its reaped children used.
	Usage unix.Rusage
}

// ExitCode is Code, or 128 plus the signal.
func (s ExitStatus) ExitCode() int {
	if s.Signal != 0 {
		return 128 + int(s.Signal)
	}
	return s.Code
}

// Process is the first process of a container, or one that joined it. Its
// methods are safe for concurrent use.
type Process struct {
	pid     int
	pidfd   *os.File
	console *os.File
}

// Create makes the namespaces and mounts of r and returns when the process
// waits before execve: OCI's state "created". Whoever creates a process must
// Wait for it, also when Start failed.
func Create(ctx context.Context, r Request) (*Process, error) {
	return nil, errdefs.Errorf(errdefs.ErrUnsupported, "sandbox: create is not there yet")
}

// JoinRequest says what to run in a container that exists.
type JoinRequest struct {
	// Plan is from plan.CompileExec.
	Plan *plan.Plan
	Spec *specs.Spec // the container's
	// Target is a pid of the container's first process, whose namespaces are joined.
	Target int
	// PidFD, if not nil, pins Target: joining fails when it has ended.
	PidFD                 *os.File
	Stdin, Stdout, Stderr *os.File
	ConsoleSize           unix.Winsize
	ExtraFiles            []*os.File
	Cgroup                *cgroup.Group
	Filter                []unix.SockFilter
	// Detached lets the process survive its creator.
	Detached bool
}

// Join makes a process inside a container, waiting before execve as Create does.
func Join(ctx context.Context, r JoinRequest) (*Process, error) {
	return nil, errdefs.Errorf(errdefs.ErrUnsupported, "sandbox: join is not there yet")
}

// Release starts the process that was created with Request.Control = dir.
func Release(ctx context.Context, dir string) error {
	return errdefs.Errorf(errdefs.ErrUnsupported, "sandbox: release is not there yet")
}

// Start lets the process go on to execve and returns when that has succeeded.
// A failure is a [*StepError].
func (p *Process) Start() error { return nil }

// Pid returns the process's id in the caller's pid namespace.
func (p *Process) Pid() int { return p.pid }

// PidFD returns the process's descriptor, which polls readable when it has ended. It
// is closed by Wait.
func (p *Process) PidFD() *os.File { return p.pidfd }

// Console returns the master of the process's terminal, nil without one. It is
// the caller's to close.
func (p *Process) Console() *os.File { return p.console }

// Signal sends sig to the process; ErrNotFound if it has ended.
func (p *Process) Signal(sig unix.Signal) error { return nil }

// Wait waits for the process to end. It may be called more than once.
func (p *Process) Wait(ctx context.Context) (ExitStatus, error) { return ExitStatus{}, nil }
