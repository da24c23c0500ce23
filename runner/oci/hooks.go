package oci

import (
	"context"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"cove/sandbox/hooks"
)

// createHooks run after the namespaces exist and before pivot_root: prestart
// and createRuntime on the host, createContainer in the container's namespaces.
func (c *container) createHooks(ctx context.Context, pid int) error {
	h := c.Spec.Hooks
	st := c.ociState("creating")
	st.Pid = pid
	//nolint:staticcheck // deprecated in the spec, and what people still configure
	for _, group := range [][]specs.Hook{h.Prestart, h.CreateRuntime} {
		if err := hooks.Run(ctx, group, st, 0); err != nil {
			return err
		}
	}
	return hooks.Run(ctx, h.CreateContainer, st, pid)
}

// startHooks run in the container, before its program.
func (c *container) startHooks(ctx context.Context) error {
	if c.Spec.Hooks == nil {
		return nil
	}
	return hooks.Run(ctx, c.Spec.Hooks.StartContainer, c.ociState(created), c.Pid)
}

// poststart and poststop may fail without consequence, as the spec says.
func (c *container) poststart(ctx context.Context) {
	if c.Spec.Hooks != nil {
		_ = hooks.Run(ctx, c.Spec.Hooks.Poststart, c.ociState(running), 0)
	}
}

func (c *container) poststop(ctx context.Context) {
	if c.Spec.Hooks != nil {
		for _, h := range c.Spec.Hooks.Poststop {
			_ = hooks.Run(ctx, []specs.Hook{h}, c.ociState(stopped), 0)
		}
	}
}
