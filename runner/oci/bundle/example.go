package bundle

import (
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"golang.org/x/sys/unix"

	"cove/sandbox/defaults"
)

// Example is a spec to begin with: a shell at a terminal, in a read-only root beside
// the config, with few rights. Where the host has control groups of version 1 there is no
// namespace of them, as in runc's: the groups' own names are seen.
func Example() *specs.Spec {
	namespaces := defaults.Namespaces()
	var groups unix.Statfs_t
	if err := unix.Statfs("/sys/fs/cgroup", &groups); err != nil || groups.Type != unix.CGROUP2_SUPER_MAGIC {
		namespaces = slices.DeleteFunc(namespaces, func(ns specs.LinuxNamespace) bool {
			return ns.Type == specs.CgroupNamespace
		})
	}
	caps := []string{"CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"}
	return &specs.Spec{
		Version: SpecVersion,
		Process: &specs.Process{
			Terminal: true,
			Args:     []string{"sh"},
			Env:      []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"},
			Cwd:      "/",
			Capabilities: &specs.LinuxCapabilities{
				Bounding: caps, Effective: caps, Permitted: caps,
			},
			Rlimits:         []specs.POSIXRlimit{{Type: "RLIMIT_NOFILE", Hard: 1024, Soft: 1024}},
			NoNewPrivileges: true,
		},
		Root:     &specs.Root{Path: "rootfs", Readonly: true},
		Hostname: "cove",
		Mounts:   defaults.Mounts(),
		Linux: &specs.Linux{
			Resources:     &specs.LinuxResources{Devices: []specs.LinuxDeviceCgroup{{Allow: false, Access: "rwm"}}},
			Namespaces:    namespaces,
			MaskedPaths:   defaults.MaskedPaths(),
			ReadonlyPaths: defaults.ReadonlyPaths(),
		},
	}
}

// Rootless changes a spec for somebody without rights on the host: root of the
// container is uid and gid, its network is the host's, it has no limits, and mounts
// need neither other ids nor a sysfs of its own.
func Rootless(spec *specs.Spec, uid, gid int) {
	spec.Mounts = slices.DeleteFunc(spec.Mounts, func(m specs.Mount) bool {
		return m.Destination == "/sys" || strings.HasPrefix(m.Destination, "/sys/")
	})
	for i := range spec.Mounts {
		spec.Mounts[i].Options = slices.DeleteFunc(spec.Mounts[i].Options, func(o string) bool {
			return strings.HasPrefix(o, "uid=") || strings.HasPrefix(o, "gid=")
		})
	}
	spec.Mounts = append(spec.Mounts, specs.Mount{
		Destination: "/sys", Type: "bind", Source: "/sys",
		Options: []string{"rbind", "nosuid", "noexec", "nodev", "ro"},
	})
	spec.Linux.Namespaces = slices.DeleteFunc(spec.Linux.Namespaces, func(ns specs.LinuxNamespace) bool {
		return ns.Type == specs.NetworkNamespace || ns.Type == specs.CgroupNamespace
	})
	spec.Linux.Namespaces = append(spec.Linux.Namespaces, specs.LinuxNamespace{Type: specs.UserNamespace})
	spec.Linux.UIDMappings = []specs.LinuxIDMapping{{ContainerID: 0, HostID: uint32(uid), Size: 1}}
	spec.Linux.GIDMappings = []specs.LinuxIDMapping{{ContainerID: 0, HostID: uint32(gid), Size: 1}}
	spec.Linux.Resources = nil
}
