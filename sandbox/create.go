package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/internal/timeline"
	"cove/sandbox/agent"
	"cove/sandbox/files"
	"cove/sandbox/host"
	"cove/sandbox/plan"
	"cove/sandbox/program"
	"cove/sandbox/seccomp"
)

// launch is what Create and Join have in common.
type launch struct {
	plan     *plan.Plan
	files    *files.Set
	stdio    [3]*os.File
	extra    []*os.File
	filter   []unix.SockFilter
	cgroupFD int // the group's directory of v2; -1 without
	death    unix.Signal
	control  control
	created  func(pid int) error // Request.OnCreated
	mounted  func(pid int) error // Request.OnMounted
	state    specs.State
	uid      uint32 // the process's, as seen by the caller
}

// Create makes the namespaces and mounts of r and returns when the process
// waits before execve: OCI's state "created". Whoever creates a process must
// Wait for it, also when Start failed; when Create fails nothing is left.
func Create(ctx context.Context, r Request) (*Process, error) {
	opened := timeline.Begin(ctx, "open the root and what is bound")
	f, err := files.Open(r.Plan, files.Source{
		Root: r.Root, Stacks: r.Stacks, Cgroup: r.Cgroup, Size: r.ConsoleSize, Control: r.Control,
	})
	if err != nil {
		return nil, err
	}
	defer f.Close()
	opened()
	f.MakeLinked(r.Plan, r.Spec)
	l := launch{
		plan: r.Plan, files: f, stdio: [3]*os.File{r.Stdin, r.Stdout, r.Stderr}, extra: r.ExtraFiles,
		filter: r.Filter, cgroupFD: f.CgroupFD, death: unix.SIGKILL,
		created: r.OnCreated, mounted: r.OnMounted, state: r.State,
	}
	if r.Filter == nil && r.Spec.Linux.Seccomp != nil {
		if l.filter, err = seccomp.Compile(r.Spec.Linux.Seccomp, runtime.GOARCH); err != nil {
			return nil, err
		}
	}
	l.uid = files.HostID(r.Spec.Linux.UIDMappings, r.Plan.UID)
	l.state.Status = specs.StateCreating
	if r.Control != "" {
		l.death = 0
		l.control, err = namedControl(r.Control)
	} else {
		l.control, err = pipeControl()
	}
	if err != nil {
		return nil, err
	}
	l.control.owners.namespaces = f.FDs
	l.control.agent = agent.New(r.Spec.Linux.Seccomp, l.state)
	before, err := FindSharedRoot(r.Spec)
	if err != nil {
		l.control.close()
		l.control.closeChild()
		return nil, err
	}
	p, err := l.run(ctx)
	if err != nil {
		err = errors.Join(err, before.undo(r.Spec))
	}
	return p, err
}

// run starts the program and brings it to the barrier before execve.
func (l *launch) run(ctx context.Context) (*Process, error) {
	defer l.control.closeChild()
	cloned := timeline.Begin(ctx, "write the program and clone it")
	fds, err := l.childFiles()
	if err != nil {
		l.control.close()
		return nil, err
	}
	defer fds.close()
	p := &Process{
		plan: l.plan, control: l.control,
		console: l.files.TakeConsole(), output: l.files.TakeOutput(), done: make(chan struct{}),
	}
	if !l.besides() {
		// Nobody to wait for at the first barrier: let the program pass it.
		l.passMounted(p)
	}
	if err := p.start(fds, l); err != nil {
		p.abandon()
		return nil, err
	}
	l.control.closeChild()
	cloned()
	stop := context.AfterFunc(ctx, func() { _ = p.Signal(unix.SIGKILL) })
	defer stop()
	if err := l.finish(ctx, p); err != nil {
		p.destroy()
		return nil, err
	}
	return p, nil
}

// besides reports whether there is something to do while the program waits at
// its first barrier.
func (l *launch) besides() bool {
	return l.created != nil || l.awaitsMounts() || l.files.HookState(specs.StateCreating)
}

