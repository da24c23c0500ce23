package solve

import (
	"context"
	"errors"
	"time"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"cove/builder/buildctx"
	"cove/builder/copier"
	"cove/builder/fetch"
	"cove/builder/plan"
	"cove/errdefs"
	"cove/layers/apply"
	"cove/layers/archive"
	"cove/layers/diff"
)

// stillTries is how often a COPY reads files that change meanwhile; the waits
// between double and are two and a half seconds together.
const stillTries = 8

// copy does COPY and ADD. A file of the context that changes while it is read is
// read again, until it is still: a build may well write its log there.
func (s *solver) copy(ctx context.Context, st *step, op *plan.Copy) error {
	files, wait := s.Context, 10*time.Millisecond
	for try := 1; ; try++ {
		err := s.copyFrom(ctx, st, op, files)
		if files != s.Context {
			files.Close()
		}
		// What others wait for is no longer in our hands once it is published.
		if !errors.Is(err, buildctx.ErrChanged) || try == stillTries || st.task.res != nil || files == nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
			wait *= 2
		}
		if files, err = s.Context.Again(); err != nil {
			return err
		}
		files.Growing = try >= stillTries/2
	}
}

// copyFrom asks the cache twice: with what can be known without looking at any
// file, when only other vertices are read from; then with the content of what is
// selected.
func (s *solver) copyFrom(ctx context.Context, st *step, op *plan.Copy, files *buildctx.Tree) error {
	t := st.task
	below, err := s.below(ctx, t, op)
	if err != nil {
		return err
	}
	fetched := &fetch.Sources{HTTP: s.HTTP, Git: s.Git, Temp: s.temp}
	defer fetched.Close()
	commits, resolved, err := fetched.Resolve(ctx, op)
	if err != nil {
		return err
	}
	var keys []digest.Digest
	if resolved && op.Immutable() {
		parts := append([]string{below}, commits...)
		for _, in := range t.inputs {
			parts = append(parts, string(in.res.chain))
		}
		fast := s.cacheKey("copied", plan.Define(op), parts...)
		if r, err := s.lookupCopy(ctx, t, fast); r != nil || err != nil {
			return st.hitOr(ctx, r, err)
		}
		keys = append(keys, fast)
	}
	trees, opened, err := s.openInputs(ctx, t)
	if err != nil {
		return err
	}
	defer opened.Close()
	sel, err := copier.Select(ctx, op.Selection, copier.Sources{
		Context: files, Named: s.Named, Inputs: trees, Fetch: fetched.Fetch,
	})
	if err != nil {
		return err
	}
	for _, w := range sel.Warnings {
		s.warn(t, "CopyMatchesNothing", w)
	}
	content, err := s.contentKey(sel, op.Placement, below)
	if err != nil {
		return err
	}
	if r, err := s.lookupCopy(ctx, t, content); r != nil || err != nil {
		if r != nil {
			err = s.remember(ctx, st, r, keys...)
		}
		return st.hitOr(ctx, r, err)
	}
	st.begin(s.reason(t, sel.Summary()))
	root, err := s.open(ctx, t.parent.res)
	if err != nil {
		return err
	}
	defer root.Close()
	l, err := sel.Place(op.Placement, st.target(root.Tree))
	if err != nil {
		return err
	}
	return s.layOut(ctx, st, l, append(keys, content)...)
}

// contentKey is the key of what was selected and is placed on top of below. What the files
// are called where they come from means nothing any more.
func (s *solver) contentKey(sel *copier.Selection, op plan.Placement, below string) (digest.Digest, error) {
	selected, err := sel.Digest(op)
	op = op.Canonical()
	return s.cacheKey("placed", plan.Define(&op), below, selected.String()), err
}

// below is what the layer of a copy depends on of what it goes on top of.
func (s *solver) below(ctx context.Context, t *task, op *plan.Copy) (string, error) {
	if !op.Link || op.MayUnpack() {
		return string(t.parent.res.chain), nil
	}
	root, err := s.open(ctx, t.parent.res)
	if err != nil {
		return "", err
	}
	return copier.Under(root.Tree, op.Dest), root.Close()
}

// lookupCopy is lookup for a layer that cannot be packed from its snapshot: the
// kernel's copy of a directory above the files is part of that, and not of the
// layer.
func (s *solver) lookupCopy(ctx context.Context, t *task, key digest.Digest) (*result, error) {
	r, err := s.lookup(ctx, t, key)
	if r != nil && r.made && t.wanted && !r.packed() {
		return nil, err
	}
	return r, err
}

