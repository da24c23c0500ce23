package oci

import (
	"context"
	"errors"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"cove/runner/oci/state"
	"cove/runner/task"
	"cove/sandbox/cgroup"
)

// container is a container, and what one invocation does with it.
type container struct {
	*state.Container
	hooked bool // hooks have been run
}

func (a *app) store() state.Store { return state.Store{Root: a.root} }

// load reads a container; one that is not there is errdefs.ErrNotFound.
func (a *app) load(id string) (*container, error) {
	c, err := a.store().Load(id)
	return &container{Container: c}, err
}

// destroy removes what the runtime keeps, after the process has ended.
func (a *app) destroy(ctx context.Context, c *container, g *cgroup.Group) error {
	var errs []error
	if !task.Has(c.Spec, specs.PIDNamespace) {
		errs = append(errs, g.Kill(ctx)) // processes that do not end with the first may be left
	}
	errs = append(errs, g.Delete(ctx), c.SharedRoot.Unmount(), c.Remove())
	a.poststop(ctx, c)
	return errors.Join(errs...)
}
