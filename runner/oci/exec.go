package oci

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/internal/numset"
	"cove/runner/oci/bundle"
	"cove/runner/oci/console"
	"cove/runner/oci/state"
	"cove/sandbox"
	"cove/sandbox/cgroup"
	"cove/sandbox/host"
	"cove/sandbox/plan"
	"cove/sandbox/seccomp"
)

// execFlags are those of exec.
type execFlags struct {
	process, pidFile, cwd, user           string
	consoleSocket, pidFDSocket            string
	tty, detach, noNewPrivs, ignorePaused bool
	env, caps, groups, cgroups            list
	apparmor, label                       string
	preserveFDs                           int
}

func (a *app) execFlags(f *execFlags, args []string) ([]string, error) {
	set := flags("exec")
	set.StringVar(&f.process, "process", "", "`FILE` with the process as JSON, in place of a command")
	alias(set, "process", "p")
	set.BoolVar(&f.tty, "tty", false, "give the process a terminal")
	alias(set, "tty", "t")
	set.BoolVar(&f.detach, "detach", false, "return when the process runs")
	alias(set, "detach", "d")
	set.Var(&f.env, "env", "set `NAME=VALUE` in its environment; may be repeated")
	alias(set, "env", "e")
	set.StringVar(&f.user, "user", "", "run as `UID[:GID]`")
	alias(set, "user", "u")
	set.Var(&f.groups, "additional-gids", "one more `GID` of its groups; may be repeated")
	alias(set, "additional-gids", "g")
	set.Var(&f.caps, "cap", "one more `CAPABILITY`; may be repeated")
	alias(set, "cap", "c")
	set.Var(&f.cgroups, "cgroup", "start in `[CONTROLLER:]PATH` below the container's group; may be repeated")
	set.StringVar(&f.consoleSocket, "console-socket", "", consoleSocketHelp)
	set.StringVar(&f.pidFDSocket, "pidfd-socket", "", pidFDSocketHelp)
	set.StringVar(&f.pidFile, "pid-file", "", pidFileHelp)
	set.StringVar(&f.cwd, "cwd", "", "working `DIR` in the container")
	set.BoolVar(&f.noNewPrivs, "no-new-privs", false, "set-user-ID programs give no rights")
	set.BoolVar(&f.ignorePaused, "ignore-paused", false, "join a paused container, and wait until it is resumed")
	set.StringVar(&f.apparmor, "apparmor", "", "AppArmor `PROFILE`")
	set.StringVar(&f.label, "process-label", "", "SELinux `LABEL`")
	set.IntVar(&f.preserveFDs, "preserve-fds", 0, preserveFDsHelp)
	return a.parse(set, args, 1, -1)
}

// exec is the command.
func (a *app) exec(ctx context.Context, args []string) (int, error) {
	var f execFlags
	rest, err := a.execFlags(&f, args)
	if err != nil {
		return 255, err
	}
	c, err := a.load(rest[0])
	if err != nil {
		return 255, err
	}
	switch st := c.Status(); {
	case st == state.Stopped:
		return 255, errdefs.Errorf(errdefs.ErrConflict, "cannot exec in a stopped container: %q", c.ID)
	case st == state.Paused && !f.ignorePaused:
		return 255, errdefs.Errorf(errdefs.ErrConflict, "cannot exec in a paused container: %q", c.ID)
	}
	proc, err := f.spec(c, rest[1:])
	if err == nil {
		proc.Env, err = bundle.Environ(proc.Env, "/proc/"+strconv.Itoa(c.Pid)+"/root", proc.User.UID)
	}
	if err != nil {
		return 255, err
	}
	if proc.Terminal && f.detach && f.consoleSocket == "" {
		return 255, errdefs.Errorf(errdefs.ErrInvalid, "exec with a terminal and --detach needs --console-socket")
	}
	code, err := a.join(ctx, c, proc, f)
	if err != nil && code == 0 {
		code = 255
	}
	return code, err
}

// spec is the process to run: a file's, or the container's own with changes.
func (f *execFlags) spec(c *container, args []string) (*specs.Process, error) {
	if f.process != "" {
		data, err := os.ReadFile(f.process)
		if err != nil {
			return nil, fmt.Errorf("exec: --process: %w", err)
		}
		var p specs.Process
		if err := json.Unmarshal(data, &p); err != nil {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "exec: --process %s: %v", f.process, err)
		}
		return &p, nil
	}
	if len(args) == 0 {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "exec: no command given")
	}
	p := *c.Spec.Process
	p.Args, p.Terminal = args, f.tty
	p.Env = append(slices.Clone(p.Env), f.env...)
	if f.cwd != "" {
		p.Cwd = f.cwd
	}
	p.NoNewPrivileges = p.NoNewPrivileges || f.noNewPrivs
	if f.apparmor != "" {
		p.ApparmorProfile = f.apparmor
	}
	if f.label != "" {
		p.SelinuxLabel = f.label
	}
	if err := f.identity(&p); err != nil {
		return nil, err
	}
	if len(f.caps) > 0 {
		caps := specs.LinuxCapabilities{}
		if p.Capabilities != nil {
			caps = *p.Capabilities
		}
		for _, set := range []*[]string{&caps.Bounding, &caps.Effective, &caps.Permitted} {
			*set = append(slices.Clone(*set), f.caps...)
		}
		for _, c := range f.caps { // what is inheritable reaches what it executes, too
			if slices.Contains(caps.Inheritable, c) {
				caps.Ambient = append(slices.Clone(caps.Ambient), c)
			}
		}
		p.Capabilities = &caps
	}
	return &p, nil
}

