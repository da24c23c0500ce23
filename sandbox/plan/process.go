package plan

import (
	"encoding/binary"
	"path"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"cove/errdefs"
)

// process turns the program into proc: everything from its terminal to execve.
//
// The order matters. What needs privileges comes before they are dropped;
// changing the user clears the signal of a parent's death; the filter is
// loaded with no_new_privs or CAP_SYS_ADMIN only, so that capability goes last.
// hooks run in the process before it executes.
func (b *builder) process(spec *specs.Spec, proc *specs.Process, hooks []specs.Hook) error {
	forks := b.pidNS >= 0 // it joins a pid namespace, which holds for children only
	if !forks {
		b.session(proc)
	}
	if proc.ApparmorProfile != "" && !b.host.AppArmor {
		return errdefs.Errorf(errdefs.ErrUnsupported,
			"plan: config.json: AppArmor profile %q: this kernel has AppArmor not enabled", proc.ApparmorProfile)
	}
	b.Command, b.UID = proc.Args[0], proc.User.UID
	loader := spec.Linux.Seccomp != nil && !proc.NoNewPrivileges
	caps := b.capabilities(proc.Capabilities, loader)
	if err := b.raiseRlimits(proc.Rlimits); err != nil {
		return err
	}
	if err := b.schedule(spec.Linux, proc); err != nil {
		return err
	}
	early := b.enterDir(proc.Cwd)
	if err := b.allowFiles(spec); err != nil {
		return err
	}
	b.user(proc.User, caps)
	b.enterDirAgain(proc.Cwd, early)
	b.setLabel(proc)
	b.dieWithParent(Arg{Kind: DeathSignal})
	std := b.closeAll(len(hooks) > 0)
	b.why = "umask"
	b.call("umask", octalArg(umask(proc.User)))
	if err := b.confine(spec, proc, caps); err != nil {
		return err
	}
	if forks {
		b.agentFirst(spec.Linux.Seccomp)
		b.fork(proc)
	}
	b.barrier(Created)
	b.startHooks(hooks, proc.Env, std)
	b.exec(proc)
	return nil
}

// closeAll leaves the process its own descriptors. The program's pipes go with
// execve; the rest goes now, before a process that forks is visible inside. What
// hooks will need moves next to the pipes first, and is returned.
func (b *builder) closeAll(hooks bool) (std hookStdio) {
	kept := uint64(3)
	keep := func(from Arg) Arg {
		to := Arg{Kind: FirstFD, Num: kept}
		b.call("dup3", from, to, flags(unix.O_CLOEXEC, openFlags))
		kept++
		return to
	}
	b.why = "keep no descriptor"
	b.call("close", Arg{Kind: FirstFD}) // the image, which is mapped
	if hooks {
		files := b.hookFiles(specs.StateCreated)
		std = hookStdio{state: keep(files.state), output: keep(files.output)}
	}
	b.call("close_range", Arg{Kind: FirstFD, Num: kept}, num(uint64(1<<32-1)), flags(uint64(0), closeRangeFlags))
	b.call("close_range", Arg{Kind: FirstFD}, num(uint64(1<<32-1)),
		flags(uint64(unix.CLOSE_RANGE_CLOEXEC), closeRangeFlags))
	return std
}

func umask(u specs.User) uint64 {
	if u.Umask == nil {
		return 0o022
	}
	return uint64(*u.Umask)
}

// WorkingDir begins the Why of the steps that enter the working directory, which
// is not there or not to be entered because of what the user asked for.
const WorkingDir = "working directory "

// workingDir creates the directory where it is missing. That something else is there
// is found here, before the program, as docker does.
func (b *builder) workingDir(spec *specs.Spec) error {
	cwd := clean(spec.Process.Cwd)
	if cwd == "." {
		return nil
	}
	b.why = "create " + WorkingDir + spec.Process.Cwd
	dir, s := b.lookup(cwd, unix.O_DIRECTORY)
	s.Accept = []unix.Errno{unix.ENOENT}
	found := b.here() - 1
	b.closeUnlessRoot(b.mkdirs(cwd))
	_, s = b.lookup(cwd, unix.O_DIRECTORY)
	s.Result = dir
	b.okSkipsToHere(found)
	b.close(dir)
	return nil
}

// enterDir goes to the working directory while still root: it may be one that
// its user cannot reach. On a network filesystem root may be the one who cannot.
func (b *builder) enterDir(cwd string) Value {
	b.why = WorkingDir + cwd
	dir, s := b.openDir(cwd)
	s.Accept, s.OnError = []unix.Errno{unix.EACCES, unix.EPERM}, 1
	b.call("fchdir", dir.arg())
	return dir
}

func (b *builder) enterDirAgain(cwd string, early Value) {
	b.why = WorkingDir + cwd
	const negative = 1 << 63
	b.expect(early, negative, 0, unix.EACCES)
	check := b.here() - 1
	b.Steps[check].Accept = []unix.Errno{unix.EACCES}
	dir, _ := b.openDir(cwd)
	b.call("fchdir", dir.arg())
	b.okSkipsToHere(check)
	b.insideRoot()
}

func (b *builder) openDir(cwd string) (Value, *Step) {
	return b.get("openat2", cwdFD(), str(cwd),
		openHow(unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, unix.RESOLVE_NO_MAGICLINKS), num(24))
}

