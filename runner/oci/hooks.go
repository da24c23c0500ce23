package oci

import (
	"context"
	"errors"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"cove/network/devices"
	"cove/runner/oci/state"
	"cove/sandbox/hooks"
)

// mounted completes the container's namespaces, while its process waits before
// pivot_root.
func (c *container) mounted(ctx context.Context, pid int) error {
	if moved := c.Spec.Linux.NetDevices; len(moved) > 0 {
		names := map[string]string{}
		for name, d := range moved {
			names[name] = d.Name
		}
		if err := devices.Move(pid, names); err != nil {
			return err
		}
	}
	if c.Spec.Hooks == nil {
		return nil
	}
	return c.createHooks(ctx, pid)
}

// createHooks run after the namespaces and the mounts exist and before
// pivot_root; those of the container follow in its plan.
func (c *container) createHooks(ctx context.Context, pid int) error {
	c.hooked = true
	st := c.OCI(specs.StateCreating)
	st.Pid = pid
	//nolint:staticcheck // deprecated in the spec, and what people still configure
	if err := hooks.Run(ctx, "prestart", c.Spec.Hooks.Prestart, st); err != nil {
		return err
	}
	return hooks.Run(ctx, "createRuntime", c.Spec.Hooks.CreateRuntime, st)
}

// poststart runs when the program has been executed. If it fails, the container
// is to be stopped and removed, as after any hook before it (runtime.md,
// "Lifecycle", step 9).
func (c *container) poststart(ctx context.Context) error {
	if c.Spec.Hooks == nil {
		return nil
	}
	return hooks.Run(ctx, "poststart", c.Spec.Hooks.Poststart, c.OCI(state.Running))
}

// poststop runs all of its hooks when the container is gone. What fails is worth
// a warning and nothing else (step 13).
func (a *app) poststop(ctx context.Context, c *container) {
	if c.Spec.Hooks == nil {
		return
	}
	for i := range c.Spec.Hooks.Poststop {
		if err := hooks.RunOne(ctx, "poststop", c.Spec.Hooks.Poststop, i, c.OCI(state.Stopped)); err != nil {
			a.log.Warn(err.Error())
		}
	}
}

// failedHook reports whether err is a hook's failure.
func failedHook(err error) bool {
	_, ok := errors.AsType[*hooks.Error](err)
	return ok
}
