package runspec

import (
	"maps"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"cove/layers/mount"
	"cove/runner/record"
	"cove/sandbox/defaults"
)

func linux(o Options, f Facts) (*specs.Linux, error) {
	r, err := resources(o, f)
	if err != nil {
		return nil, err
	}
	l := &specs.Linux{Namespaces: namespaces(o), Resources: r, Devices: devices(f.Devices)}
	if !f.IDMap.IsZero() {
		l.Namespaces = append(l.Namespaces, specs.LinuxNamespace{Type: specs.UserNamespace})
		l.UIDMappings, l.GIDMappings = mappings(f.IDMap.UIDs), mappings(f.IDMap.GIDs)
	}
	if o.CgroupParent != "" {
		l.CgroupsPath = path.Join("/", o.CgroupParent, f.ID)
	}
	if o.Network != "host" && !strings.HasPrefix(o.Network, "container:") {
		// Every port is unprivileged and everyone may ping: the network
		// namespace is the container's own.
		l.Sysctl = map[string]string{
			"net.ipv4.ip_unprivileged_port_start": "0",
			"net.ipv4.ping_group_range":           "0 " + strconv.FormatUint(uint64(lastGroup(f)), 10),
		}
	}
	if len(o.Resources.Sysctls) > 0 && l.Sysctl == nil {
		l.Sysctl = map[string]string{}
	}
	maps.Copy(l.Sysctl, o.Resources.Sysctls)
	if !o.Security.Privileged {
		l.MaskedPaths = pathsOr(o.MaskedPaths, defaults.MaskedPaths)
		l.ReadonlyPaths = pathsOr(o.ReadonlyPaths, defaults.ReadonlyPaths)
	}
	return l, nil
}

func pathsOr(asked *[]string, otherwise func() []string) []string {
	if asked == nil {
		return otherwise()
	}
	return *asked
}

func mappings(ranges []mount.IDRange) []specs.LinuxIDMapping {
	var out []specs.LinuxIDMapping
	for _, r := range ranges {
		out = append(out, specs.LinuxIDMapping{ContainerID: r.Inside, HostID: r.Outside, Size: r.Size})
	}
	return out
}

// lastGroup is the greatest group that the container knows: the kernel takes no
// other in its settings.
func lastGroup(f Facts) uint32 {
	last := min(f.Groups-1, math.MaxInt32) // with no number the greatest there can be
	for i, r := range f.IDMap.GIDs {
		if end := r.Inside + r.Size - 1; i == 0 || end > last {
			last = end
		}
	}
	return last
}

func namespaces(o Options) []specs.LinuxNamespace {
	shared := map[specs.LinuxNamespaceType]bool{
		specs.NetworkNamespace: o.Network == "host",
		specs.PIDNamespace:     o.Shared.PID == record.Host,
		specs.IPCNamespace:     o.Shared.IPC == record.Host,
		specs.UTSNamespace:     o.Shared.UTS == record.Host,
		specs.CgroupNamespace:  o.Shared.Cgroup == record.Host,
	}
	return slices.DeleteFunc(defaults.Namespaces(), func(n specs.LinuxNamespace) bool { return shared[n.Type] })
}

// cpuPeriod is the kernel's default scheduling period, in microseconds.
const cpuPeriod = 100_000

func resources(o Options, f Facts) (*specs.LinuxResources, error) {
	rules, err := deviceRules(o, f)
	if err != nil {
		return nil, err
	}
	r := &specs.LinuxResources{
		Devices: rules, Memory: memory(o.Resources), BlockIO: blockIO(o.Resources, f.Blocks), CPU: cpu(o.Resources),
	}
	if p := o.Resources.PidsLimit; p != 0 {
		r.Pids = &specs.LinuxPids{Limit: &p}
	}
	return r, nil
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
	if quota != 0 {
		c.Quota = &quota
	}
	if o.CPUShares > 0 {
		c.Shares = &o.CPUShares
	}
	if o.CPURealtimePeriod > 0 {
		period := uint64(o.CPURealtimePeriod)
		c.RealtimePeriod = &period
	}
	if o.CPURealtimeRuntime > 0 {
		c.RealtimeRuntime = &o.CPURealtimeRuntime
	}
	if *c == (specs.LinuxCPU{}) {
		return nil
	}
	return c
}
