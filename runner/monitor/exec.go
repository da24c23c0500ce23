package monitor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/moby/sys/user"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/internal/accounts"
	"cove/internal/ids"
	"cove/runner/attach"
	"cove/runner/foreign"
	"cove/runner/record"
	"cove/runner/task"
	"cove/runner/told"
	"cove/sandbox"
	"cove/sandbox/defaults"
	"cove/sandbox/host"
	"cove/sandbox/plan"
)

// exec runs one more process in the container. Its streams are the client's own
// descriptors (or its terminal's master is given to the client), so nothing of
// what it prints passes through here.
func (m *monitor) exec(conn *attach.Conn, h attach.Hello, files []*os.File) {
	ctx := context.Background() // the process outlives its client
	defer conn.Close()
	if !m.enterExec() {
		_ = conn.SendJSON(attach.TypeFailed, task.Failure(errNotRunning))
		return
	}
	defer m.execs.Done()
	defer m.hub.memory.schedule()
	exec := m.execTold(*h.Exec)
	exec.Begun()
	p, err := m.join(ctx, h, files)
	for _, f := range files {
		f.Close()
	}
	if err != nil {
		switch {
		case errors.Is(err, errdefs.ErrConflict): // to the client that kind is errNotRunning alone
			err = errdefs.Errorf(errdefs.ErrUnavailable, "%v", err)
		case m.hasEnded(ctx, err):
			err = errNotRunning
		}
		_ = conn.SendJSON(attach.TypeFailed, task.Failure(err)) // fails if the client has left
		return
	}
	var passed []*os.File
	if console := p.Console(); console != nil {
		if terminal, err := task.Pollable(console); err == nil { // else the client says that it got none
			defer terminal.Close() // before the connection: until then it is the client's to read
			passed = append(passed, terminal)
		}
	}
	_ = conn.SendJSON(attach.TypeStarted, attach.Started{Pid: p.Pid()}, passed...)
	for _, terminal := range passed {
		go unwatched(conn, terminal)
	}
	status, err := p.Wait(ctx)
	exit := record.ExitStatus{Code: status.ExitCode()}
	if err != nil {
		exit = record.ExitStatus{Code: 255, Error: err.Error()}
	}
	exec.Ended(exit.Code)
	_ = conn.SendJSON(attach.TypeExit, exit)
}

// unwatched reads a terminal that its client has left, by the keys or as it was killed: the
// process goes on, and would wait once the terminal is full of what nobody reads.
func unwatched(conn *attach.Conn, terminal *os.File) {
	for {
		if _, err := conn.Receive(true); err != nil {
			break
		}
	}
	_, _ = io.Copy(io.Discard, terminal) // until its last process is gone, or it is closed
}

// execTold tells of an exec, under its ID or one that is made for that.
func (m *monitor) execTold(cfg record.ExecConfig) told.Exec {
	command := strings.Join(cfg.Args, " ")
	if len(cfg.Args) == 1 { // docker writes the program, a space and its arguments
		command += " "
	}
	return told.Exec{Teller: m.told(), ID: cmp.Or(cfg.ID, ids.New()), Command: command}
}

// errNotRunning is the answer to an exec that came too late; the client knows
// the container's name.
var errNotRunning = errdefs.Errorf(errdefs.ErrConflict, "exec: the container is not running")

// hasEnded reports whether an exec failed because the container ended meanwhile,
// which shows as whatever call came next. What the user asked for is not that.
func (m *monitor) hasEnded(ctx context.Context, err error) bool {
	if code := task.Failure(err).Code; code != 125 || errors.Is(err, unix.ESRCH) {
		return code == 125
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second) // the first process of a pid namespace ends last
	defer cancel()
	_, werr := m.task.Process.Wait(ctx)
	return werr == nil
}

// enterExec counts an exec, unless the container has ended.
func (m *monitor) enterExec() bool {
	m.hub.mu.Lock()
	defer m.hub.mu.Unlock()
	if m.ending {
		return false
	}
	m.execs.Add(1)
	return true
}

// noMoreExecs waits for those that run: their processes died with the container.
func (m *monitor) noMoreExecs() {
	m.hub.mu.Lock()
	m.ending = true
	m.hub.mu.Unlock()
	m.execs.Wait()
}

func (m *monitor) join(ctx context.Context, h attach.Hello, files []*os.File) (*sandbox.Process, error) {
	proc, err := m.process(*h.Exec)
	if err != nil {
		return nil, err
	}
	var stdin *os.File
	if h.Stdin && len(files) > 0 {
		stdin, files = files[0], files[1:]
	}
	streams := foreign.Streams{Stdin: stdin, Terminal: proc.Terminal, Size: unix.Winsize{Row: h.Rows, Col: h.Cols}}
	if len(files) > 1 {
		streams.Stdout, streams.Stderr = files[0], files[1]
	}
	if m.task.Foreign != nil {
		return m.task.Foreign.Exec(ctx, proc, streams)
	}
	return m.joinOwn(ctx, proc, streams)
}

