package runspec

import (
	"maps"
	"os"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"cove/runner/record"
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
	if len(o.Resources.Sysctls) > 0 && l.Sysctl == nil {
		l.Sysctl = map[string]string{}
	}
	maps.Copy(l.Sysctl, o.Resources.Sysctls)
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
	r.Memory = memory(o.Resources)
	if w := o.Resources.BlkioWeight; w > 0 {
		r.BlockIO = &specs.LinuxBlockIO{Weight: &w}
	}
	r.CPU = cpu(o.Resources)
	if p := o.Resources.PidsLimit; p > 0 {
		r.Pids = &specs.LinuxPids{Limit: &p}
	}
	return r
}

func memory(o record.Resources) *specs.LinuxMemory {
	m := &specs.LinuxMemory{Swappiness: o.MemorySwappiness}
	if o.Memory > 0 {
		swap := o.Swap()
		m.Limit, m.Swap = &o.Memory, &swap
	}
	if o.MemoryReservation > 0 {
		m.Reservation = &o.MemoryReservation
	}
	if o.OOMKillDisable {
		m.DisableOOMKiller = &o.OOMKillDisable
	}
	if *m == (specs.LinuxMemory{}) {
		return nil
	}
	return m
}

func cpu(o record.Resources) *specs.LinuxCPU {
	c := &specs.LinuxCPU{Cpus: o.Cpuset, Mems: o.Memset}
	period, quota := uint64(o.CPUPeriod), o.CPUQuota
	if o.NanoCPUs > 0 {
		period, quota = cpuPeriod, o.NanoCPUs*cpuPeriod/1e9
	}
	if period > 0 {
		c.Period = &period
	}
	if quota > 0 {
		c.Quota = &quota
	}
	if o.CPUShares > 0 {
		c.Shares = &o.CPUShares
	}
	if *c == (specs.LinuxCPU{}) {
		return nil
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
