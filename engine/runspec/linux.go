package runspec

import (
	"os"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"cove/sandbox/defaults"
)

func linux(o Options, f Facts) *specs.Linux {
	l := &specs.Linux{
		Namespaces: namespaces(o),
		Resources:  resources(o),
	}
	if o.Network != "host" && !strings.HasPrefix(o.Network, "container:") {
		// Every port is unprivileged and everyone may ping: the network
		// namespace is the container's own.
		l.Sysctl = map[string]string{
			"net.ipv4.ip_unprivileged_port_start": "0",
			"net.ipv4.ping_group_range":           "0 2147483647",
		}
	}
	if o.Security.Privileged {
		l.Devices = hostDevices(f.HostDevices)
		return l
	}
	l.MaskedPaths, l.ReadonlyPaths = defaults.MaskedPaths(), defaults.ReadonlyPaths()
	return l
}

func namespaces(o Options) []specs.LinuxNamespace {
	ns := defaults.Namespaces()
	if o.Network == "host" {
		return slices.DeleteFunc(ns, func(n specs.LinuxNamespace) bool { return n.Type == specs.NetworkNamespace })
	}
	return ns
}

// cpuPeriod is the kernel's default scheduling period, in microseconds.
const cpuPeriod = 100_000

func resources(o Options) *specs.LinuxResources {
	r := &specs.LinuxResources{Devices: defaults.DeviceRules()}
	if o.Security.Privileged {
		r.Devices = []specs.LinuxDeviceCgroup{{Allow: true, Access: "rwm"}}
	}
	if m := o.Resources.Memory; m > 0 {
		// Memory with swap is twice the memory, as docker's default is.
		swap := 2 * m
		r.Memory = &specs.LinuxMemory{Limit: &m, Swap: &swap}
	}
	r.CPU = cpu(o.Resources)
	if p := o.Resources.PidsLimit; p > 0 {
		r.Pids = &specs.LinuxPids{Limit: &p}
	}
	return r
}

func cpu(o Resources) *specs.LinuxCPU {
	if o.NanoCPUs == 0 && o.CPUShares == 0 && o.Cpuset == "" {
		return nil
	}
	c := &specs.LinuxCPU{Cpus: o.Cpuset}
	if o.NanoCPUs > 0 {
		period := uint64(cpuPeriod)
		quota := o.NanoCPUs * cpuPeriod / 1e9
		c.Period, c.Quota = &period, &quota
	}
	if o.CPUShares > 0 {
		c.Shares = &o.CPUShares
	}
	return c
}

func hostDevices(devices []Device) []specs.LinuxDevice {
	var out []specs.LinuxDevice
	for _, d := range devices {
		mode := os.FileMode(d.Mode)
		out = append(out, specs.LinuxDevice{
			Path: d.Path, Type: d.Type, Major: d.Major, Minor: d.Minor,
			FileMode: &mode, UID: &d.UID, GID: &d.GID,
		})
	}
	return out
}