// insideRoot refuses a working directory outside of the root, as a leaked
// descriptor could give (CVE-2024-21626): the kernel then says "(unreachable)".
func (b *builder) insideRoot() {
	b.why = "check that the working directory is inside the root"
	buf := b.value()
	b.call("getcwd", Arg{Kind: Buffer, Num: uint64(buf)}, num(BufferSize))
	b.expect(buf, 0xff, '/', unix.EXDEV)
}

// user becomes the process's user, keeping the permitted capabilities.
func (b *builder) user(u specs.User, caps capSets) {
	b.why = "become user"
	if u.UID != 0 {
		b.call("prctl", flags(uint64(unix.PR_SET_KEEPCAPS), prctlOptions), num(1), num(0), num(0), num(0))
	}
	groups := make([]byte, 0, 4*len(u.AdditionalGids))
	for _, g := range u.AdditionalGids {
		groups = binary.NativeEndian.AppendUint32(groups, g)
	}
	s := b.call("setgroups", num(len(u.AdditionalGids)), raw(groups, printIDs(u.AdditionalGids)))
	onlyRoots := !slices.ContainsFunc(u.AdditionalGids, func(g uint32) bool { return g != 0 })
	if b.userns && len(groups) == 0 || b.host.UserNS && onlyRoots {
		s.Accept = []unix.Errno{unix.EPERM} // setgroups is denied in it, user_namespaces(7)
	}
	b.call("setresgid", num(u.GID), num(u.GID), num(u.GID))
	b.call("setresuid", num(u.UID), num(u.UID), num(u.UID))
	b.why = "capabilities"
	b.capset(caps.early)
	b.call("prctl", flags(uint64(unix.PR_CAP_AMBIENT), prctlOptions),
		flags(uint64(unix.PR_CAP_AMBIENT_CLEAR_ALL), ambientOps), num(0), num(0), num(0))
	for c := range b.host.LastCapability + 1 {
		if caps.ambient&(1<<uint(c)) != 0 {
			b.call("prctl", flags(uint64(unix.PR_CAP_AMBIENT), prctlOptions),
				flags(uint64(unix.PR_CAP_AMBIENT_RAISE), ambientOps), num(c), num(0), num(0))
		}
	}
}

// confine loads the filter and lets go of what it needed.
func (b *builder) confine(spec *specs.Spec, proc *specs.Process, caps capSets) error {
	if proc.NoNewPrivileges {
		b.why = "no_new_privs"
		b.call("prctl", flags(uint64(unix.PR_SET_NO_NEW_PRIVS), prctlOptions), num(1), num(0), num(0), num(0))
	}
	if err := b.filter(spec.Linux); err != nil {
		return err
	}
	b.why = "capabilities"
	if caps.final != caps.early {
		b.capset(caps.final)
	}
	return b.lowerRlimits(proc.Rlimits)
}

// fork makes the process that will exec, a child of the program's own parent.
// Only now, with nothing left to gain from it: in the container it is visible,
// and could be seized, from its first instruction (CVE-2016-9962).
func (b *builder) fork(proc *specs.Process) {
	b.forkInto("fork into the pid namespace", 0)
	b.session(proc)
	b.dieWithParent(Arg{Kind: DeathSignal})
}

// forkInto goes on in a child, in new namespaces or none.
func (b *builder) forkInto(why string, namespaces uint64) {
	b.Steps = append(b.Steps, Step{
		Op: Fork, Call: "clone", Why: why, Result: b.value(),
		Args: []Arg{
			flags(namespaces|uint64(unix.CLONE_PARENT)|uint64(unix.SIGCHLD), cloneFlags), num(0), num(0),
			num(0), num(0),
		},
	})
}

// defaultPath is searched when the environment has no PATH.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// exec tries the command where it may be, as execvp(3) does: a place where it
// is missing or forbidden does not end the search.
func (b *builder) exec(proc *specs.Process) {
	b.why = Exec
	places := candidates(proc)
	for i, name := range places {
		s := b.call("execve", str(name), strs(proc.Args), strs(proc.Env))
		if i < len(places)-1 {
			s.Accept = []unix.Errno{unix.ENOENT, unix.ENOTDIR, unix.EACCES}
			s.Note = true
		}
	}
}

func candidates(proc *specs.Process) []string {
	command := proc.Args[0]
	if strings.Contains(command, "/") {
		return []string{command}
	}
	search := defaultPath
	for _, kv := range proc.Env {
		if v, ok := strings.CutPrefix(kv, "PATH="); ok {
			search = v
		}
	}
	var places []string
	for dir := range strings.SplitSeq(search, ":") {
		// The working directory is searched only when it is named.
		if dir != "" && !slices.Contains(places, path.Join(dir, command)) {
			places = append(places, path.Join(dir, command))
		}
	}
	if len(places) == 0 {
		places = []string{path.Join("/", command)}
	}
	return places
}

// openLabel opens where the AppArmor profile is written, in the host's /proc
// while that is there.
func (b *builder) openLabel(proc *specs.Process) {
	if proc.ApparmorProfile == "" {
		return
	}
	b.why = "AppArmor profile " + proc.ApparmorProfile
	b.label, _ = b.get("openat", cwdFD(), str("/proc/thread-self/attr/apparmor/exec"),
		flags(unix.O_WRONLY|unix.O_CLOEXEC|unix.O_NOFOLLOW, openFlags))
}

func (b *builder) setLabel(proc *specs.Process) {
	if b.label == 0 {
		return
	}
	b.why = "AppArmor profile " + proc.ApparmorProfile
	text := "exec " + proc.ApparmorProfile
	b.call("write", b.label.arg(), str(text), num(len(text)))
}
