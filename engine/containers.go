package engine

import (
	"context"
	"errors"
	"slices"

	"cove/engine/listing"
	"cove/errdefs"
	"cove/runner"
	"cove/runner/record"
)

// Container finds a container by name, id, or a prefix of its id. The errors
// are runner.Get's, in docker's words.
func (e *Engine) Container(ctx context.Context, ref string) (*runner.Container, error) {
	r, err := e.runner()
	if err != nil {
		return nil, err
	}
	c, err := r.Get(ctx, ref)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// Containers lists containers, newest first.
func (e *Engine) Containers(ctx context.Context, f listing.Filter) ([]listing.Container, error) {
	if err := f.Check(); err != nil {
		return nil, err
	}
	r, err := e.runner()
	if err != nil {
		return nil, err
	}
	all, err := r.All(ctx)
	if err != nil {
		return nil, err
	}
	var out []listing.Container
	for _, c := range all {
		s, err := listing.Of(ctx, c)
		if errors.Is(err, errdefs.ErrNotFound) {
			continue // removed meanwhile
		}
		if err != nil {
			return nil, err
		}
		if f.Matches(s) {
			out = append(out, s)
		}
		if f.Last > 0 && len(out) == f.Last {
			break
		}
	}
	return out, nil
}

// Remove deletes a container with its anonymous volumes when volumes is set.
// One that runs is errdefs.ErrConflict unless force.
func (e *Engine) Remove(ctx context.Context, ref string, force, volumes bool) error {
	c, err := e.Container(ctx, ref)
	if err != nil {
		return err
	}
	if err := c.Remove(ctx, force); err != nil {
		return err
	}
	names := record.Anonymous(c.Config().Mounts)
	if !volumes || len(names) == 0 {
		return nil
	}
	return e.unusedVolumes(ctx, func(users map[string][]string) error {
		unused := slices.DeleteFunc(slices.Clone(names), func(v string) bool { return len(users[v]) > 0 })
		return e.volumes().RemoveAnonymous(unused)
	})
}
