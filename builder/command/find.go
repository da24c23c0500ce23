package command

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"cove/builder/plan"
	"cove/errdefs"
)

// Finder has the secrets and agents of whoever asked for a build. One that it has
// not is errdefs.ErrNotFound, and an error only where the Dockerfile requires it.
type Finder interface {
	Secret(ctx context.Context, id string) ([]byte, error)
	Agent(ctx context.Context, id string) (Agent, error)
}

// Known are secrets and agents by their ids.
type Known struct {
	Secrets map[string][]byte
	Agents  map[string]Agent
}

// Find returns what is known with the secrets and agents that the graph mounts besides.
// They are asked for before anything runs, so that every log is searched for them.
func Find(ctx context.Context, from Finder, known Known, g *plan.Graph) (Known, error) {
	if from == nil {
		return known, nil
	}
	found := Known{Secrets: maps.Clone(known.Secrets), Agents: maps.Clone(known.Agents)}
	if found.Secrets == nil {
		found.Secrets = map[string][]byte{}
	}
	if found.Agents == nil {
		found.Agents = map[string]Agent{}
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
				err = ask(ctx, found.Secrets, m.ID, from.Secret)
			case "ssh":
				err = ask(ctx, found.Agents, m.ID, from.Agent)
			}
			if err != nil {
				return known, plan.At(v.Location, fmt.Errorf("%s %q: %w", m.Type, m.ID, err))
			}
		}
	}
	return found, nil
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
