// Package plan compiles a runtime spec to the list of system calls that make the
// container. It is pure: data in, data out.
//
// A container needs about a hundred calls. [Compile] writes them down as steps,
// in order, and [Plan.String] prints them as strace would; package sandbox
// executes them. Two parties take part: the parent, cove itself, opens what a
// plan lists under [Plan.Files] while it still has the whole of Go, and the
// program, a loop of machine code over [Plan.Steps], inherits those files, makes
// the calls inside the new namespaces and becomes the container's process.
package plan

import (
	"time"

	"cove/layers/mount"

	"golang.org/x/sys/unix"
)

// Plan is what will be asked of the kernel, in order.
type Plan struct {
	// Clone are the CLONE_NEW flags that the program is started with.
	Clone uint64
	// UIDs and GIDs are the mappings of a new user namespace.
	UIDs, GIDs []mount.IDRange
	// Files are opened by the parent and inherited by the program.
	Files []File
	// Steps are executed by the program.
	Steps []Step
	// Terminal says that standard input, output and error are a new
	// pseudo-terminal.
	Terminal bool
	// Command is the process's argv[0], and UID its user in the container's
	// user namespace.
	Command string
	UID     uint32
	// Warnings are of what was left out of the plan.
	Warnings []string
	// Forks says that the program forks the container's process instead of
	// becoming it: it joined a pid namespace, which holds for children only, or
	// makes one in a user namespace that it joined.
	Forks bool
	// AgentFirst says that the filter may stop the program before it forks, so that
	// the agent has to know of the filter before there is the process that it is for.
	AgentFirst bool
	// Scheduler is what the parent sets of a process that the program forks, and
	// SchedulerWhy what that is for; nil leaves it.
	Scheduler    *unix.SchedAttr
	SchedulerWhy string
}

// Op is the kind of a step.
type Op uint8

const (
	// Call makes a system call.
	Call Op = iota
	// Check fails unless a value has the bits it should have.
	Check
	// Octal writes the last twelve bits of a value, as those of a file's mode, into a
	// Buffer, as four digits.
	Octal
	// Store writes a number or a value to a place in a Buffer, as eight bytes.
	Store
	// Barrier tells the parent that the program came so far and waits for it.
	Barrier
	// Fork makes the container's process as a sibling of the program, which
	// reports its pid to the parent and ends; the steps after it are the child's.
	Fork
	// Reap waits for the process whose pid is the argument, tells the parent how
	// it ended, and fails unless that was with code 0.
	Reap
	// MapOwners tells the parent the descriptor of a detached mount, whose owners it is to map by
	// an inherited user namespace, and waits for that: only who has rights over the
	// filesystem may, and a program in a user namespace has none.
	MapOwners
	// Listen loads a filter with a listener, tells the parent the number of its
	// descriptor, waits until the parent has a copy, and closes it.
	Listen
)

// Step is one thing that the program does.
type Step struct {
	Op Op
	// Call is the name of the system call.
	Call string
	// Args are the call's; or the value, mask and wanted bits of a Check; the value and the
	// buffer of an Octal or a Store; the mount and the namespace of a MapOwners.
	Args []Arg
	// Result names the call's result for later steps; zero for none.
	Result Value
	// Accept are the errors with which the plan goes on. [AnyError] accepts all.
	Accept []unix.Errno
	// OnOK and OnError are the numbers of steps to leave out after success
	// and after an accepted error.
	OnOK, OnError int
	// Note reports an accepted error to the parent, who may have a use for
	// it: which of the attempts of execve failed, and how.
	Note bool
	// Errno is what a Check fails with.
	Errno unix.Errno
	// Deep maps the owners of the mounts below, too, for a MapOwners.
	Deep bool
	// Timeout is how long the process of a Reap may take, as far as the parent
	// lets it; zero is for ever.
	Timeout time.Duration
	// Why says what the step is for, as "mount /proc"; failures quote it.
	Why string
}

// AnyError in Step.Accept accepts every error.
const AnyError = unix.Errno(0xffff)

// Value names the result of a step.
type Value int

// Exec is the Why of the steps that execute the container's program.
const Exec = "exec"

// Names of the barriers, in Step.Why.
const (
	// Mounted: the mounts are made, the host's root is still there. The
	// parent wires the network and runs hooks before it lets the program on.
	Mounted = "mounted"
	// Created: all is done but execve. OCI's start lets the program on.
	Created = "created"
)

// File is something that the parent opens for the program.
type File struct {
	Kind FileKind
	// Name is the source of a Bind, the path of a Namespace, the hierarchy of
	// a CgroupTasks or CgroupDir, what a CopyUp hides of the root, the status
	// that a HookState gives.
	Name string
	// Recursive binds the mounts below the source too.
	Recursive bool
	// Apart has the mounts copied in a mount namespace of their own, which is without
	// the files of older ones: a container's namespace is newer than all, and the kernel
	// lets no file of an older one be moved there (ELOOP).
	Apart bool
	// NoFollow binds a link itself, in place of where it leads.
	NoFollow bool
	// Attr are set on the detached mount before it is handed over.
	Attr MountAttr
	// UIDs and GIDs map the owners that a Bind shows, or are those of Owners; IDMapAll those of the mounts
	// below, too.
	UIDs, GIDs []mount.IDRange
	IDMapAll   bool
	// OwnersOf is the file of a user namespace, by which they are mapped in place of those.
	OwnersOf string
	// Options are those of DevPTS and CopyUp.
	Options []string
}

// MountAttr are the attributes and the propagation of a detached mount. Set
// and Clear are for its top, SetAll and ClearAll for all mounts in it.
type MountAttr struct {
	Set, Clear, SetAll, ClearAll uint64
	// Propagation is MS_PRIVATE, MS_SLAVE, MS_SHARED, MS_UNBINDABLE or zero;
	// PropagateAll sets it on all mounts.
	Propagation  uint64
	PropagateAll bool
}

func (a MountAttr) flat() uint64 {
	if a.PropagateAll {
		return 0
	}
	return a.Propagation
}

func (a MountAttr) deep() uint64 {
	if a.PropagateAll {
		return a.Propagation
	}
	return 0
}

// FileKind says what the parent has to open.
type FileKind uint8

const (
	// Root is the root filesystem, a detached mount.
	Root FileKind = iota
	// Bind is a detached copy of a mount of the host.
	Bind
	// Owners is a user namespace with maps, which nobody is in.
	Owners
	// Namespace is a namespace of another process.
	Namespace
	// CgroupTasks is the list of tasks of the container's group in one v1
	// hierarchy, writable.
	CgroupTasks
	// CgroupDir is a detached copy of the group's own directory.
	CgroupDir
	// DevPTS is the detached devpts mount that holds the console.
	DevPTS
	// CopyUp is a detached tmpfs with a copy of a directory of the root.
	CopyUp
	// Target is the pidfd of the process whose namespaces are joined.
	Target
	// TargetRoot is the root directory of that process.
	TargetRoot
	// HookState is a file that holds the container's state for hooks, as JSON.
	HookState
	// HookOutput is a pipe for what hooks print, which the parent reads.
	HookOutput
)
