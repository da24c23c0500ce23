package solve

import (
	"context"
	"errors"

	"github.com/opencontainers/go-digest"

	"cove/builder/command"
	"cove/builder/plan"
	"cove/builder/solve/opened"
	"cove/layers/diff"
	"cove/layers/mount"
)

// run does RUN: a snapshot, a command on it, its change as a layer.
func (s *solver) run(ctx context.Context, st *step, op *plan.Run) error {
	t := st.task
	parts := []string{string(t.parent.res.chain)}
	for _, in := range t.inputs {
		parts = append(parts, string(in.res.chain))
	}
	key := s.cacheKey("run", plan.Define(op), parts...)
	r, err := s.lookup(ctx, t, key)
	if err != nil {
		return err
	}
	if r != nil {
		return st.hit(ctx, r, key)
	}
	if err := s.materialize(ctx, t.parent.res); err != nil { // is no part of the command's time
		return err
	}
	st.begin(s.reason(t, nil))
	snap, err := s.activate(ctx, t.parent.res)
	if err != nil {
		return err
	}
	defer snap.Close()
	if err := s.exec(ctx, t, op, snap.Mount); err != nil {
		return err
	}
	done, err := s.commitChange(ctx, st, snap)
	if err != nil {
		return err
	}
	return s.keep(ctx, st, done, key)
}

// keep packs what a step made in a snapshot, if the image wants it, and notes it.
func (s *solver) keep(ctx context.Context, st *step, made *result, keys ...digest.Digest) error {
	if st.task.wanted && !made.packed() {
		if err := s.pack(ctx, made); err != nil {
			return err
		}
	}
	return s.remember(ctx, st, made, keys...)
}

// commitChange turns what a step changed in its snapshot into a result, unless it
// holds a secret of the build. When others wait for the files the layer is only
// hashed here and packed after; otherwise one pass does both.
func (s *solver) commitChange(ctx context.Context, st *step, snap *opened.Active) (*result, error) {
	t := st.task
	scan := s.secrets.Scanner()
	var l diff.Layer
	var err error
	packed := t.wanted && !t.used && !s.secrets.Searched()
	if packed {
		l, err = s.stored(ctx, func() (diff.Layer, error) {
			return diff.Commit(ctx, s.Content, snap.Mount, s.diffOptions())
		})
	} else if l, err = s.diffID(ctx, snap.Mount, scan); err == nil {
		err = scan.Found(t.Location.Instruction)
	}
	if err != nil {
		return nil, err
	}
	r, err := s.onto(ctx, t.parent.res, l.DiffID, l.FileBytes)
	if err != nil {
		return nil, err
	}
	if packed {
		r.blob.Store(&l.Blob)
	}
	if err := commit(ctx, snap, r); err != nil {
		return nil, err
	}
	st.finish(r)
	return r, nil
}

// exec runs the command of a RUN on its root filesystem.
func (s *solver) exec(ctx context.Context, t *task, op *plan.Run, root mount.Mount) error {
	last := &command.Tail{}
	req := command.RequestOf(op, root)
	out := s.output(t, last)
	req.Stdout, req.Stderr = out, out // one writer: the lines of both keep their order
	mounted, err := s.mountAll(ctx, t, op, &req)
	if err != nil {
		return err
	}
	err = errors.Join(s.Executor.Exec(ctx, req), out.Flush())
	if exit := (*command.ExitError)(nil); errors.As(err, &exit) {
		err = s.failed(ctx, t, req, &command.Error{Err: err, Tail: last.Lines()})
	}
	if closed := mounted.Close(); err == nil {
		err = closed
	}
	return err
}

// failed hands the first command that failed to whoever wants to see what it left,
// while it is there.
func (s *solver) failed(ctx context.Context, t *task, req command.Request, err error) error {
	if s.OnFailure == nil || ctx.Err() != nil || !s.oneFailed.CompareAndSwap(false, true) {
		return err
	}
	f := command.Failed{Request: req, Op: t.Op.(*plan.Run), Vertex: t.Vertex, Err: err, Secrets: s.secrets}
	for r := t.parent.res; r != nil; r = r.parent {
		f.Base = r.base
	}
	// Not ended by another step that fails meanwhile, as ctx is.
	return errors.Join(err, s.OnFailure(s.outer, f))
}
