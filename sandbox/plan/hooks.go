package plan

import (
	"fmt"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// HookStep begins the Why of the steps that run a hook.
const HookStep = "hook "

// seesRoot reports whether hooks run while the root is being made. They look
// for it where the spec says it is, in the container's mount namespace.
func seesRoot(h *specs.Hooks) bool {
	//nolint:staticcheck // as above
	return h != nil && len(h.Prestart)+len(h.CreateRuntime)+len(h.CreateContainer) > 0
}

// hasContainerHooks reports whether there are hooks that run in the container's
// namespaces before its program does.
func hasContainerHooks(h *specs.Hooks) bool { return h != nil && len(h.CreateContainer) > 0 }

// hookStdio is what a hook has for its standard streams: the state on its
// input, and one pipe for both outputs.
type hookStdio struct{ state, output Arg }

// hookFiles asks the parent for them; status is that of the state.
func (b *builder) hookFiles(status specs.ContainerState) hookStdio {
	std := hookStdio{state: b.file(File{Kind: HookState, Name: string(status)}).arg()}
	if b.hookOutput < 0 {
		// After the first state, so behind the two places where closeAll puts these.
		b.hookOutput = b.file(File{Kind: HookOutput})
	}
	std.output = b.hookOutput.arg()
	return std
}

// createHooks run the createContainer hooks: in the container's namespaces, but
// from the host's root, which pivot_root has not left yet. Their directory is
// the container's root, and what they mount below it, the container will see.
//
// A pid namespace that is joined is entered after them: whoever is in it could
// seize a hook, which has all privileges (CVE-2016-9962).
func (b *builder) createHooks(spec *specs.Spec) {
	if !hasContainerHooks(spec.Hooks) {
		return
	}
	std := b.hookFiles(specs.StateCreating)
	for i, h := range spec.Hooks.CreateContainer {
		b.hook(fmt.Sprintf("%screateContainer[%d] %s", HookStep, i, h.Path), h, std, func() {
			b.call("prctl", flags(uint64(unix.PR_SET_PDEATHSIG), prctlOptions),
				num(uint64(unix.SIGKILL)), num(0), num(0), num(0))
			b.call("umask", octalArg(0o022))
			b.call("fchdir", b.root.arg())
		})
	}
}

// startHooks run the startContainer hooks: where and as what the process itself
// will run, with its user, its capabilities and its filter.
func (b *builder) startHooks(hooks []specs.Hook, env []string, std hookStdio) {
	for i, h := range hooks {
		if h.Env == nil { // without one, not with an empty one, it has the process's, as under runc
			h.Env = env
		}
		b.hook(fmt.Sprintf("%sstartContainer[%d] %s", HookStep, i, h.Path), h, std, func() {})
	}
}

// hook forks a process that becomes the hook, and waits for its end. prepare
// are the first steps of that process.
func (b *builder) hook(why string, h specs.Hook, std hookStdio, prepare func()) {
	b.why = why
	pid, isChild := b.child()
	prepare()
	b.call("lseek", std.state, num(0), num(unix.SEEK_SET)) // the hook before has read to the end of it
	for fd, from := range []Arg{std.state, std.output, std.output} {
		b.call("dup3", from, num(fd), num(0))
	}
	b.call("close_range", num(3), num(uint64(1<<32-1)), flags(uint64(unix.CLOSE_RANGE_CLOEXEC), closeRangeFlags))
	args := h.Args
	if len(args) == 0 {
		args = []string{h.Path}
	}
	b.call("execve", str(h.Path), strs(args), strs(h.Env))
	b.errorSkipsToHere(isChild)
	reap := Step{Op: Reap, Call: "wait4", Why: why, Args: []Arg{pid.arg()}}
	if h.Timeout != nil {
		reap.Timeout = time.Duration(*h.Timeout) * time.Second
	}
	b.Steps = append(b.Steps, reap)
}

// child makes a child process, whose steps follow. Those of the program go on after
// them: the step isChild is to skip there on error.
func (b *builder) child() (pid Value, isChild int) {
	pid, _ = b.get("clone", flags(uint64(unix.SIGCHLD), cloneFlags), num(0), num(0), num(0), num(0))
	b.expect(pid, 1<<64-1, 0, unix.EAGAIN)
	isChild = b.here() - 1
	b.Steps[isChild].Accept = []unix.Errno{unix.EAGAIN}
	return pid, isChild
}
