package runner

import (
	"context"
	"errors"
	"slices"

	"cove/errdefs"
	"cove/internal/limit"
	"cove/network"
	"cove/runner/life"
	"cove/runner/record"
)

// Brief is a container as lists show it: its config is record.Config.Brief, with the
// name that it was made with.
type Brief struct {
	Config record.Config
	Dir    record.Dir
	r      *Runner
}

// Briefs returns every container, newest first, without reading the whole of any. One
// that is removed meanwhile is left out.
func (r *Runner) Briefs(context.Context) ([]Brief, error) {
	found, err := r.ids()
	if err != nil {
		return nil, err
	}
	read, errs := make([]Brief, len(found)), make([]error, len(found))
	limit.ToCores(len(found), func(i int) {
		dir := record.Of(r.opts.Root, found[i])
		read[i] = Brief{Dir: dir, r: r}
		read[i].Config, errs[i] = dir.Brief()
	})
	all := make([]Brief, 0, len(found))
	for i, b := range read {
		switch {
		case errors.Is(errs[i], errdefs.ErrNotFound):
		case errs[i] != nil:
			return nil, errs[i]
		default:
			all = append(all, b)
		}
	}
	slices.SortFunc(all, func(a, b Brief) int { return b.Config.Created.Compare(a.Config.Created) })
	return all, nil
}

// State is Container.State: where something is to be put right, the container is read
// whole for it.
func (b Brief) State(ctx context.Context) (record.State, error) {
	st, settled, err := life.Of(b.r.life, b.Dir, b.Config, b.Config.Name).Peek(ctx)
	if err != nil || settled {
		return st, err
	}
	c, err := b.r.load(b.Dir.ID())
	if err != nil {
		return st, err
	}
	return c.State(ctx)
}

// Asked is the network that the container asks for now, with its present name.
func (b Brief) Asked() (network.Config, error) { return b.Dir.AskedNetwork(b.Config) }
