// Package task makes one container run, and undoes it: its network, files and
// control group are made while the sandbox mounts its root. The monitor, a
// build's RUN and the OCI runtime all start containers here.
package task

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"cove/internal/timeline"
	"cove/layers/mount"
	"cove/network"
	"cove/runner/foreign"
	"cove/runner/record"
	"cove/sandbox"
	"cove/sandbox/apparmor"
	"cove/sandbox/cgroup"
	"cove/sandbox/check"
	"cove/sandbox/files"
	"cove/sandbox/host"
	"cove/sandbox/plan"
	"cove/sandbox/seccomp"
)

// Request says what to run.
type Request struct {
	ID   string
	Spec *specs.Spec // not changed
	Root mount.Mount
	// Stacks are what mounts of Spec show that have these as their sources.
	Stacks map[string]files.Stack
	// Network connects it as Net asks; nil leaves the network to Spec. Peer is
	// the process whose network Net joins.
	Network *network.Network
	Net     network.Config
	Peer    int
	// Joined are the processes whose namespaces the container shares, by type.
	Joined map[specs.LinuxNamespaceType]int
	// Init is the program bound at record.InitPath; empty is none.
	Init string
	// Files is the directory for hosts, hostname and resolv.conf, which are
	// bound over the root's; empty makes none.
	Files string
	// PeerFiles is that of the container whose network is joined: its hosts and
	// resolv.conf are this one's, too.
	PeerFiles string
	// Runtime starts the container instead of the sandbox; nil is the sandbox. It needs
	// Files.
	Runtime *record.Runtime
	// Features are what the plan is compiled for; nil finds out.
	Features *host.Features
	// Filters keeps compiled seccomp filters.
	Filters seccomp.Cache

	Stdin, Stdout, Stderr *os.File
	Size                  unix.Winsize
	ExtraFiles            []*os.File
	// Control, State and the functions are the sandbox's; OnCreated runs when the
	// network is there.
	Control              string
	State                specs.State
	OnCreated, OnMounted func(pid int) error
}

// Task is a container that was created.
type Task struct {
	Process *sandbox.Process
	Group   *cgroup.Group
	// Foreign is nil under cove's own runtime.
	Foreign *foreign.Container
	// Net is nil when the network was left to the spec.
	Net *network.Endpoint
	// Spec is the one that was compiled.
	Spec *specs.Spec
	// Warnings are of what the spec asks for and the container has not.
	Warnings []string
	// State is what hooks and the agent of a filter are told; empty without either.
	State specs.State
	// SharedRoot is to be unmounted with the container; mostly nil.
	SharedRoot *sandbox.SharedRoot

	groupDeleted bool
}

// Create makes the container; its process waits before execve. What cannot
// start is a *record.StartError, or ctx's error when that ended first, and
// nothing of it is left.
func Create(ctx context.Context, r Request) (*Task, error) {
	t := &Task{}
	if err := t.create(ctx, r); err != nil {
		return nil, errors.Join(startError(err), t.Close(context.WithoutCancel(ctx)))
	}
	return t, nil
}

// sizeOf is the size of the terminal that the spec asks for.
func sizeOf(spec *specs.Spec) unix.Winsize {
	size := spec.Process.ConsoleSize
	if size == nil {
		return unix.Winsize{}
	}
	return unix.Winsize{Row: uint16(size.Height), Col: uint16(size.Width)}
}

func (r *Request) features() (host.Features, error) {
	if r.Features != nil {
		return *r.Features, nil
	}
	return host.Detect()
}

func (t *Task) create(ctx context.Context, r Request) (err error) {
	features, err := r.features()
	if err != nil {
		return err
	}
	// Beside the plan: v1 takes a millisecond for its dozen directories.
	grouped, path, limits := make(chan error, 1), CgroupPath(r.ID, r.Spec), resources(r.Spec)
	go func() {
		defer timeline.Begin(ctx, "make the control group")()
		var err error
		t.Group, err = cgroup.Create(features.Cgroup, path, limits)
		grouped <- err
	}()
	p, filter, err := t.prepare(ctx, &r, features)
	if err = errors.Join(err, <-grouped); err != nil {
		return err
	}
	if r.Runtime != nil {
		return t.createForeign(ctx, r)
	}
	created, mounted := func(pid int) error { return t.wired(ctx, r, pid) }, r.OnMounted
	if r.Joined[specs.UserNamespace] != 0 {
		// Only in it is the container made, by a fork that has come by the first barrier.
		wired := created
		created, mounted = nil, func(pid int) error {
			if err := wired(pid); err != nil || r.OnMounted == nil {
				return err
			}
			return r.OnMounted(pid)
		}
	}
	t.Process, err = sandbox.Create(ctx, sandbox.Request{
		Plan: p, Spec: t.Spec, Root: r.Root, Stacks: r.Stacks, Stdin: r.Stdin, Stdout: r.Stdout, Stderr: r.Stderr,
		ConsoleSize: cmp.Or(r.Size, sizeOf(t.Spec)),
		ExtraFiles:  r.ExtraFiles, Cgroup: t.Group, Filter: filter, Control: r.Control,
		OnCreated: created, OnMounted: mounted, State: r.State,
	})
	if err == nil {
		t.Group = t.Group.Led(t.Process.Pid())
		t.SharedRoot, err = sandbox.FindSharedRoot(t.Spec)
	}
	return err
}

