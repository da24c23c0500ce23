package oci

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/internal/atomicfile"
	"cove/layers/mount"
	"cove/runner/oci/bundle"
	"cove/runner/oci/console"
	"cove/runner/oci/notify"
	"cove/runner/oci/scope"
	"cove/runner/oci/state"
	"cove/runner/task"
	"cove/sandbox"
	"cove/sandbox/host"
	"cove/sandbox/plan"
	"cove/sandbox/seccomp"
)

// createFlags are those of create and run.
type createFlags struct {
	bundle, pidFile               string
	consoleSocket, pidFDSocket    string
	noPivot, noNewKeyring, detach bool
	keep                          bool
	preserveFDs                   int
}

func (a *app) createFlags(name string, args []string) (f createFlags, id string, err error) {
	set := flags(name)
	set.StringVar(&f.bundle, "bundle", ".", "`DIR` of the bundle")
	alias(set, "bundle", "b")
	set.StringVar(&f.consoleSocket, "console-socket", "", consoleSocketHelp)
	set.StringVar(&f.pidFDSocket, "pidfd-socket", "", pidFDSocketHelp)
	set.StringVar(&f.pidFile, "pid-file", "", pidFileHelp)
	set.BoolVar(&f.noPivot, "no-pivot", false,
		"cover the host's root in place of leaving it, where that is an initramfs; less safe elsewhere")
	set.BoolVar(&f.noNewKeyring, "no-new-keyring", false, "leave the container its caller's keys")
	set.IntVar(&f.preserveFDs, "preserve-fds", 0, preserveFDsHelp)
	if name == "run" {
		set.BoolVar(&f.detach, "detach", false, "return when the process runs")
		alias(set, "detach", "d")
		set.BoolVar(&f.keep, "keep", false, "keep the container's state when it has ended")
		// What it asks for is so in any case.
		set.Bool("no-subreaper", false, "do not reap reparented processes of the container, which this runtime never does")
	}
	rest, err := a.parse(set, args, 1, 1)
	if err != nil {
		return f, "", err
	}
	f.bundle, err = filepath.Abs(f.bundle)
	return f, rest[0], err
}

// The help of flags that create, run and exec have.
const (
	consoleSocketHelp = "`PATH` of a unix socket to send the terminal's master to"
	pidFDSocketHelp   = "`PATH` of a unix socket to send the process's pidfd to"
	pidFileHelp       = "`FILE` to write the process's id to"
	preserveFDsHelp   = "pass `N` more descriptors to the process, from 3 on"
)

// create is the command: the process waits for start, and outlives this one.
func (a *app) create(ctx context.Context, args []string) (int, error) {
	f, id, err := a.createFlags("create", args)
	if err != nil {
		return 1, err
	}
	c, _, err := a.make(ctx, id, f, true)
	if err != nil {
		return 1, err
	}
	if err := writePid(f.pidFile, c.Pid); err != nil {
		return 1, errors.Join(err, a.abort(ctx, c))
	}
	return 0, nil
}

// make creates the container, with survive to outlive this process.
func (a *app) make(ctx context.Context, id string, f createFlags, survive bool) (*container, *task.Task, error) {
	b, err := bundle.Load(f.bundle)
	if errors.Is(err, bundle.ErrNoConfig) {
		err = fmt.Errorf("%w; give the bundle's directory with --bundle", err)
	}
	if err != nil {
		return nil, nil, err
	}
	spec := b.Spec
	if spec.Process.Terminal && survive && f.consoleSocket == "" {
		return nil, nil, errdefs.Errorf(errdefs.ErrInvalid,
			"container %q wants a terminal: give --console-socket, or run it in the foreground", id)
	}
	if !spec.Process.Terminal && f.consoleSocket != "" {
		return nil, nil, errdefs.Errorf(errdefs.ErrInvalid,
			"container %q: --console-socket given, but process.terminal is false", id)
	}
	if spec.Process.Env, err = bundle.Environ(spec.Process.Env, b.Root.Source, spec.Process.User.UID); err != nil {
		return nil, nil, fmt.Errorf("container %q: %w", id, err)
	}
	kept, err := a.store().Reserve(id)
	if err != nil {
		return nil, nil, err
	}
	group, held, err := scope.Place(ctx, spec.Linux.CgroupsPath, id, a.systemd)
	if err != nil {
		return nil, nil, errors.Join(err, kept.Remove())
	}
	defer held.Close()
	spec.Linux.CgroupsPath = group
	a.log.Debugf("container %q: bundle %s, control group %s", id, f.bundle, spec.Linux.CgroupsPath)
	c := &container{Container: kept}
	c.Bundle, c.Config, c.Spec = f.bundle, b.Config, spec
	var t *task.Task
	if err = c.asked(f); err == nil {
		t, err = a.task(ctx, c, b.Root, f, survive)
	}
	if err == nil {
		if err = c.created(t, f, survive); err != nil {
			err = errors.Join(err, t.Close(ctx))
		}
	}
	if err != nil {
		err = errors.Join(err, c.Remove())
		if c.hooked {
			a.poststop(ctx, c)
		}
		return nil, nil, err
	}
	a.log.Warn(t.Warnings...)
	a.logFilter(spec.Linux.Seccomp)
	// In runc's words, too, which its tests and people's scripts look for.
	a.log.Debugf("container %q: created, process %d: nsexec container setup done, child process in init()", id, c.Pid)
	a.log.Debugf("container %q: init: closing the pipe to signal completion of the setup", id)
	return c, t, nil
}

