// Package dockertypes has docker's JSON shapes of containers, images, volumes and
// the engine, which scripts and tools read by key, and makes them from ours.
package dockertypes

import "time"

// Container is docker's `container inspect`.
type Container struct {
	ID              string `json:"Id"`
	Created         string
	Path            string
	Args            []string
	State           State
	Image           string
	ResolvConfPath  string
	HostnamePath    string
	HostsPath       string
	LogPath         string
	Name            string
	RestartCount    int
	Driver          string
	Platform        string
	MountLabel      string
	ProcessLabel    string
	AppArmorProfile string
	ExecIDs         []string
	HostConfig      HostConfig
	GraphDriver     GraphDriver
	SizeRw          *int64 `json:",omitempty"` // what it wrote, in bytes of files
	SizeRootFs      *int64 `json:",omitempty"` // that, and its image
	Mounts          []Mount
	Config          Config
	NetworkSettings NetworkSettings
}

// State is what became of a container.
type State struct {
	Status     string
	Running    bool
	Paused     bool
	Restarting bool
	OOMKilled  bool
	Dead       bool
	Pid        int
	ExitCode   int
	Error      string
	StartedAt  string
	FinishedAt string
	Health     *Health `json:",omitempty"`
}

// Health is what the checks of a container have told.
type Health struct {
	Status        string
	FailingStreak int
	Log           []HealthResult
}

// HealthResult is one check.
type HealthResult struct {
	Start, End time.Time
	ExitCode   int
	Output     string
}

// GraphDriver tells where a root filesystem is on disk.
type GraphDriver struct {
	Data map[string]string
	Name string
}

// Mount is a bind or volume that a container sees.
type Mount struct {
	Type        string
	Name        string `json:",omitempty"`
	Source      string
	Destination string
	Driver      string `json:",omitempty"`
	Mode        string
	RW          bool
	Propagation string
}

// HostConfig is what the container was given of the host.
type HostConfig struct {
	Binds                []string
	ContainerIDFile      string
	LogConfig            LogConfig
	NetworkMode          string
	PortBindings         map[string][]PortBinding
	RestartPolicy        RestartPolicy
	AutoRemove           bool
	VolumeDriver         string
	VolumesFrom          []string
	ConsoleSize          [2]uint
	CapAdd               []string
	CapDrop              []string
	CgroupnsMode         string
	DNS                  []string `json:"Dns"`
	DNSOptions           []string `json:"DnsOptions"`
	DNSSearch            []string `json:"DnsSearch"`
	ExtraHosts           []string
	GroupAdd             []string
	IpcMode              string
	Cgroup               string
	Links                []string
	OomScoreAdj          int
	PidMode              string
	Privileged           bool
	PublishAllPorts      bool
	ReadonlyRootfs       bool
	SecurityOpt          []string
	UTSMode              string
	UsernsMode           string
	ShmSize              int64
	Runtime              string
	Isolation            string
	CPUShares            int64 `json:"CpuShares"`
	Memory               int64
	NanoCPUs             int64 `json:"NanoCpus"`
	CgroupParent         string
	BlkioWeight          uint16
	BlkioWeightDevice    []WeightDevice
	BlkioDeviceReadBps   []ThrottleDevice
	BlkioDeviceWriteBps  []ThrottleDevice
	BlkioDeviceReadIOps  []ThrottleDevice
	BlkioDeviceWriteIOps []ThrottleDevice
	CPUPeriod            int64 `json:"CpuPeriod"`
	CPUQuota             int64 `json:"CpuQuota"`
	CPURealtimePeriod    int64 `json:"CpuRealtimePeriod"`
	CPURealtimeRuntime   int64 `json:"CpuRealtimeRuntime"`
	CpusetCpus           string
	CpusetMems           string
	Devices              []DeviceMapping
	DeviceCgroupRules    []string
	DeviceRequests       []DeviceRequest
	MemoryReservation    int64
	MemorySwap           int64
	MemorySwappiness     *int64
	OomKillDisable       *bool
	PidsLimit            *int64
	Ulimits              []Ulimit
	CPUCount             int64 `json:"CpuCount"`
	CPUPercent           int64 `json:"CpuPercent"`
	IOMaximumIOps        uint64
	IOMaximumBandwidth   uint64
	Mounts               []MountAsked      `json:",omitempty"`
	Tmpfs                map[string]string `json:",omitempty"`
	Sysctls              map[string]string `json:",omitempty"`
	MaskedPaths          []string
	ReadonlyPaths        []string
	Init                 *bool             `json:",omitempty"`
	Annotations          map[string]string `json:",omitempty"`
}