// prepare makes the network and all that the process needs but its group.
func (t *Task) prepare(
	ctx context.Context, r *Request, features host.Features,
) (p *plan.Plan, filter []unix.SockFilter, err error) {
	if r.Network != nil {
		end := timeline.Begin(ctx, "begin the network")
		t.Net, err = r.Network.Connect(r.ID, r.Net, r.Peer)
		if end(); err != nil {
			return nil, nil, err
		}
	}
	defer timeline.Begin(ctx, "compile the plan and the filter")()
	t.Spec = adapt(*r, t.Net)
	if t.Spec.Process != nil && t.Spec.Process.ApparmorProfile == apparmor.Default {
		if err := (apparmor.Here{}).Load(ctx); err != nil {
			return nil, nil, err
		}
	}
	if r.Runtime != nil {
		return nil, nil, writeFiles(*r)
	}
	if *r, err = withBundle(ctx, *r, t.Spec); err != nil {
		return nil, nil, err
	}
	if p, err = plan.Compile(t.Spec, features); err != nil {
		return nil, nil, err
	}
	t.Warnings, t.State = p.Warnings, r.State
	if r.Files != "" {
		if err := writeFiles(*r); err != nil {
			return nil, nil, err
		}
	}
	if t.Spec.Linux.Seccomp != nil {
		filter, err = r.Filters.Compile(t.Spec.Linux.Seccomp)
	}
	return p, filter, err
}

func resources(spec *specs.Spec) *specs.LinuxResources {
	if spec == nil || spec.Linux == nil {
		return nil
	}
	return spec.Linux.Resources
}

// wired completes the network while the process waits after its mounts.
func (t *Task) wired(ctx context.Context, r Request, pid int) error {
	defer timeline.Begin(ctx, "wait for the network")()
	if t.Net != nil {
		if err := errors.Join(t.Net.Made(pid), t.Net.Ready()); err != nil {
			return err
		}
		if r.Files != "" {
			// In place: the file is bound already.
			if err := os.WriteFile(filepath.Join(r.Files, "hosts"), network.Hosts(r.Net, t.Net.State),
				0o644); err != nil {
				return fmt.Errorf("runner: writing hosts: %w", err)
			}
		}
	}
	if r.OnCreated != nil {
		return r.OnCreated(pid)
	}
	return nil
}

// Start lets the container's program run.
func (t *Task) Start() error { return startError(t.Process.Start()) }

// Unpublish frees the ports, which others may want as soon as the end is told.
func (t *Task) Unpublish() error {
	if t.Net == nil {
		return nil
	}
	return t.Net.Unpublish()
}

// Close removes what Create made, after the process has ended; processes that
// it left behind, as only a container in the host's pid namespace can, are
// killed.
func (t *Task) Close(ctx context.Context) error {
	var errs []error
	if t.Process != nil {
		_ = t.Process.Signal(unix.SIGKILL) // fails if it has ended
		_, err := t.Process.Wait(ctx)
		errs = append(errs, err)
	}
	if t.Group != nil && !t.groupDeleted {
		if t.Spec == nil || !Has(t.Spec, specs.PIDNamespace) {
			errs = append(errs, t.Group.Kill(ctx))
		}
		errs = append(errs, t.DeleteGroup(ctx))
	}
	errs = append(errs, t.SharedRoot.Unmount())
	if t.Net != nil {
		errs = append(errs, t.Net.Close())
	}
	return errors.Join(errs...)
}

// DeleteGroup removes the empty group. Close does not do it again: a container that
// was started since may have made one of the same name.
func (t *Task) DeleteGroup(ctx context.Context) error {
	t.groupDeleted = true
	var err error
	if t.Foreign != nil {
		err = t.Foreign.Delete(ctx)
	}
	return errors.Join(err, t.Group.Delete(ctx))
}

// Has reports whether the container has a namespace of its own of a type.
func Has(spec *specs.Spec, typ specs.LinuxNamespaceType) bool {
	return spec.Linux != nil && slices.ContainsFunc(spec.Linux.Namespaces, func(ns specs.LinuxNamespace) bool {
		return ns.Type == typ && ns.Path == ""
	})
}

// startError turns a failure into one that survives the way to another
// process: docker's exit code and the text. That the caller gave up is no
// failure of the container, and stays what a caller compares it with.
func startError(err error) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return Failure(err)
}

// Failure is what an error says to another process, with docker's exit code.
func Failure(err error) *record.StartError {
	if done, ok := errors.AsType[*record.StartError](err); ok {
		return done
	}
	code := 125
	if errors.Is(err, check.ErrNoProgram) {
		code = 127
	}
	if step, ok := errors.AsType[*sandbox.StepError](err); ok {
		code = step.ExitCode()
	}
	return &record.StartError{Code: code, Msg: err.Error(), Kind: record.KindOf(err)}
}
