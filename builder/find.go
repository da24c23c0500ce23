package builder

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"cove/builder/command"
	"cove/builder/plan"
	"cove/errdefs"
)

// Finder has the secrets and agents of whoever asked for a build. One that it has
// not is errdefs.ErrNotFound, and an error only where the Dockerfile requires it.
type Finder interface {
	Secret(ctx context.Context, id string) ([]byte, error)
	Agent(ctx context.Context, id string) (command.Agent, error)
}

// find returns the request with the secrets and agents that the graph mounts.
// They are asked for before anything runs, so that every log is searched for them.
func (r Request) find(ctx context.Context, g *plan.Graph) (Request, error) {
	if r.Finder == nil {
		return r, nil
	}
	secrets, agents := maps.Clone(r.Secrets), maps.Clone(r.SSH)
	if secrets == nil {
		secrets = map[string][]byte{}
	}
	if agents == nil {
		agents = map[string]command.Agent{}
	}
	for _, v := range g.Vertices {
		op, ok := v.Op.(*plan.Run)
		if !ok {
			continue
		}
		for _, m := range op.Mounts {
			var err error
			switch m.Type {
			case "secret":
				err = ask(ctx, secrets, m.ID, r.Finder.Secret)
			case "ssh":
				err = ask(ctx, agents, m.ID, r.Finder.Agent)
			}
			if err != nil {
				return r, plan.At(v.Location, fmt.Errorf("%s %q: %w", m.Type, m.ID, err))
			}
		}
	}
	r.Secrets, r.SSH = secrets, agents
	return r, nil
}

// ask adds what is called id, unless it is there or there is none.
func ask[T any](
	ctx context.Context, have map[string]T, id string, find func(context.Context, string) (T, error),
) error {
	if _, ok := have[id]; ok {
		return nil
	}
	value, err := find(ctx, id)
	switch {
	case errors.Is(err, errdefs.ErrNotFound):
		return nil
	case err != nil:
		return err
	}
	have[id] = value
	return nil
}