// awaitsMounts reports whether there is something to do when the program is there, or on its
// way: each time that it waits for its parent takes a byte of the same pipe.
func (l *launch) awaitsMounts() bool { return l.mounted != nil || mapsOwners(l.plan) }

// beside does it, before and after the program has come there.
func (l *launch) beside(p *Process) error {
	if l.created != nil {
		if err := l.created(p.Pid()); err != nil {
			return err
		}
	}
	if l.awaitsMounts() {
		if err := p.await(plan.Mounted); err != nil {
			return err
		}
	}
	if l.mounted != nil {
		if err := l.mounted(p.Pid()); err != nil {
			return err
		}
	}
	return l.files.TellState(l.state, specs.StateCreating, p.Pid())
}

// finish brings the program past the first barrier to the second.
func (l *launch) finish(ctx context.Context, p *Process) error {
	defer timeline.Begin(ctx, "program: mount, pivot, drop rights")()
	err := error(nil)
	if l.besides() {
		if err = l.beside(p); err == nil {
			l.passMounted(p)
		}
	}
	if err == nil {
		err = p.await(plan.Created)
	}
	if s := l.plan.Scheduler; err == nil && s != nil {
		if serr := unix.SchedSetAttr(p.Pid(), s, 0); serr != nil {
			err = errdefs.Errorf(host.ErrKind(serr), "sandbox: %s: sched_setattr: %w", l.plan.SchedulerWhy, serr)
		}
	}
	if err == nil {
		err = l.files.TellState(l.state, specs.StateCreated, p.Pid())
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

func (l *launch) passMounted(p *Process) {
	for i := range l.plan.Steps {
		if l.plan.Steps[i].Op == plan.Barrier && l.plan.Steps[i].Why == plan.Mounted {
			// A program that is gone is noticed by await.
			_ = p.control.release()
			return
		}
	}
}

// childFDs are the descriptors that the program starts with.
type childFDs struct {
	fds   []uintptr
	in    program.Input
	image *os.File
	null  *os.File
}

func (c *childFDs) close() {
	for _, f := range []*os.File{c.image, c.null} {
		if f != nil {
			f.Close()
		}
	}
}

// childFiles orders the descriptors: the process's own, the program's image
// and pipes, and the files of the plan.
func (l *launch) childFiles() (*childFDs, error) {
	c := &childFDs{}
	for _, f := range l.stdio {
		if l.plan.Terminal {
			f = l.files.Terminal
		}
		if f == nil {
			if c.null == nil {
				null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
				if err != nil {
					return nil, fmt.Errorf("sandbox: %w", err)
				}
				c.null = null
			}
			f = c.null
		} else if err := l.giveStdio(f); err != nil {
			c.close()
			return nil, err
		}
		c.fds = append(c.fds, f.Fd())
	}
	for _, f := range l.extra {
		c.fds = append(c.fds, f.Fd())
	}
	first := len(c.fds)
	c.in = program.Input{FirstFD: first, Filter: l.filter, DeathSignal: l.death}
	image, err := program.Build(l.plan, c.in)
	if err == nil {
		c.image, err = program.Seal(image)
	}
	if err != nil {
		c.close()
		return nil, err
	}
	c.fds = append(c.fds, c.image.Fd(), uintptr(l.control.childGate), uintptr(l.control.childStatus))
	for _, fd := range l.files.FDs {
		c.fds = append(c.fds, uintptr(fd))
	}
	return c, nil
}

// giveStdio lets an ordinary user open /dev/stdout: a pipe or terminal belongs
// to whoever made it. Other files are not the container's to own.
func (l *launch) giveStdio(f *os.File) error {
	if l.uid == 0 {
		return nil
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return fmt.Errorf("sandbox: standard files: %w", err)
	}
	switch kind := st.Mode & unix.S_IFMT; {
	case kind == unix.S_IFIFO, kind == unix.S_IFSOCK, f == l.files.Terminal:
		// A pipe from a user namespace that the caller does not own stays.
		_ = unix.Fchown(int(f.Fd()), int(l.uid), -1)
	}
	return nil
}
