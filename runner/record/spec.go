package record

import (
	"encoding/json"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// linuxSpec is what a Linux container has of a specs.Spec. Before it reads one
// byte, encoding/json builds coders for every type that a struct can reach:
// leaving out the other platforms, and what few containers have until one has
// it, saves more than reading the file takes.
type linuxSpec struct {
	Version     string             `json:"ociVersion"`
	Process     *specs.Process     `json:"process,omitempty"`
	Root        *specs.Root        `json:"root,omitempty"`
	Hostname    string             `json:"hostname,omitempty"`
	Domainname  string             `json:"domainname,omitempty"`
	Mounts      []specs.Mount      `json:"mounts,omitempty"`
	Hooks       *rare[specs.Hooks] `json:"hooks,omitempty"`
	Annotations map[string]string  `json:"annotations,omitempty"`
	Linux       *linux             `json:"linux,omitempty"`
}

// linux is specs.Linux.
type linux struct {
	UIDMappings       []specs.LinuxIDMapping           `json:"uidMappings,omitempty"`
	GIDMappings       []specs.LinuxIDMapping           `json:"gidMappings,omitempty"`
	Sysctl            map[string]string                `json:"sysctl,omitempty"`
	Resources         *resources                       `json:"resources,omitempty"`
	CgroupsPath       string                           `json:"cgroupsPath,omitempty"`
	Namespaces        []specs.LinuxNamespace           `json:"namespaces,omitempty"`
	Devices           []specs.LinuxDevice              `json:"devices,omitempty"`
	NetDevices        map[string]specs.LinuxNetDevice  `json:"netDevices,omitempty"`
	Seccomp           *rare[specs.LinuxSeccomp]        `json:"seccomp,omitempty"`
	RootfsPropagation string                           `json:"rootfsPropagation,omitempty"`
	MaskedPaths       []string                         `json:"maskedPaths,omitempty"`
	ReadonlyPaths     []string                         `json:"readonlyPaths,omitempty"`
	MountLabel        string                           `json:"mountLabel,omitempty"`
	IntelRdt          *rare[specs.LinuxIntelRdt]       `json:"intelRdt,omitempty"`
	MemoryPolicy      *rare[specs.LinuxMemoryPolicy]   `json:"memoryPolicy,omitempty"`
	Personality       *rare[specs.LinuxPersonality]    `json:"personality,omitempty"`
	TimeOffsets       map[string]specs.LinuxTimeOffset `json:"timeOffsets,omitempty"`
}

// resources is specs.LinuxResources.
type resources struct {
	Devices        []specs.LinuxDeviceCgroup  `json:"devices,omitempty"`
	Memory         *rare[specs.LinuxMemory]   `json:"memory,omitempty"`
	CPU            *rare[specs.LinuxCPU]      `json:"cpu,omitempty"`
	Pids           *specs.LinuxPids           `json:"pids,omitempty"`
	BlockIO        *rare[specs.LinuxBlockIO]  `json:"blockIO,omitempty"`
	HugepageLimits []specs.LinuxHugepageLimit `json:"hugepageLimits,omitempty"`
	Network        *rare[specs.LinuxNetwork]  `json:"network,omitempty"`
	Rdma           map[string]specs.LinuxRdma `json:"rdma,omitempty"`
	Unified        map[string]string          `json:"unified,omitempty"`
}

// rare holds a T whose coder is built only when there is one.
type rare[T any] struct{ value *T }

func seldom[T any](v *T) *rare[T] {
	if v == nil {
		return nil
	}
	return &rare[T]{v}
}

func (r *rare[T]) get() *T {
	if r == nil {
		return nil
	}
	return r.value
}

// MarshalJSON writes the T.
func (r *rare[T]) MarshalJSON() ([]byte, error) { return json.Marshal(r.value) }

// UnmarshalJSON reads a T.
func (r *rare[T]) UnmarshalJSON(data []byte) error { return json.Unmarshal(data, &r.value) }

// DecodeSpec reads a runtime spec for Linux; what it says of other platforms
// is ignored.
func DecodeSpec(data []byte) (*specs.Spec, error) {
	var s linuxSpec
	if err := json.Unmarshal(data, &s); err != nil {
		return nil, err
	}
	return &specs.Spec{
		Version: s.Version, Process: s.Process, Root: s.Root, Hostname: s.Hostname, Domainname: s.Domainname,
		Mounts: s.Mounts, Hooks: s.Hooks.get(), Annotations: s.Annotations, Linux: s.Linux.spec(),
	}, nil
}

func (l *linux) spec() *specs.Linux {
	if l == nil {
		return nil
	}
	return &specs.Linux{
		UIDMappings: l.UIDMappings, GIDMappings: l.GIDMappings, Sysctl: l.Sysctl, Resources: l.Resources.spec(),
		CgroupsPath: l.CgroupsPath, Namespaces: l.Namespaces, Devices: l.Devices, NetDevices: l.NetDevices,
		Seccomp: l.Seccomp.get(), RootfsPropagation: l.RootfsPropagation, MaskedPaths: l.MaskedPaths,
		ReadonlyPaths: l.ReadonlyPaths, MountLabel: l.MountLabel, IntelRdt: l.IntelRdt.get(),
		MemoryPolicy: l.MemoryPolicy.get(), Personality: l.Personality.get(), TimeOffsets: l.TimeOffsets,
	}
}

func (r *resources) spec() *specs.LinuxResources {
	if r == nil {
		return nil
	}
	return &specs.LinuxResources{
		Devices: r.Devices, Memory: r.Memory.get(), CPU: r.CPU.get(), Pids: r.Pids, BlockIO: r.BlockIO.get(),
		HugepageLimits: r.HugepageLimits, Network: r.Network.get(), Rdma: r.Rdma, Unified: r.Unified,
	}
}

// EncodeSpec writes one.
func EncodeSpec(s *specs.Spec) ([]byte, error) {
	if s == nil {
		return []byte("null"), nil
	}
	return json.Marshal(linuxSpec{
		Version: s.Version, Process: s.Process, Root: s.Root, Hostname: s.Hostname, Domainname: s.Domainname,
		Mounts: s.Mounts, Hooks: seldom(s.Hooks), Annotations: s.Annotations, Linux: linuxOf(s.Linux),
	})
}

func linuxOf(l *specs.Linux) *linux {
	if l == nil {
		return nil
	}
	return &linux{
		UIDMappings: l.UIDMappings, GIDMappings: l.GIDMappings, Sysctl: l.Sysctl, Resources: resourcesOf(l.Resources),
		CgroupsPath: l.CgroupsPath, Namespaces: l.Namespaces, Devices: l.Devices, NetDevices: l.NetDevices,
		Seccomp: seldom(l.Seccomp), RootfsPropagation: l.RootfsPropagation, MaskedPaths: l.MaskedPaths,
		ReadonlyPaths: l.ReadonlyPaths, MountLabel: l.MountLabel, IntelRdt: seldom(l.IntelRdt),
		MemoryPolicy: seldom(l.MemoryPolicy), Personality: seldom(l.Personality), TimeOffsets: l.TimeOffsets,
	}
}

func resourcesOf(r *specs.LinuxResources) *resources {
	if r == nil {
		return nil
	}
	return &resources{
		Devices: r.Devices, Memory: seldom(r.Memory), CPU: seldom(r.CPU), Pids: r.Pids, BlockIO: seldom(r.BlockIO),
		HugepageLimits: r.HugepageLimits, Network: seldom(r.Network), Rdma: r.Rdma, Unified: r.Unified,
	}
}
