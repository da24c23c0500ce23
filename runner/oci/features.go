package oci

import (
	"context"

	"github.com/opencontainers/runtime-spec/specs-go/features"

	"cove/runner/oci/bundle"
	"cove/sandbox/defaults"
	"cove/sandbox/plan"
	"cove/sandbox/seccomp"
)

// features is the command: what the spec's features.md asks for.
func (a *app) features(ctx context.Context, args []string) (int, error) {
	if _, err := a.parse(flags("features"), args, 0, 0); err != nil {
		return 1, err
	}
	yes, no := true, false
	modes, memoryFlags := plan.MemoryPolicies()
	return 0, a.json(features.Features{
		OCIVersionMin: "1.0.0", OCIVersionMax: bundle.SpecVersion,
		Hooks: []string{
			"prestart", "createRuntime", "createContainer", "startContainer", "poststart",
			"poststop",
		},
		MountOptions: plan.MountOptions(),
		Linux: &features.Linux{
			Namespaces:      []string{"cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"},
			Capabilities:    defaults.AllCapabilities(),
			Cgroup:          &features.Cgroup{V1: &yes, V2: &yes, Systemd: &yes, SystemdUser: &no},
			Seccomp:         seccomp.Features(plan.SeccompFlags()),
			Apparmor:        &features.Apparmor{Enabled: &yes},
			Selinux:         &features.Selinux{Enabled: &no},
			IntelRdt:        &features.IntelRdt{Enabled: &no, Schemata: &no, Monitoring: &no},
			MemoryPolicy:    &features.MemoryPolicy{Modes: modes, Flags: memoryFlags},
			MountExtensions: &features.MountExtensions{IDMap: &features.IDMap{Enabled: &yes}},
			NetDevices:      &features.NetDevices{Enabled: &yes},
		},
	})
}