// MountAsked is a mount that was asked for in keys and values.
type MountAsked struct {
	Type          string
	Source        string `json:",omitempty"`
	Target        string
	ReadOnly      bool           `json:",omitempty"`
	BindOptions   *BindOptions   `json:",omitempty"`
	VolumeOptions *VolumeOptions `json:",omitempty"`
	ImageOptions  *ImageOptions  `json:",omitempty"`
}

// BindOptions are those of a path of the host, VolumeOptions those of a volume,
// ImageOptions those of an image.
type (
	ImageOptions struct {
		Subpath string `json:",omitempty"`
	}
	BindOptions struct {
		Propagation          string `json:",omitempty"`
		NonRecursive         bool   `json:",omitempty"`
		ReadOnlyNonRecursive bool   `json:",omitempty"`
	}
	VolumeOptions struct {
		NoCopy  bool   `json:",omitempty"`
		Subpath string `json:",omitempty"`
	}
)

// DeviceRequest asks for devices that are found by a driver: cdi names them in DeviceIDs,
// and GPUs are a capability, of which there are Count.
type DeviceRequest struct {
	Driver       string
	Count        int
	DeviceIDs    []string
	Capabilities [][]string
	Options      map[string]string
}

// DeviceMapping is a device of the host in the container.
type DeviceMapping struct{ PathOnHost, PathInContainer, CgroupPermissions string }

// WeightDevice is a weight, ThrottleDevice a limit, at one block device.
type (
	WeightDevice struct {
		Path   string
		Weight uint16
	}
	ThrottleDevice struct {
		Path string
		Rate uint64
	}
)

// Ulimit is one limit of setrlimit(2); -1 is none.
type Ulimit struct {
	Name       string
	Hard, Soft int64
}

// LogConfig says where output goes.
type LogConfig struct {
	Type   string
	Config map[string]string
}

// PortBinding is the host's end of a published port.
type PortBinding struct {
	HostIP   string `json:"HostIp"`
	HostPort string
}

// RestartPolicy says what happens when a container ends.
type RestartPolicy struct {
	Name              string
	MaximumRetryCount int
}

// Config is what does not depend on the host; an image has one too.
type Config struct {
	Hostname     string
	Domainname   string
	User         string
	AttachStdin  bool
	AttachStdout bool
	AttachStderr bool
	ExposedPorts map[string]struct{} `json:",omitempty"`
	Tty          bool
	OpenStdin    bool
	StdinOnce    bool
	Env          []string
	Cmd          []string
	Healthcheck  *Healthcheck `json:",omitempty"`
	Image        string
	Volumes      map[string]struct{}
	WorkingDir   string
	Entrypoint   []string
	OnBuild      []string
	Labels       map[string]string
	StopSignal   string   `json:",omitempty"`
	StopTimeout  *int     `json:",omitempty"`
	Shell        []string `json:",omitempty"`
}

// Healthcheck is an image's HEALTHCHECK.
type Healthcheck struct {
	Test          []string      `json:",omitempty"`
	Interval      time.Duration `json:",omitempty"`
	Timeout       time.Duration `json:",omitempty"`
	StartPeriod   time.Duration `json:",omitempty"`
	StartInterval time.Duration `json:",omitempty"`
	Retries       int           `json:",omitempty"`
}

// NetworkSettings is what a running container has of the network. The flat
// fields repeat the endpoint on the default bridge.
type NetworkSettings struct {
	Bridge                 string
	SandboxID              string
	SandboxKey             string
	Ports                  map[string][]PortBinding
	HairpinMode            bool
	LinkLocalIPv6Address   string
	LinkLocalIPv6PrefixLen int
	SecondaryIPAddresses   []string
	SecondaryIPv6Addresses []string
	EndpointID             string
	Gateway                string
	GlobalIPv6Address      string
	GlobalIPv6PrefixLen    int
	IPAddress              string
	IPPrefixLen            int
	IPv6Gateway            string
	MacAddress             string
	Networks               map[string]Endpoint
}

// Endpoint is a container's place in one network.
type Endpoint struct {
	IPAMConfig          *EndpointIPAM
	Links               []string
	Aliases             []string
	MacAddress          string
	NetworkID           string
	EndpointID          string
	Gateway             string
	IPAddress           string
	IPPrefixLen         int
	IPv6Gateway         string
	GlobalIPv6Address   string
	GlobalIPv6PrefixLen int
	DriverOpts          map[string]string
	DNSNames            []string
	GwPriority          int
}

// EndpointIPAM is the address that a container asked for.
type EndpointIPAM struct {
	IPv4Address  string   `json:",omitempty"`
	IPv6Address  string   `json:",omitempty"`
	LinkLocalIPs []string `json:",omitempty"`
}
