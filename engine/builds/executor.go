package builds

import (
	"context"
	"fmt"
	"os"
	"slices"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"cove/builder"
	"cove/engine/cdi"
	"cove/engine/machine"
	"cove/engine/rootfs"
	"cove/engine/runspec"
	"cove/layers/snapshot/overlay"
	"cove/network"
	"cove/runner"
	"cove/runner/record"
	"cove/sandbox/defaults"
)

// buildHostname is the same for every RUN, so that commands which write it
// down make the same layer again.
const buildHostname = "build"

// executor runs a build's RUN: a container like any other, without a record.
type executor struct {
	e         Engine
	resources record.Resources
	parent    string // of the control group
}

// Executor runs commands as the RUNs of builds are run.
func Executor(e Engine) builder.Executor { return executor{e: e} }

// Exec implements builder.Executor.
func (x executor) Exec(ctx context.Context, r builder.ExecRequest) error {
	if err := machine.CheckRuns(r.Platform); err != nil {
		return err
	}
	run, err := x.e.Runner()
	if err != nil {
		return err
	}
	spec, err := x.spec(ctx, r)
	if err != nil {
		return err
	}
	req := runner.RunRequest{
		ID: r.ID, Spec: spec, Root: r.Root,
		Network: network.Config{Mode: buildNetwork(r.Network), Hostname: buildHostname},
		Stdin:   r.Stdin, Stdout: r.Stdout, Stderr: r.Stderr, Sizes: r.Sizes,
	}
	for _, h := range r.Hosts {
		req.Network.ExtraHosts = append(req.Network.ExtraHosts, h.Name+":"+h.IP)
	}
	var status record.ExitStatus
	err = withMounts(ctx, spec, r.Mounts, func() (err error) {
		status, err = run.Run(ctx, req)
		return err
	})
	switch {
	case err != nil:
		return err
	case status.Error != "" && status.Code == 0:
		return fmt.Errorf("RUN: %s", status.Error)
	case status.Code != 0:
		return &builder.ExitError{Code: status.Code}
	}
	return nil
}

func buildNetwork(mode string) network.Mode {
	if mode == "default" {
		return network.Bridge
	}
	return network.Mode(mode)
}

func (x executor) spec(ctx context.Context, r builder.ExecRequest) (*specs.Spec, error) {
	who, err := rootfs.Account(ctx, r.Root, r.User)
	if err != nil {
		return nil, err
	}
	hostName, err := os.Hostname()
	if err != nil {
		return nil, err
	}
	o := runspec.Options{
		Command: r.Args, Env: r.Env, Workdir: r.Cwd, Hostname: buildHostname,
		Network:   string(buildNetwork(r.Network)),
		Security:  record.Security{Privileged: r.Insecure},
		Resources: x.resources, CgroupParent: x.parent,
	}
	facts, err := machine.Facts(o)
	if err != nil {
		return nil, err
	}
	facts.ID, facts.User = r.ID, who
	spec, err := runspec.Assemble(ocispec.ImageConfig{}, o, facts, hostName)
	if err != nil {
		return nil, err
	}
	// The host name is the sandbox's, and nothing for the command to write down.
	spec.Process.Env = slices.DeleteFunc(spec.Process.Env,
		func(kv string) bool { return kv == "HOSTNAME="+buildHostname })
	spec.Process.Terminal = r.Terminal
	for _, d := range r.Devices {
		if err := cdi.InjectMatching(spec, d.Name, d.Required, cdi.Dirs()); err != nil {
			return nil, err
		}
	}
	spec.Linux.Seccomp, err = runspec.SeccompProfile(o.Security, spec)
	return spec, err
}

// withMounts adds the RUN's mounts to the spec and calls fn. Overlays among
// them are mounted privately for that time, since a spec binds directories.
func withMounts(ctx context.Context, spec *specs.Spec, mounts []builder.ExecMount, fn func() error) error {
	if len(mounts) == 0 {
		return fn()
	}
	m := mounts[0]
	bind := func(source string) error {
		opts := []string{"rbind", "rprivate"}
		if m.Mount.ReadOnly {
			opts = append(opts, defaults.ReadOnly)
		}
		spec.Mounts = append(spec.Mounts,
			specs.Mount{Type: "bind", Source: source, Destination: m.Target, Options: opts})
		return withMounts(ctx, spec, mounts[1:], fn)
	}
	switch m.Mount.Type {
	case "tmpfs":
		spec.Mounts = append(spec.Mounts, specs.Mount{
			Type: "tmpfs", Source: "tmpfs", Destination: m.Target,
			Options: append([]string{"nosuid", "nodev"}, m.Mount.Options...),
		})
		return withMounts(ctx, spec, mounts[1:], fn)
	case "bind":
		return bind(m.Mount.Source)
	default:
		return overlay.With(ctx, m.Mount, bind)
	}
}
