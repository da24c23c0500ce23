// Package runspec turns an image's config and a user's options into an OCI
// runtime spec, with docker's defaults and merge rules.
//
// It is pure: what depends on the machine (the account a USER names, the
// directory of a volume, the files bound over /etc) is handed in resolved, so
// that golden files can say what `run` with some flags asks of the runner.
package runspec

import "cove/network/publish"

// Options is what a user asks of one container beyond what its image says. It
// is kept with the container, as JSON, so that inspect can show it again.
type Options struct {
	// Image is the name as it was typed.
	Image string `json:"image"`
	// Command replaces the image's Cmd when it is not empty.
	Command []string `json:"command,omitempty"`
	// Entrypoint replaces the image's, and drops its Cmd, when it is not nil;
	// empty means none.
	Entrypoint []string `json:"entrypoint,omitzero"`
	// Env are KEY=VALUE; a bare KEY removes what the image sets.
	Env []string `json:"env,omitempty"`
	// User is as in USER: name, uid, name:group, uid:gid.
	User     string `json:"user,omitempty"`
	Workdir  string `json:"workdir,omitempty"`
	Hostname string `json:"hostname,omitempty"`
	TTY      bool   `json:"tty,omitempty"`
	Stdin    bool   `json:"stdin,omitempty"`
	ReadOnly bool   `json:"readOnly,omitempty"`

	Labels map[string]string `json:"labels,omitempty"`

	Volumes []Volume `json:"volumes,omitempty"`

	// Network is "bridge" (or ""), "none", "host" or "container:ID".
	Network  string         `json:"network,omitempty"`
	Ports    []publish.Port `json:"ports,omitempty"`
	DNS      []string       `json:"dns,omitempty"`
	AddHosts []Host         `json:"addHosts,omitempty"`

	Security  Security  `json:"security,omitzero"`
	Resources Resources `json:"resources,omitzero"`
	Tmpfs     []Tmpfs   `json:"tmpfs,omitempty"`

	// StopSignal replaces the image's; StopTimeout is in seconds, nil means
	// the default of 10.
	StopSignal  string `json:"stopSignal,omitempty"`
	StopTimeout *int   `json:"stopTimeout,omitempty"`
}

// Host is a line of /etc/hosts.
type Host struct {
	Name string `json:"name"`
	IP   string `json:"ip"`
}

// Security says how far the container is held.
type Security struct {
	Privileged      bool     `json:"privileged,omitempty"`
	CapAdd          []string `json:"capAdd,omitempty"`
	CapDrop         []string `json:"capDrop,omitempty"`
	NoNewPrivileges bool     `json:"noNewPrivileges,omitempty"`
	// Seccomp is "" for the default profile, "unconfined", or a profile in
	// docker's JSON.
	Seccomp string `json:"seccomp,omitempty"`
}

// Resources are the limits; zero is no limit.
type Resources struct {
	Memory int64 `json:"memory,omitempty"` // bytes
	// MemorySwap is memory and swap together, in bytes: 0 is twice the memory,
	// -1 no limit.
	MemorySwap        int64   `json:"memorySwap,omitempty"`
	MemoryReservation int64   `json:"memoryReservation,omitempty"` // bytes
	MemorySwappiness  *uint64 `json:"memorySwappiness,omitempty"`  // 0 to 100
	OOMKillDisable    bool    `json:"oomKillDisable,omitempty"`
	OOMScoreAdj       int     `json:"oomScoreAdj,omitempty"`
	NanoCPUs          int64   `json:"nanoCPUs,omitempty"`  // 1e9 is one CPU
	CPUPeriod         int64   `json:"cpuPeriod,omitempty"` // µs; 0 is the kernel's
	CPUQuota          int64   `json:"cpuQuota,omitempty"`  // µs of each period
	// CPUShares is the weight beside other containers; the kernel's is 1024.
	CPUShares uint64 `json:"cpuShares,omitempty"`
	// Cpuset is which processors it may run on, as 0-3,6; Memset which memory
	// nodes it may use.
	Cpuset      string `json:"cpuset,omitempty"`
	Memset      string `json:"memset,omitempty"`
	BlkioWeight uint16 `json:"blkioWeight,omitempty"` // 10 to 1000
	PidsLimit   int64  `json:"pidsLimit,omitempty"`
	ShmSize     int64  `json:"shmSize,omitempty"` // bytes of /dev/shm; 0 is 64 MiB
	// Ulimits are those of setrlimit(2), Sysctls the kernel's parameters of the
	// container's namespaces.
	Ulimits []Ulimit          `json:"ulimits,omitempty"`
	Sysctls map[string]string `json:"sysctls,omitempty"`
}

// Ulimit is one of setrlimit(2), Name as in ulimit: nofile, core.
type Ulimit struct {
	Name       string
	Soft, Hard int64 // -1 is no limit
}

// Swap is the limit of memory and swap together that the container gets: 0 for
// none set, -1 for none at all.
func (r Resources) Swap() int64 {
	if r.MemorySwap == 0 {
		return 2 * r.Memory // as docker's default is
	}
	return r.MemorySwap
}

// Tmpfs is an empty filesystem in memory, mounted at Target.
type Tmpfs struct {
	Target  string   `json:"target"`
	Options []string `json:"options,omitempty"` // as size=64m, mode=1777
}

// Bind is a directory or file of the host, already resolved, seen at Target.
type Bind struct {
	Source      string
	Target      string
	ReadOnly    bool
	Propagation string // "" is rprivate
}

// User is an account resolved in the container's own /etc/passwd.
type User struct {
	UID, GID uint32
	Groups   []uint32
	Home     string
}

// Facts is what the machine adds to image and options.
type Facts struct {
	ID   string // the container's
	User User
	// Binds come after the default mounts; a bind on the target of a default
	// mount replaces it.
	Binds []Bind
	// HostDevices are all devices of the host, for a privileged container.
	HostDevices []Device
	// HostCaps are the capabilities this process may hand on; nil is all.
	HostCaps []string
}

// Device is a device node of the host.
type Device struct {
	Path         string
	Type         string // "c" or "b"
	Major, Minor int64
	Mode         uint32
	UID, GID     uint32
}
