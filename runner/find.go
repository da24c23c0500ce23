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

func noSuch(ref string) error {
	return errdefs.Errorf(errdefs.ErrNotFound, "no such container: %s", ref)
}

func (r *Runner) find(ref string) (*Container, error) {
	if ref == "" {
		return nil, noSuch(ref)
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

func (r *Runner) load(id string) (*Container, error) {
	dir := record.Of(r.opts.Root, id)
	cfg, err := dir.Config()
	if errors.Is(err, errdefs.ErrNotFound) {
		return nil, errdefs.Errorf(errdefs.ErrNotFound, "no such container: %.12s", id)
	}
	if err != nil {
		return r.container(dir, cfg, cfg.Name), err
	}
	name, err := dir.Name()
	return r.container(dir, cfg, name), err
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
// left out.
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
		if errs[i] != nil {
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
