package solve

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/builder/cache"
	"cove/builder/plan"
	"cove/content"
	"cove/errdefs"
	"cove/layers"
)

// result is what a vertex has become: a stack of layers, of which the topmost
// is its own if it made one.
type result struct {
	parent *result    // nil for a base
	base   *plan.Base // of a base, and of is its task
	of     *task
	chain  layers.ChainID
	made   bool
	diffID layers.DiffID
	ready  once // the snapshot exists

	// blob is the packed layer, which may come after the files.
	blob atomic.Pointer[ocispec.Descriptor]

	created time.Time // when the layer was made
}

// stack lists the layers, lowest first.
func (r *result) stack() []layers.Layer {
	if r == nil {
		return nil
	}
	if r.base != nil {
		return append([]layers.Layer(nil), r.base.Layers...)
	}
	ls := r.parent.stack()
	if r.made {
		ls = append(ls, r.layer())
	}
	return ls
}

// layer is the result's own layer; its Blob is empty before it is packed.
func (r *result) layer() layers.Layer {
	l := layers.Layer{DiffID: r.diffID}
	if b := r.blob.Load(); b != nil {
		l.Blob = *b
	}
	return l
}

func (r *result) packed() bool { return r.blob.Load() != nil }

// on returns the result of adding a layer to parent.
func on(parent *result, diffID layers.DiffID) *result {
	return &result{parent: parent, made: true, chain: parent.chain.Append(diffID), diffID: diffID}
}

// onto is on for a layer that was just made: from now on its chainID is leased, and it
// is known how large its files are.
func (s *solver) onto(ctx context.Context, parent *result, diffID layers.DiffID, size int64) (*result, error) {
	r := on(parent, diffID)
	if err := s.Lease.Add(ctx, cache.SnapshotRef(string(r.chain))); err != nil {
		return nil, err
	}
	return r, s.Snapshots.SetSize(ctx, string(r.chain), size)
}

// solve waits for what the task needs and does it. The result is published,
// and those who wait for it go on, when the files are there; solve itself
// returns when the layer is packed too.
func (s *solver) solve(ctx context.Context, t *task) error {
	for _, dep := range append([]*task{t.parent}, t.inputs...) {
		if dep == nil {
			continue
		}
		select {
		case <-dep.done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if base, ok := t.Op.(*plan.Base); ok {
		ids := make([]layers.DiffID, len(base.Layers))
		for i, l := range base.Layers {
			ids[i] = l.DiffID
		}
		r := &result{base: base, of: t, chain: layers.Chain(ids...)}
		if _, err := s.Snapshots.Stat(ctx, string(r.chain)); err == nil {
			s.notNeeded(t)
		}
		t.publish(r)
		return s.tellPacked(ctx, t)
	}
	if err := s.acquire(ctx); err != nil {
		return err
	}
	st := &step{task: t, solver: s}
	defer st.release()
	err := s.dispatch(ctx, st)
	st.end(err)
	if err == nil {
		err = s.tellPacked(ctx, t)
	}
	if err != nil && ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return err // another vertex has the story
	}
	return plan.At(t.Location, err)
}

func (t *task) publish(r *result) {
	t.res = r
	close(t.done)
}

func (s *solver) dispatch(ctx context.Context, st *step) error {
	switch op := st.task.Op.(type) {
	case *plan.Run:
		return s.run(ctx, st, op)
	case *plan.Copy:
		return s.copy(ctx, st, op)
	case *plan.Workdir:
		return s.workdir(ctx, st, op)
	}
	return errdefs.Errorf(errdefs.ErrUnsupported, "vertex %T", st.task.Op)
}

// cacheKey is the cache key of an op with these inputs. What the op's bytes are made
// of is in parts: chainIDs, content digests.
func (s *solver) cacheKey(kind string, def digest.Digest, parts ...string) digest.Digest {
	epoch := ""
	if s.Epoch != nil {
		epoch = fmt.Sprint(s.Epoch.Unix())
	}
	return digest.FromString(strings.Join(append([]string{"cove.cache.v1", kind, def.String(), epoch}, parts...), "\n"))
}

// lookup finds the result of a key whose layer, as files or packed, is still
// there. With a blob it is complete; without one the caller packs it if the
// image wants it.
func (s *solver) lookup(ctx context.Context, t *task, key digest.Digest) (*result, error) {
	if t.NoCache {
		return nil, nil
	}
	rec, err := s.Cache.Get(ctx, key)
	if errors.Is(err, errdefs.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if rec.DiffID == "" {
		return &result{parent: t.parent.res, chain: t.parent.res.chain}, nil
	}
	r := on(t.parent.res, rec.DiffID)
	r.created, t.before = rec.Created, rec.Created
	refs := []string{cache.SnapshotRef(string(r.chain))}
	if rec.Blob.Digest != "" {
		refs = append(refs, rec.Blob.Digest.String())
	}
	if err := s.Lease.Add(ctx, refs...); err != nil {
		return nil, err
	}
	_, err = s.Snapshots.Stat(ctx, string(r.chain))
	if err != nil && !errors.Is(err, errdefs.ErrNotFound) {
		return nil, err
	}
	files := err == nil
	packed, read := rec.Blob.Digest != "", false
	switch err = nil; { // the bytes are read when nothing but them has the layer's files
	case packed && files:
		packed, err = content.Intact(ctx, s.Content, rec.Blob, false)
	case packed:
		if packed, read, err = rec.Intact(ctx, s.Content); read {
			_ = s.Cache.Put(ctx, key, rec) // else it is read again
		}
	}
	if err == nil && !packed && s.Remote != nil && rec.Blob.Digest != "" {
		packed = s.Remote.Has(rec.Blob.Digest) // is fetched when it is needed
	}
	switch {
	case err != nil:
		return nil, err
	case packed:
		r.blob.Store(&rec.Blob)
	case !files:
		return nil, nil
	}
	return r, nil
}

// remember writes the record of what a step made under each key.
func (s *solver) remember(ctx context.Context, st *step, r *result, keys ...digest.Digest) error {
	rec := cache.Record{Step: st.task.Location.Instruction, Took: st.took}
	if r.made {
		rec.DiffID, rec.Chain, rec.Blob, rec.Created = r.diffID, r.chain, r.layer().Blob, r.created
	}
	for _, key := range keys {
		if err := s.Cache.Put(ctx, key, rec); err != nil {
			return err
		}
	}
	return nil
}