// below is the group that the process starts in: the container's, or one below it that
// --cgroup names.
func (f *execFlags) below(g *cgroup.Group) (*cgroup.Group, error) {
	if len(f.cgroups) == 0 {
		return g, nil
	}
	paths := map[string]string{}
	for _, text := range f.cgroups {
		controllers, name, named := strings.Cut(text, ":")
		if !named {
			controllers, name = "", text
		}
		if name == "" || strings.Contains(name, ":") || !named && len(f.cgroups) > 1 {
			return nil, errdefs.Errorf(errdefs.ErrInvalid,
				"exec: --cgroup %q: want one PATH, or CONTROLLER[,CONTROLLER]:PATH several times", text)
		}
		for controller := range strings.SplitSeq(controllers, ",") {
			paths[controller] = name
		}
	}
	return g.Below(paths)
}

func (f *execFlags) identity(p *specs.Process) error {
	if f.user != "" {
		uid, gid, both := strings.Cut(f.user, ":")
		for _, part := range []struct {
			text string
			into *uint32
			set  bool
		}{{uid, &p.User.UID, true}, {gid, &p.User.GID, both}} {
			if !part.set {
				continue
			}
			n, err := strconv.ParseUint(part.text, 10, 32)
			if err != nil {
				return errdefs.Errorf(errdefs.ErrInvalid, "exec: --user %q: not UID[:GID] in numbers", f.user)
			}
			*part.into = uint32(n)
		}
	}
	for _, g := range f.groups {
		n, err := strconv.ParseUint(g, 10, 32)
		if err != nil {
			return errdefs.Errorf(errdefs.ErrInvalid, "exec: --additional-gids %q: not a number", g)
		}
		p.User.AdditionalGids = append(p.User.AdditionalGids, uint32(n))
	}
	return nil
}

func (a *app) join(ctx context.Context, c *container, proc *specs.Process, f execFlags) (int, error) {
	features, err := host.Detect()
	if err != nil {
		return 255, err
	}
	p, err := plan.CompileExec(c.Spec, proc, features)
	if err != nil {
		return 255, err
	}
	a.log.Warn(p.Warnings...)
	g, err := c.Group()
	if err == nil {
		g, err = f.below(g)
	}
	if err != nil {
		return 255, err
	}
	req := sandbox.JoinRequest{
		Plan: p, Spec: c.Spec, Target: c.Pid, Cgroup: g, Stdin: a.in, Stdout: a.out, Stderr: a.errs,
		Detached: f.detach, IgnoreFrozen: f.ignorePaused, State: c.OCI(c.Status()),
	}
	for i := range f.preserveFDs {
		req.ExtraFiles = append(req.ExtraFiles, os.NewFile(uintptr(3+i), "preserved"))
	}
	if size := proc.ConsoleSize; size != nil {
		req.ConsoleSize = unix.Winsize{Row: uint16(size.Height), Col: uint16(size.Width)}
	}
	if c.Spec.Linux.Seccomp != nil {
		if req.Filter, err = (seccomp.Cache{Dir: a.root + "/.seccomp"}).Compile(c.Spec.Linux.Seccomp); err != nil {
			return 255, err
		}
	}
	var signals <-chan os.Signal
	if !f.detach {
		signals = console.Signals()
	}
	a.logFilter(c.Spec.Linux.Seccomp)
	joined, err := sandbox.Join(ctx, req)
	if err != nil {
		return 255, err
	}
	a.logJoined(proc, joined.Pid())
	return a.attend(ctx, joined, f, signals)
}

// logJoined writes how the process joined, in runc's words, too: see make.
func (a *app) logJoined(proc *specs.Process, pid int) {
	a.log.Debugf("exec: process %d: nsexec container setup done, child process in init()", pid)
	if p := proc.ExecCPUAffinity; p != nil && p.Initial != "" {
		if set, err := numset.Parse(p.Initial); err == nil {
			a.log.Debugf("exec: process %d: nsexec: affinity: %s", pid, set.Mask())
		}
	}
}

// attend starts the joined process and, unless detached, waits for it.
func (a *app) attend(ctx context.Context, p *sandbox.Process, f execFlags, signals <-chan os.Signal) (int, error) {
	var term *console.Terminal
	err := func() (err error) {
		if master := p.Console(); master != nil {
			if f.consoleSocket != "" {
				err = console.Send(f.consoleSocket, master)
			} else {
				term, err = console.Open(a.in, a.out, master)
			}
		}
		if err == nil {
			err = sendPidFD(f.pidFDSocket, "setns", p)
		}
		if err == nil {
			err = p.Start()
		}
		if err == nil {
			err = writePid(f.pidFile, p.Pid())
		}
		return err
	}()
	if err != nil {
		_ = p.Signal(unix.SIGKILL) // fails if it has ended
		_, werr := p.Wait(ctx)
		return 255, errors.Join(err, werr)
	}
	a.log.Debugf("setns_init: about to exec: started, process %d", p.Pid())
	if f.detach {
		return 0, nil
	}
	if term != nil {
		defer term.Close()
	}
	stop := make(chan struct{})
	defer close(stop)
	go console.Forward(p, term, signals, stop)
	status, err := p.Wait(ctx)
	if err != nil {
		return 255, err
	}
	return status.ExitCode(), nil
}
