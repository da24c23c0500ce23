package engine

import (
	"context"
	"errors"
	"slices"

	"cove/engine/listing"
	"cove/engine/stats"
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
	return r.Get(ctx, ref)
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

// Ports are the published ports of a container: all, or those at the ends asked
// for, as 80/tcp. An end that is not published is errdefs.ErrNotFound.
func (e *Engine) Ports(ctx context.Context, ref string, ends ...string) ([]listing.Port, error) {
	c, err := e.Container(ctx, ref)
	if err != nil {
		return nil, err
	}
	state, err := c.State(ctx)
	if err != nil {
		return nil, err
	}
	all := listing.Published(state)
	if len(ends) == 0 {
		return all, nil
	}
	var some []listing.Port
	for _, end := range ends {
		found := listing.At(all, end)
		if len(found) == 0 {
			return nil, errdefs.Errorf(errdefs.ErrNotFound, "container %s: port %s is not published", ref, end)
		}
		some = append(some, found...)
	}
	return some, nil
}

// Stats measures the containers named, or else all that run, and with stopped
// those too that do not: they use nothing. One that is named and is not there
// is errdefs.ErrNotFound.
func (e *Engine) Stats(ctx context.Context, refs []string, stopped bool) ([]stats.Sample, error) {
	named := len(refs) > 0
	if !named {
		all, err := e.Containers(ctx, listing.Filter{Running: !stopped})
		if err != nil {
			return nil, err
		}
		for _, c := range all {
			refs = append(refs, c.ID)
		}
	}
	var out []stats.Sample
	for _, ref := range refs {
		s, err := e.sample(ctx, ref, named || stopped)
		switch {
		case err == nil:
			out = append(out, s)
		case named || !errors.Is(err, errdefs.ErrConflict) && !errors.Is(err, errdefs.ErrNotFound):
			return nil, err // else it ended meanwhile
		}
	}
	return out, nil
}

// sample measures one container. One that does not run is errdefs.ErrConflict,
// unless stopped ones are wanted.
func (e *Engine) sample(ctx context.Context, ref string, stopped bool) (stats.Sample, error) {
	c, err := e.Container(ctx, ref)
	if err != nil {
		return stats.Sample{}, err
	}
	s, err := stats.Take(ctx, c)
	if stopped && errors.Is(err, errdefs.ErrConflict) {
		return stats.Sample{ID: c.ID(), Name: c.Name()}, nil
	}
	return s, err
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
