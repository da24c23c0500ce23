package task

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"cove/internal/leanjson"
	"cove/sandbox/check"
	"cove/sandbox/hooks"
)

// withBundle gives hooks, and the agent of a filter, the bundle that the runtime
// specification promises them, of a container that is none: its config.json, and a directory
// where its root is seen. Most containers have neither.
func withBundle(ctx context.Context, r Request, spec *specs.Spec) (Request, error) {
	told := spec.Hooks != nil || spec.Linux != nil && check.Notifies(spec.Linux.Seccomp)
	if !told || r.State.Bundle != "" || r.Files == "" {
		return r, nil
	}
	bundle := filepath.Join(r.Files, "bundle")
	root := specs.Root{Path: filepath.Join(bundle, "rootfs")}
	if spec.Root != nil {
		root.Readonly = spec.Root.Readonly
	}
	spec.Root = &root
	data, err := leanjson.Marshal(spec)
	if err == nil {
		config := filepath.Join(bundle, "config.json")
		err = errors.Join(os.MkdirAll(root.Path, 0o755), os.WriteFile(config, data, 0o644))
	}
	if err != nil {
		return r, fmt.Errorf("runner: a bundle for hooks: %w", err)
	}
	r.State = specs.State{
		Version: specs.Version, ID: r.ID, Status: specs.StateCreating, Bundle: bundle, Annotations: spec.Annotations,
	}
	if spec.Hooks == nil {
		return r, nil
	}
	r.OnMounted = func(pid int) error {
		st := r.State
		st.Pid = pid
		//nolint:staticcheck // deprecated, and still asked for
		if err := hooks.Run(ctx, "prestart", spec.Hooks.Prestart, st); err != nil {
			return err
		}
		return hooks.Run(ctx, "createRuntime", spec.Hooks.CreateRuntime, st)
	}
	return r, nil
}