// joinOwn is join for a container under cove's own runtime.
func (m *monitor) joinOwn(
	ctx context.Context, proc *specs.Process, s foreign.Streams,
) (*sandbox.Process, error) {
	features, err := host.Detect()
	if err != nil {
		return nil, err
	}
	p, err := plan.CompileExec(m.task.Spec, proc, features)
	if err != nil {
		return nil, err
	}
	req := sandbox.JoinRequest{
		Plan: p, Spec: m.task.Spec, Target: m.state.Pid, PidFD: m.task.Process.PidFD(),
		ConsoleSize: s.Size, Cgroup: m.task.Group, Stdin: s.Stdin, Stdout: s.Stdout, Stderr: s.Stderr,
		State: m.task.State,
	}
	req.State.Status, req.State.Pid = specs.StateRunning, m.state.Pid
	if profile := m.task.Spec.Linux.Seccomp; profile != nil {
		if req.Filter, err = m.filters().Compile(profile); err != nil {
			return nil, err
		}
	}
	joined, err := sandbox.Join(ctx, req)
	if err != nil {
		return nil, err
	}
	if err := joined.Start(); err != nil {
		_ = joined.Signal(unix.SIGKILL) // fails if it has ended
		_, _ = joined.Wait(ctx)
		return nil, err
	}
	return joined, nil
}

// process is the container's own, changed as asked.
func (m *monitor) process(cfg record.ExecConfig) (*specs.Process, error) {
	if len(cfg.Args) == 0 {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "exec: no command given")
	}
	proc := *m.task.Spec.Process
	proc.Args, proc.Terminal = cfg.Args, cfg.Terminal
	proc.Env = slices.Clone(proc.Env)
	if asked := m.cfg.Asked; !cfg.Terminal && asked != nil && !hasEnv(asked.Image.Env, "TERM") {
		proc.Env = setenv(proc.Env, "TERM") // which it has of the container's own terminal alone
	}
	if cfg.Cwd != "" {
		proc.Cwd = cfg.Cwd
	}
	if cfg.User != "" {
		who, err := m.user(cfg.User)
		if err != nil {
			return nil, err
		}
		proc.User = specs.User{UID: uint32(who.Uid), GID: uint32(who.Gid), Umask: proc.User.Umask}
		var others []uint32
		for _, g := range who.Sgids {
			others = append(others, uint32(g))
		}
		proc.User.AdditionalGids = defaults.Groups(proc.User.GID, others)
		proc.Env = setenv(proc.Env, "HOME="+who.Home)
	}
	if cfg.Privileged {
		all := defaults.AllCapabilities()
		proc.Capabilities = &specs.LinuxCapabilities{Bounding: all, Effective: all, Permitted: all}
	}
	if cfg.Terminal && !hasEnv(proc.Env, "TERM") {
		proc.Env = append(proc.Env, "TERM=xterm")
	}
	for _, kv := range cfg.Env {
		proc.Env = setenv(proc.Env, kv)
	}
	return &proc, nil
}

func hasEnv(env []string, name string) bool {
	return slices.ContainsFunc(env, func(kv string) bool { return strings.HasPrefix(kv, name+"=") })
}

// setenv sets a variable, or takes it away where there is no value.
func setenv(env []string, kv string) []string {
	name, _, hasValue := strings.Cut(kv, "=")
	env = slices.DeleteFunc(env, func(have string) bool { return strings.HasPrefix(have, name+"=") })
	if !hasValue {
		return env
	}
	return append(env, kv)
}

// user looks a user up in the container's own /etc/passwd, as it is now.
func (m *monitor) user(name string) (*user.ExecUser, error) {
	root, err := unix.Open("/proc/"+strconv.Itoa(m.state.Pid)+"/root", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("exec: opening the container's root: %w", err)
	}
	defer unix.Close(root)
	who, err := accounts.Find(accounts.In(root), name)
	if err == nil {
		err = m.addGroups(root, who)
	}
	if err != nil {
		err = errdefs.Errorf(errdefs.ErrNotFound, "exec: user %q: %w (in the container's /etc/passwd and /etc/group)",
			name, err)
		return nil, &record.StartError{Code: 126, Msg: err.Error(), Kind: record.KindOf(err)}
	}
	return who, nil
}

// addGroups adds the groups that the container was given beside those of its user.
func (m *monitor) addGroups(root int, who *user.ExecUser) error {
	if m.cfg.Asked == nil || len(m.cfg.Asked.Groups) == 0 {
		return nil
	}
	file, err := accounts.Open(root, "etc/group")
	if err != nil {
		return err
	}
	defer file.Close()
	more, err := user.GetAdditionalGroups(m.cfg.Asked.Groups, file)
	who.Sgids = append(who.Sgids, more...)
	return err
}
