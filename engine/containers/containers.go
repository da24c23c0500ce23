// Package containers is what is done to containers, by name: make one from an image,
// start, stop, watch, attach to and remove it.
package containers

import (
	"context"
	"errors"
	"slices"

	"cove/engine/listing"
	"cove/engine/parts"
	"cove/engine/stats"
	"cove/engine/uses"
	"cove/errdefs"
	"cove/runner"
	"cove/runner/record"
)

// Containers are the containers of one state root.
type Containers struct{ parts *parts.Parts }

// Of returns the containers that parts hold.
func Of(p *parts.Parts) *Containers { return &Containers{p} }

// Container finds a container by name, id, or a prefix of its id. The errors
// are runner.Get's, in docker's words.
func (cs *Containers) Container(ctx context.Context, ref string) (*runner.Container, error) {
	return cs.parts.Container(ctx, ref)
}

// Ports are the published ports of a container: all, or those at the ends asked
// for, as 80/tcp. An end that is not published is errdefs.ErrNotFound.
func (cs *Containers) Ports(ctx context.Context, ref string, ends ...string) ([]listing.Port, error) {
	c, err := cs.Container(ctx, ref)
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
func (cs *Containers) Stats(ctx context.Context, refs []string, stopped bool) ([]stats.Sample, error) {
	named := len(refs) > 0
	if !named {
		all, err := cs.Containers(ctx, listing.Filter{Running: !stopped})
		if err != nil {
			return nil, err
		}
		for _, c := range all {
			if c.Broken == nil {
				refs = append(refs, c.ID)
			}
		}
	}
	var out []stats.Sample
	for _, ref := range refs {
		s, err := cs.sample(ctx, ref, named || stopped)
		switch {
		case err == nil:
			if named {
				s.Ref = ref
			}
			out = append(out, s)
		case named || !errors.Is(err, errdefs.ErrConflict) && !errors.Is(err, errdefs.ErrNotFound):
			return nil, err // else it ended meanwhile
		}
	}
	return out, nil
}

// sample measures one container. One that does not run is errdefs.ErrConflict,
// unless stopped ones are wanted.
func (cs *Containers) sample(ctx context.Context, ref string, stopped bool) (stats.Sample, error) {
	c, err := cs.Container(ctx, ref)
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
func (cs *Containers) Remove(ctx context.Context, ref string, force, volumes bool) error {
	r, err := cs.parts.Runner()
	if err != nil {
		return err
	}
	c, err := r.Removable(ctx, ref)
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
	return uses.WhileNobodyBegins(ctx, cs.parts, func(users map[string][]string) error {
		unused := slices.DeleteFunc(slices.Clone(names), func(v string) bool {
			return len(users[v])+len(users[uses.Unknown]) > 0
		})
		return cs.parts.Volumes().RemoveAnonymous(unused)
	})
}
