package runner

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"slices"
	"strings"

	"cove/errdefs"
	"cove/internal/ids"
	"cove/internal/limit"
	"cove/runner/record"
)

// Get finds a container by its name, its ID, or a prefix of its ID. No match is
// errdefs.ErrNotFound, more than one errdefs.ErrConflict. What is found is
// reconciled, as [Container.State] does it.
func (r *Runner) Get(ctx context.Context, ref string) (*Container, error) {
	c, err := r.find(ref)
	if err != nil {
		return nil, err
	}
	if _, err := c.State(ctx); errors.Is(err, errdefs.ErrNotFound) {
		return nil, noSuch(ref)
	}
	return c, nil
}

// Removable is Get, also of a container of which not all can be read.
func (r *Runner) Removable(ctx context.Context, ref string) (*Container, error) {
	if c, err := r.find(ref); errors.Is(err, errdefs.ErrCorrupt) {
		return c, nil
	}
	return r.Get(ctx, ref)
}

func noSuch(ref string) error {
	return errdefs.Errorf(errdefs.ErrNotFound, "No such container: %s", ref)
}

func (r *Runner) find(ref string) (*Container, error) {
	if ref == "" {
		return nil, errdefs.Errorf(errdefs.ErrNotFound, "invalid container name or ID: value is empty")
	}
	if ids.Valid(ref) {
		return r.load(ref)
	}
	if validName(ref) == nil {
		if id, ok := record.Lookup(r.opts.Root, ref); ok {
			if c, err := r.load(id); err == nil || !errors.Is(err, errdefs.ErrNotFound) {
				return c, err
			}
		}
	}
	matches, err := r.ids()
	if err != nil {
		return nil, err
	}
	matches = slices.DeleteFunc(matches, func(id string) bool { return !strings.HasPrefix(id, ref) })
	switch len(matches) {
	case 0:
		return nil, noSuch(ref)
	case 1:
		return r.load(matches[0])
	}
	return nil, errdefs.Errorf(errdefs.ErrConflict,
		"%q is ambiguous: %d containers have an ID that begins so; give more digits", ref, len(matches))
}

// load reads a container. With errdefs.ErrCorrupt it is what could be read of it, which is
// enough to remove it.
func (r *Runner) load(id string) (*Container, error) {
	dir := record.Of(r.opts.Root, id)
	cfg, name, err := dir.Kept()
	if errors.Is(err, errdefs.ErrNotFound) {
		return nil, errdefs.Errorf(errdefs.ErrNotFound, "No such container: %.12s", id)
	}
	c := r.container(dir, cfg, name)
	c.broken = err
	return c, err
}

func (r *Runner) ids() ([]string, error) {
	entries, err := os.ReadDir(record.Containers(r.opts.Root))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("listing containers: %w", err)
	}
	var found []string
	for _, e := range entries {
		if ids.Valid(e.Name()) {
			found = append(found, e.Name())
		}
	}
	return found, nil
}

// All returns every container, newest first. One that is removed meanwhile is
// left out; of one that cannot be read [Container.Broken] tells.
func (r *Runner) All(ctx context.Context) ([]*Container, error) {
	found, err := r.ids()
	if err != nil {
		return nil, err
	}
	loaded, errs := make([]*Container, len(found)), make([]error, len(found))
	limit.ToCores(len(found), func(i int) { loaded[i], errs[i] = r.load(found[i]) })
	all := make([]*Container, 0, len(found))
	for i, c := range loaded {
		if errors.Is(errs[i], errdefs.ErrNotFound) {
			continue
		}
		if errs[i] != nil && !errors.Is(errs[i], errdefs.ErrCorrupt) {
			return nil, errs[i]
		}
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b *Container) int { return b.Config().Created.Compare(a.Config().Created) })
	return all, nil
}

// Roots yields what containers keep from being collected: "snapshot/"+key for
// snapshots, and image config digests as they are.
func (r *Runner) Roots(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		all, err := r.All(ctx)
		if err != nil {
			yield("", err)
			return
		}
		for _, c := range all {
			if c.Broken() != nil && c.Config().ImageID == "" {
				yield("", fmt.Errorf("what a container keeps is not known: %w", c.Broken()))
				return
			}
			if c.Config().SnapshotKey != "" && !yield("snapshot/"+c.Config().SnapshotKey, nil) {
				return
			}
			if c.Config().ImageID != "" && !yield(c.Config().ImageID, nil) {
				return
			}
			for _, m := range c.Config().Mounts {
				if m.Type == record.MountImage && (!yield("snapshot/"+m.Snapshot, nil) || !yield(m.ImageID, nil)) {
					return
				}
			}
		}
	}
}
