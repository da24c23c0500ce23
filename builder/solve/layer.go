package solve

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/builder/buildctx"
	"cove/builder/cache"
	"cove/builder/copier"
	"cove/builder/event"
	"cove/builder/plan"
	"cove/content"
	"cove/errdefs"
	"cove/layers"
	"cove/layers/diff"
	"cove/layers/mount"
	"cove/layers/snapshot"
	"cove/layers/unpack"
)

// materialize makes sure that a result's files are a committed snapshot.
func (s *solver) materialize(ctx context.Context, r *result) error {
	if r == nil || r.chain == "" {
		return nil
	}
	return r.ready.do(func() error {
		if err := s.Lease.Add(ctx, cache.SnapshotRef(string(r.chain))); err != nil {
			return err
		}
		if _, err := s.Snapshots.Stat(ctx, string(r.chain)); err == nil || !errors.Is(err, errdefs.ErrNotFound) {
			return err
		}
		if r.base != nil {
			return s.unpackBase(ctx, r)
		}
		if r.made && s.Remote != nil {
			s.Remote.Want(s.outer, r.layer()) // while what is below is unpacked
		}
		if err := s.materialize(ctx, r.parent); err != nil || !r.made {
			return err
		}
		stack := r.stack()
		if err := s.bring(ctx, r.layer()); err != nil {
			return err
		}
		u := unpack.Unpacker{Snapshots: s.Snapshots, Hold: func(ctx context.Context, key string) error {
			return s.Lease.Add(ctx, cache.SnapshotRef(key))
		}}
		err := u.Unpack(ctx, stack, func(ctx context.Context, i int) (io.ReadCloser, error) {
			rd, err := s.Content.Open(ctx, stack[i].Blob)
			if err != nil {
				return nil, err
			}
			return content.NewReadCloser(rd), nil
		})
		if s.Remote != nil {
			err = s.Remote.Unpacked(ctx, r.layer(), err)
		}
		return err
	})
}

// bring fetches a packed layer that a cache elsewhere has.
func (s *solver) bring(ctx context.Context, l layers.Layer) error {
	if s.Remote == nil || l.Blob.Digest == "" {
		return nil
	}
	return s.Remote.Fetch(ctx, l)
}

// unpackBase gets the files of a base image, which is the step of its FROM.
func (s *solver) unpackBase(ctx context.Context, r *result) error {
	t, start := r.of, s.Now()
	if !t.told.CompareAndSwap(false, true) {
		return s.Unpacker.Unpack(ctx, *r.base)
	}
	s.events.Send(t.event(event.Started))
	err := s.Unpacker.Unpack(ctx, *r.base)
	s.events.Ended(t.event(event.Done), start, err)
	if err == nil {
		err = s.tellPacked(ctx, t)
	}
	return err
}

// notNeeded tells of a base image whose files are here, or that nobody asked for.
func (s *solver) notNeeded(t *task) {
	if _, base := t.Op.(*plan.Base); base && t.index > 0 && t.told.CompareAndSwap(false, true) {
		s.events.Send(t.event(event.Cached))
	}
}

// stored leases a layer that was just stored, and looks whether a collector
// was faster.
func (s *solver) stored(ctx context.Context, make func() (diff.Layer, error)) (diff.Layer, error) {
	var l diff.Layer
	for range 3 {
		var err error
		if l, err = make(); err != nil {
			return l, err
		}
		if err := s.Lease.Add(ctx, l.Blob.Digest.String()); err != nil {
			return l, err
		}
		if _, err = s.Content.Stat(ctx, l.Blob.Digest); err == nil || !errors.Is(err, errdefs.ErrNotFound) {
			return l, err
		}
	}
	return l, errdefs.Errorf(errdefs.ErrUnavailable,
		"layer %s was removed as soon as it was stored, by a prune: build again", l.Blob.Digest)
}

// pack stores a committed snapshot's own change as a blob.
func (s *solver) pack(ctx context.Context, r *result) error {
	m, err := snapshot.Change(ctx, s.Snapshots, string(r.chain), string(r.parent.chain))
	if err != nil {
		return err
	}
	l, err := s.stored(ctx, func() (diff.Layer, error) { return diff.Commit(ctx, s.Content, m, s.diffOptions()) })
	if err != nil {
		return err
	}
	if l.DiffID != r.diffID {
		return errdefs.Errorf(errdefs.ErrCorrupt, "snapshot %s holds the layer %s and not %s: something wrote to it",
			r.chain, l.DiffID, r.diffID)
	}
	r.blob.Store(&l.Blob)
	return nil
}

func (s *solver) diffOptions() diff.Options {
	opt := diff.Options{Compress: s.Compress}
	if s.Epoch != nil {
		opt.SourceDate = *s.Epoch
	}
	return opt
}

// diffID reads what an active snapshot changed, without storing it: of the layer that
// it returns there is no blob. extra, if not nil, sees the tar too.
func (s *solver) diffID(ctx context.Context, m mount.Mount, extra io.Writer) (diff.Layer, error) {
	d := digest.SHA256.Digester()
	var w io.Writer = d.Hash()
	if extra != nil {
		w = io.MultiWriter(w, extra)
	}
	n, err := diff.Write(ctx, w, m, s.diffOptions())
	if err != nil {
		return diff.Layer{}, err
	}
	return diff.Layer{Layer: layers.Layer{DiffID: layers.DiffID(d.Digest())}, FileBytes: n}, nil
}

// target is the root filesystem that a COPY or WORKDIR goes into, nil for an
// empty one. What has no time of its own gets that of the layer: when an earlier
// build made the same one, whose files alone are left, it must become the same
// again, or everything on top of it would be made anew.
func (st *step) target(root *buildctx.Tree) copier.Target {
	st.laidOut = st.task.before
	if st.laidOut.IsZero() {
		st.laidOut = st.solver.Now().UTC().Truncate(time.Second)
	}
	return copier.Target{Root: root, Epoch: st.solver.Epoch, Now: st.laidOut}
}