func (st *step) hitOr(ctx context.Context, r *result, err error) error {
	if err != nil {
		return err
	}
	return st.hit(ctx, r)
}

func (s *solver) workdir(ctx context.Context, st *step, op *plan.Workdir) error {
	t := st.task
	key := s.cacheKey("workdir", plan.Define(op), string(t.parent.res.chain))
	if r, err := s.lookupCopy(ctx, t, key); r != nil || err != nil {
		return st.hitOr(ctx, r, err)
	}
	st.begin(s.reason(t, nil))
	root, err := s.open(ctx, t.parent.res)
	if err != nil {
		return err
	}
	defer root.Close()
	var owner copier.Owner
	if op.User != "" {
		if owner, err = copier.LookupOwner("USER "+op.User, op.User, root.Tree); err != nil {
			return err
		}
	}
	l, err := copier.PlaceDir(st.target(root.Tree), op.Path, owner)
	if err != nil {
		return err
	}
	return s.layOut(ctx, st, l, key)
}

// layOut makes the layer of a layout: as files when another vertex needs them,
// as a blob when the image has it, both at once.
func (s *solver) layOut(ctx context.Context, st *step, l *copier.Layout, keys ...digest.Digest) error {
	t := st.task
	if l.Empty() {
		r := &result{parent: t.parent.res, chain: t.parent.res.chain}
		st.finish(r)
		return s.remember(ctx, st, r, keys...)
	}
	fill := func(w *archive.Writer) error { return l.Write(ctx, w) }
	if l.Unpacks() {
		return s.extract(ctx, st, fill, keys...)
	}
	if err := s.searchFiles(st, fill); err != nil {
		return err
	}
	var packed diff.Layer
	g, ctx := errgroup.WithContext(ctx)
	if t.wanted {
		g.Go(func() (err error) {
			packed, err = s.stored(ctx, func() (diff.Layer, error) {
				return diff.Stream(ctx, s.Content,
					s.diffOptions(), fill)
			})
			if err != nil || t.used {
				return err
			}
			r, err := s.onto(ctx, t.parent.res, packed.DiffID, packed.FileBytes)
			if err != nil {
				return err
			}
			r.blob.Store(&packed.Blob)
			st.finish(r)
			return nil
		})
	}
	if t.used || !t.wanted {
		g.Go(func() error { return s.applyFiles(ctx, st, fill) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if t.wanted {
		if packed.DiffID != t.res.diffID {
			return errdefs.Errorf(errdefs.ErrConflict,
				"a file changed while it was copied: build again when nothing writes to the context")
		}
		t.res.blob.Store(&packed.Blob)
	}
	return s.remember(ctx, st, t.res, keys...)
}

// searchFiles looks for secrets of the build in a layer before it is made.
func (s *solver) searchFiles(st *step, fill func(*archive.Writer) error) error {
	if !s.secrets.Searched() {
		return nil
	}
	scan := s.secrets.Scanner()
	w := archive.NewWriter(scan, archive.PackOptions{})
	if err := fill(w); err != nil {
		return err
	}
	return scan.Found(st.task.Location.Instruction)
}

// extract makes the layer of an ADD that unpacks an archive: the archive is
// extracted by the code that extracts layers, and the layer is what that changed.
// So a link to what is not there, or a name below a file, fails the build and not
// whoever pulls the image.
func (s *solver) extract(ctx context.Context, st *step, fill func(*archive.Writer) error, keys ...digest.Digest) error {
	snap, err := s.activate(ctx, st.task.parent.res)
	if err != nil {
		return err
	}
	defer snap.Close()
	if _, err := apply.Filled(ctx, apply.TargetOf(snap.Mount), fill); err != nil {
		return err
	}
	made, err := s.commitChange(ctx, st, snap)
	if err != nil {
		return err
	}
	return s.keep(ctx, st, made, keys...)
}

// applyFiles writes the layer as a snapshot and publishes it.
func (s *solver) applyFiles(ctx context.Context, st *step, fill func(*archive.Writer) error) error {
	parent := st.task.parent.res
	snap, err := s.activate(ctx, parent)
	if err != nil {
		return err
	}
	defer snap.Close()
	l, err := apply.Filled(ctx, apply.TargetOf(snap.Mount), fill)
	if err != nil {
		return err
	}
	r, err := s.onto(ctx, parent, l.DiffID, l.FileBytes)
	if err != nil {
		return err
	}
	if err := commit(ctx, snap, r); err != nil {
		return err
	}
	st.finish(r)
	return nil
}