// asked is what flags and the environment ask for beside the bundle.
func (c *container) asked(f createFlags) (err error) {
	c.NoPivot, c.KeepKeyring, c.Notify = f.noPivot, f.noNewKeyring, notify.Wanted()
	if c.NoPivot {
		if c.Bare, err = host.MountPoints("proc", "sysfs"); err != nil {
			return err
		}
	}
	if c.Notify {
		c.MountNotify()
		err = notify.Prepare(c.Dir(), c.Spec.Process)
	}
	return err
}

// logFilter writes with which flags a filter was loaded.
func (a *app) logFilter(s *specs.LinuxSeccomp) {
	if s == nil {
		return
	}
	if bits, err := plan.FilterFlags(s); err == nil {
		a.log.Debugf("seccomp filter flags: %d", bits)
	}
}

func (a *app) task(
	ctx context.Context, c *container, root mount.Mount, f createFlags, survive bool,
) (*task.Task, error) {
	features, err := c.Features()
	if err != nil {
		return nil, err
	}
	req := task.Request{
		ID: c.ID, Spec: c.Spec, Root: root, Features: &features, Stdin: a.in, Stdout: a.out, Stderr: a.errs,
		Filters: seccomp.Cache{Dir: filepath.Join(a.root, ".seccomp")}, State: c.OCI(specs.StateCreating),
		// While the process mounts its root.
		OnCreated: func(int) error { return c.SaveSpec() },
	}
	if c.Spec.Hooks != nil || len(c.Spec.Linux.NetDevices) > 0 {
		req.OnMounted = func(pid int) error { return c.mounted(ctx, pid) }
	}
	if survive {
		req.Control = c.Dir()
	}
	if size := c.Spec.Process.ConsoleSize; size != nil {
		req.Size = unix.Winsize{Row: uint16(size.Height), Col: uint16(size.Width)}
	}
	for i := range activated(c.Spec.Process) + f.preserveFDs {
		req.ExtraFiles = append(req.ExtraFiles, os.NewFile(uintptr(3+i), "preserved"))
	}
	return task.Create(ctx, req)
}

// activated is how many sockets systemd has opened for this command (sd_listen_fds(3)). They
// are the container's process's, which is told so.
func activated(p *specs.Process) int {
	n, err := strconv.Atoi(os.Getenv("LISTEN_FDS"))
	if err != nil || n <= 0 || os.Getenv("LISTEN_PID") != strconv.Itoa(os.Getpid()) {
		return 0
	}
	p.Env = append(p.Env, "LISTEN_FDS="+strconv.Itoa(n), "LISTEN_PID=1")
	if names := os.Getenv("LISTEN_FDNAMES"); names != "" {
		p.Env = append(p.Env, "LISTEN_FDNAMES="+names)
	}
	return n
}

// created hands the terminal over and records the container.
func (c *container) created(t *task.Task, f createFlags, survive bool) error {
	c.Spec, c.Cgroup, c.SharedRoot = t.Spec, t.Group.Path(), t.SharedRoot
	c.SetPid(t.Process.Pid())
	if survive {
		if err := c.FindProgram(); err != nil {
			return err
		}
	}
	if f.consoleSocket != "" {
		if err := console.Send(f.consoleSocket, t.Process.Console()); err != nil {
			return err
		}
	}
	if err := sendPidFD(f.pidFDSocket, "standard", t.Process); err != nil {
		return err
	}
	if !survive && c.Spec.Hooks == nil {
		return nil // it is recorded when it runs: no other command can act on it before
	}
	if survive {
		t.Process.CloseControl() // start opens the pipes again
	}
	return c.Save()
}

// sendPidFD passes the process on to --pidfd-socket, if that is given. The name is
// runc's, by which a receiver tells a container's first process from one that joins.
func sendPidFD(socket, name string, p *sandbox.Process) error {
	if socket == "" {
		return nil
	}
	if err := console.SendFile(socket, name, p.PidFD()); err != nil {
		return fmt.Errorf("--pidfd-socket: %w", err)
	}
	return nil
}

