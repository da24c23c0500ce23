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
	"cove/runner/oci/console"
	"cove/runner/oci/state"
	"cove/sandbox"
	"cove/sandbox/host"
	"cove/sandbox/plan"
	"cove/sandbox/seccomp"
)

// execFlags are those of exec.
type execFlags struct {
	process, consoleSocket, pidFile, cwd, user string
	tty, detach, noNewPrivs, ignorePaused      bool
	env, caps, groups                          list
	apparmor, label                            string
	preserveFDs                                int
}

func (f *execFlags) parse(args []string) ([]string, error) {
	set := flags("exec")
	for _, name := range []string{"process", "p"} {
		set.StringVar(&f.process, name, "", "")
	}
	for _, name := range []string{"tty", "t"} {
		set.BoolVar(&f.tty, name, false, "")
	}
	for _, name := range []string{"detach", "d"} {
		set.BoolVar(&f.detach, name, false, "")
	}
	for _, name := range []string{"env", "e"} {
		set.Var(&f.env, name, "")
	}
	for _, name := range []string{"user", "u"} {
		set.StringVar(&f.user, name, "", "")
	}
	for _, name := range []string{"additional-gids", "g"} {
		set.Var(&f.groups, name, "")
	}
	for _, name := range []string{"cap", "c"} {
		set.Var(&f.caps, name, "")
	}
	set.StringVar(&f.consoleSocket, "console-socket", "", "")
	set.StringVar(&f.pidFile, "pid-file", "", "")
	set.StringVar(&f.cwd, "cwd", "", "")
	set.BoolVar(&f.noNewPrivs, "no-new-privs", false, "")
	set.BoolVar(&f.ignorePaused, "ignore-paused", false, "")
	set.StringVar(&f.apparmor, "apparmor", "", "")
	set.StringVar(&f.label, "process-label", "", "")
	set.IntVar(&f.preserveFDs, "preserve-fds", 0, "")
	return parse(set, args, 1, -1)
}

// exec is the command.
func (a *app) exec(ctx context.Context, args []string) (int, error) {
	var f execFlags
	rest, err := f.parse(args)
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
		p.Capabilities = &caps
	}
	return &p, nil
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
	a.warn(p.Warnings)
	g, err := c.Group()
	if err != nil {
		return 255, err
	}
	req := sandbox.JoinRequest{
		Plan: p, Spec: c.Spec, Target: c.Pid, Cgroup: g, Stdin: a.in, Stdout: a.out, Stderr: a.errs,
		Detached: f.detach, IgnoreFrozen: f.ignorePaused,
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
	joined, err := sandbox.Join(ctx, req)
	if err != nil {
		return exitCode(err), err
	}
	return a.attend(ctx, joined, f, signals)
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
		return exitCode(err), errors.Join(err, werr)
	}
	a.debugf("exec: started, process %d", p.Pid())
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

// exitCode is 126 or 127 for a command that cannot be executed, else 255.
func exitCode(err error) int {
	if step, ok := errors.AsType[*sandbox.StepError](err); ok && step.Exec {
		return step.ExitCode()
	}
	return 255
}
