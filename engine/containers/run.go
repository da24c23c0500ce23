package containers

import (
	"context"
	"errors"
	"io"

	"cove/content"
	"cove/engine/containers/runtimes"
	"cove/engine/machine"
	"cove/errdefs"
	"cove/internal/ids"
	"cove/internal/timeline"
	"cove/runner"
	"cove/runner/record"
	"cove/sandbox/host"
	"cove/sandbox/plan"
)

// RunOptions is one container to be made and run.
type RunOptions struct {
	CreateOptions
	// Detach returns when it runs; otherwise Run returns when it has ended.
	Detach bool
	// Created is told the id before the container starts; its error stops that.
	Created func(id string) error
	// Streams gives the caller's streams, just before the start; it is not
	// called with Detach.
	Streams func(Attached) (Streams, error)
	// Timeline is written how long each phase of the start took; nil measures nothing.
	Timeline io.Writer
}

// Run makes a container, starts it and, unless it is detached, streams until it
// ends. It returns the id. A program that could not start is a *StartError; a session
// that the user left is ErrDetached. With AutoRemove a container that did not
// start is removed again; one that ran is removed by its monitor.
func (cs *Containers) Run(ctx context.Context, o RunOptions) (id string, status ExitStatus, err error) {
	if o.Timeline != nil {
		phases := timeline.New("cove", "read the command")
		ctx = timeline.With(ctx, phases)
		defer func() { err = errors.Join(err, timeline.Write(o.Timeline, phases.Spans())) }()
	}
	c, lease, err := cs.createToRun(ctx, o.CreateOptions)
	if err != nil {
		return "", status, err
	}
	defer lease.Release()
	if o.Created != nil {
		err = o.Created(c.ID())
	}
	started := timeline.Begin(ctx, "ask the monitor to start it")
	var s *runner.Session
	var streams Streams
	switch {
	case err != nil:
	case o.Detach:
		err = c.Start(ctx)
	default:
		s, streams, err = startAttached(ctx, c, o)
	}
	started()
	if err != nil {
		c.Use(nil)
		return c.ID(), status, cs.notStarted(ctx, c, o, err)
	}
	if err := lease.Release(); err != nil {
		return c.ID(), status, err
	}
	if s != nil {
		defer s.Close()
		status, err = s.Stream(ctx, streams)
	}
	return c.ID(), status, err
}

// createToRun is create, while the monitor that will start the container comes
// up.
func (cs *Containers) createToRun(ctx context.Context, o CreateOptions) (*runner.Container, content.Lease, error) {
	if err := machine.NeedRoot("running a container"); err != nil {
		return nil, nil, err
	}
	r, err := cs.parts.Runner()
	if err != nil {
		return nil, nil, err
	}
	id := ids.New()
	// Beside the rest: whoever starts a process waits in the kernel until it has executed.
	monitor := make(chan *runner.Monitor, 1)
	go func() {
		defer timeline.Begin(ctx, "start the monitor")()
		monitor <- r.StandBy(id)
	}()
	c, lease, err := cs.create(ctx, id, o)
	if err != nil {
		(<-monitor).Close()
		return nil, nil, err
	}
	c.Use(<-monitor)
	return c, lease, nil
}

func startAttached(
	ctx context.Context, c *runner.Container, o RunOptions,
) (s *runner.Session, streams Streams, err error) {
	if o.Streams != nil {
		if streams, err = o.Streams(attachedTo(c)); err != nil {
			return nil, streams, err
		}
	}
	s, err = c.StartAttached(ctx)
	return s, streams, err
}

func (cs *Containers) notStarted(ctx context.Context, c *runner.Container, o RunOptions, err error) error {
	if !o.AutoRemove {
		return err
	}
	// The caller's context may be what ended.
	rerr := cs.Remove(context.WithoutCancel(ctx), c.ID(), true, true)
	if errors.Is(rerr, errdefs.ErrNotFound) {
		rerr = nil
	}
	return errors.Join(err, rerr)
}

// Explain writes the system calls that Run would make, and makes none of them.
// The image must be local or may be pulled.
func (cs *Containers) Explain(ctx context.Context, o CreateOptions, w io.Writer) error {
	return cs.Imagine(ctx, o, func(cfg record.Config) error {
		if cfg.Runtime != nil {
			return errdefs.Errorf(errdefs.ErrUnsupported,
				"the runtime %s makes its own system calls: only those of %s are known", cfg.Runtime.Name, runtimes.Own)
		}
		features, err := host.Detect()
		if err != nil {
			return err
		}
		p, err := plan.Compile(cfg.Spec, features)
		if err == nil {
			_, err = io.WriteString(w, p.String())
		}
		return err
	})
}

// Imagine calls do with the config of the container that Run would make, whose root is
// there meanwhile; no container is made.
func (cs *Containers) Imagine(ctx context.Context, o CreateOptions, do func(record.Config) error) (err error) {
	prepared, err := cs.prepare(ctx, ids.New(), o)
	if err != nil {
		return err
	}
	defer prepared.lease.Release()
	defer func() {
		prepared.drop()
		err = errors.Join(err, cs.parts.Volumes().RemoveAnonymous(record.Made(prepared.cfg.Mounts)))
	}()
	return do(prepared.cfg)
}
