package runner

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"sync"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"cove/internal/process"
	"cove/layers/mount"
	"cove/network"
	"cove/runner/record"
	"cove/runner/task"
	"cove/sandbox/seccomp"
)

// RunRequest is one process run to its end by this very process: a build's RUN.
type RunRequest struct {
	// ID names the container in errors, its cgroup and its hostname; unique.
	ID   string
	Spec *specs.Spec
	Root mount.Mount
	// Network is as for a container; Hosts and resolv.conf files are made for
	// the time of the run and bound over the root's.
	Network network.Config
	Stdin   io.Reader
	// Stdout and Stderr may be one writer: then they are one pipe, and what is written to
	// either keeps its order.
	Stdout io.Writer
	Stderr io.Writer
	// Sizes delivers the size of the terminal, if the spec asks for one: at first, and
	// whenever it changes. What is written to it comes to Stdout alone.
	Sizes <-chan unix.Winsize
}

// Run runs one process to its end, without monitor and without a record; it
// dies with the caller, and is killed when ctx ends. A program that could not
// start is a *StartError. Places that the runner had to make in the root to
// mount something there, and that nothing was written to, are removed again:
// they are no part of the layer.
func (r *Runner) Run(ctx context.Context, req RunRequest) (record.ExitStatus, error) {
	files, err := r.runDir(req.ID)
	if err != nil {
		return record.ExitStatus{}, fmt.Errorf("run %s: %w", req.ID, err)
	}
	defer os.RemoveAll(files)
	stubs, err := task.Missing(req.Root, req.Spec)
	if err != nil {
		return record.ExitStatus{}, fmt.Errorf("run %s: %w", req.ID, err)
	}
	streams := inOut{req: req}
	defer streams.close()
	if err := streams.open(); err != nil {
		return record.ExitStatus{}, fmt.Errorf("run %s: %w", req.ID, err)
	}
	t, err := task.Create(ctx, task.Request{
		ID: req.ID, Spec: req.Spec, Root: req.Root, Network: r.net, Net: req.Network, Files: files,
		Filters: seccomp.Cache{Dir: filepath.Join(r.opts.Root, "seccomp")},
		Stdin:   streams.in, Stdout: streams.out, Stderr: streams.err,
	})
	if err != nil {
		return record.ExitStatus{}, err
	}
	status, err := supervise(ctx, t, &streams)
	err = errors.Join(err, t.Close(context.WithoutCancel(ctx)))
	return status, errors.Join(err, stubs.Remove())
}

// runPrefix begins the name of a directory of Run; whose it is, and the ID of
// what runs, follow.
const runPrefix = "run-"

func (r *Runner) runDir(id string) (string, error) {
	dir := filepath.Join(r.opts.Run, runPrefix+process.Tag()+"-"+id)
	err := os.Mkdir(dir, 0o700)
	if errors.Is(err, os.ErrNotExist) {
		if err = os.MkdirAll(r.opts.Run, 0o711); err == nil {
			err = os.Mkdir(dir, 0o700)
		}
	}
	return dir, err
}

func supervise(ctx context.Context, t *task.Task, streams *inOut) (record.ExitStatus, error) {
	streams.started()
	leave, err := streams.connect(t.Process.Console())
	if err != nil {
		return record.ExitStatus{}, err
	}
	defer leave()
	if err := t.Start(); err != nil {
		return record.ExitStatus{}, err
	}
	stop := context.AfterFunc(ctx, func() {
		_ = t.Process.Signal(unix.SIGKILL) // fails if it has ended
	})
	defer stop()
	ended, err := t.Process.Wait(context.WithoutCancel(ctx))
	if err != nil {
		return record.ExitStatus{}, err
	}
	status := record.ExitStatus{Code: ended.ExitCode()}
	if kills, err := t.Group.OOMKills(); err == nil && kills > 0 {
		status.OOMKilled = true
		if status.Code != 0 {
			status.Error = "killed: out of memory"
		}
	}
	if !task.Has(t.Spec, specs.PIDNamespace) {
		// Processes that are left would hold the streams open.
		err = t.Group.Kill(context.WithoutCancel(ctx))
	}
	streams.copies.Wait()
	return status, errors.Join(err, ctx.Err())
}

// inOut are pipes between a process and the caller's readers and writers; an
// *os.File is given to the process as it is.
type inOut struct {
	req          RunRequest
	in, out, err *os.File
	theirs       []*os.File
	copies       sync.WaitGroup
}

func (s *inOut) open() error {
	req := s.req
	if req.Spec.Process.Terminal {
		return nil
	}
	if req.Stdin != nil {
		w, r, err := task.Pipe(false)
		if err != nil {
			return err
		}
		s.in, s.theirs = r, append(s.theirs, r)
		go func() {
			// Ends with the caller's input, or when the process is gone.
			_, _ = io.Copy(w, req.Stdin)
			w.Close()
		}()
	}
	var err error
	if s.out, err = s.output(req.Stdout); err != nil {
		return err
	}
	if one(req.Stdout, req.Stderr) {
		s.err = s.out
		return nil
	}
	s.err, err = s.output(req.Stderr)
	return err
}

// one says whether two writers are the same.
func one(a, b io.Writer) bool {
	return a != nil && b != nil && reflect.TypeOf(a).Comparable() && reflect.TypeOf(b).Comparable() && a == b
}

func (s *inOut) output(to io.Writer) (*os.File, error) {
	if to == nil {
		return nil, nil
	}
	r, w, err := task.Pipe(true)
	if err != nil {
		return nil, err
	}
	s.theirs = append(s.theirs, w)
	s.copies.Go(func() {
		defer r.Close()
		if _, err := io.Copy(to, r); err != nil {
			_, _ = io.Copy(io.Discard, r) // the process should not block on a writer that failed
		}
	})
	return w, nil
}

// started closes the process's ends, which are its own now.
func (s *inOut) started() {
	for _, f := range s.theirs {
		f.Close()
	}
	s.theirs = nil
}

func (s *inOut) close() { s.started() }

// connect copies between the caller's streams and the master of a terminal, nil for
// none, until the process and all that hold the terminal are gone.
func (s *inOut) connect(console *os.File) (leave func(), err error) {
	if console == nil {
		return func() {}, nil
	}
	master, err := task.Pollable(console)
	if err != nil {
		return nil, err
	}
	raw, err := master.SyscallConn()
	if err != nil {
		return nil, errors.Join(err, master.Close())
	}
	done := make(chan struct{})
	go func() {
		for {
			select {
			case size := <-s.req.Sizes:
				// A terminal that is gone has no size to be set.
				_ = raw.Control(func(fd uintptr) { _ = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &size) })
			case <-done:
				return
			}
		}
	}()
	go func() {
		// Ends with the caller's input, or at the first byte after the process is gone.
		_, _ = io.Copy(master, s.req.Stdin)
	}()
	s.copies.Go(func() {
		// Ends with EIO when the last process that has the terminal is gone.
		_, _ = io.Copy(s.req.Stdout, master)
	})
	return func() {
		close(done)
		master.Close()
	}, nil
}