// abort undoes a created container.
func (a *app) abort(ctx context.Context, c *container) error {
	g, err := c.Group()
	if err != nil {
		return err
	}
	return errors.Join(c.KillWait(ctx), a.destroy(ctx, c, g))
}

func writePid(path string, pid int) error {
	if path == "" {
		return nil
	}
	err := atomicfile.WriteFile(path, strconv.AppendInt(nil, int64(pid), 10), 0o644, atomicfile.Volatile)
	if err != nil {
		return fmt.Errorf("writing --pid-file: %w", err)
	}
	return nil
}

// start is the command.
func (a *app) start(ctx context.Context, args []string) (int, error) {
	rest, err := a.parse(flags("start"), args, 1, 1)
	if err != nil {
		return 1, err
	}
	c, err := a.load(rest[0])
	if err != nil {
		return 1, err
	}
	if err = c.begin(ctx); failedHook(err) {
		err = errors.Join(err, a.abort(ctx, c))
	}
	if err != nil {
		return 1, err
	}
	return 0, nil
}

// begin lets the created process of a container execute its program.
func (c *container) begin(ctx context.Context) error {
	if st := c.Status(); st != state.Created {
		return errdefs.Errorf(errdefs.ErrConflict, "container %q is %s; only a created one can be started", c.ID, st)
	}
	features, err := c.Features()
	if err != nil {
		return err
	}
	// The plan is a pure function: this is the one that create executed.
	p, err := plan.Compile(c.Spec, features)
	if err != nil {
		return err
	}
	ready, err := notify.Listen(c.Dir())
	if err == nil {
		err = sandbox.Release(ctx, c.Dir(), c.Pid, p)
	}
	if err == nil {
		c.Started = true
		err = c.Save()
	}
	if err == nil {
		err = c.poststart(ctx)
	}
	if err != nil {
		return errors.Join(err, ready.Close())
	}
	return ready.Run(c.Pid, func() bool { return c.Status() == state.Stopped })
}

// run is the command.
func (a *app) run(ctx context.Context, args []string) (int, error) {
	f, id, err := a.createFlags("run", args)
	if err != nil {
		return 1, err
	}
	if f.detach {
		return a.runDetached(ctx, id, f)
	}
	// Before the process exists, so that it gets every signal.
	signals := console.Signals()
	defer task.TuneGC()()
	c, t, err := a.make(ctx, id, f, false)
	if err != nil {
		return 1, err
	}
	code, err := a.foreground(ctx, c, t, f, signals)
	if f.keep && err == nil {
		return code, t.Group.Kill(ctx)
	}
	if derr := a.destroy(ctx, c, t.Group); err == nil {
		err = derr
	}
	return code, err
}

func (a *app) runDetached(ctx context.Context, id string, f createFlags) (int, error) {
	c, _, err := a.make(ctx, id, f, true)
	if err != nil {
		return 1, err
	}
	if err := c.begin(ctx); err != nil {
		return 1, errors.Join(err, a.abort(ctx, c))
	}
	if err := writePid(f.pidFile, c.Pid); err != nil {
		return 1, errors.Join(err, a.abort(ctx, c))
	}
	return 0, nil
}

// foreground starts the created process and is its parent until the end.
func (a *app) foreground(
	ctx context.Context, c *container, t *task.Task, f createFlags, signals <-chan os.Signal,
) (int, error) {
	var term *console.Terminal
	var err error
	if master := t.Process.Console(); master != nil && f.consoleSocket == "" {
		if term, err = console.Open(a.in, a.out, master); err != nil {
			return 1, errors.Join(err, t.Close(ctx))
		}
		defer term.Close()
	}
	ready, err := notify.Listen(c.Dir())
	if err == nil {
		err = writePid(f.pidFile, c.Pid)
	}
	if err == nil {
		err = t.Start()
	}
	if err == nil {
		c.Started = true
		err = c.Save()
	}
	if err == nil {
		err = c.poststart(ctx)
	}
	if err != nil {
		return 1, errors.Join(err, ready.Close(), t.Close(ctx))
	}
	stop := make(chan struct{})
	defer close(stop)
	// The service is this process; a socket that fails costs the container nothing.
	go func() {
		if err := ready.Run(0, func() bool { return false }); err != nil {
			a.log.Warn(err.Error())
		}
	}()
	go console.Forward(t.Process, term, signals, stop)
	status, err := t.Process.Wait(ctx)
	if err != nil {
		return 1, err
	}
	return status.ExitCode(), nil
}
