package dockertypes

// Info describes the engine and its machine, with the keys of docker's info.
type Info struct {
	ID                 string
	Containers         int
	ContainersRunning  int
	ContainersPaused   int
	ContainersStopped  int
	Images             int
	Driver             string
	DriverStatus       [][2]string
	Plugins            Plugins
	MemoryLimit        bool
	SwapLimit          bool
	CPUCfsPeriod       bool `json:"CpuCfsPeriod"`
	CPUCfsQuota        bool `json:"CpuCfsQuota"`
	CPUShares          bool
	CPUSet             bool
	PidsLimit          bool
	IPv4Forwarding     bool
	Debug              bool
	NFd                int
	OomKillDisable     bool
	NGoroutines        int
	SystemTime         string
	LoggingDriver      string
	CgroupDriver       string
	CgroupVersion      string `json:",omitempty"`
	NEventsListener    int
	KernelVersion      string
	OperatingSystem    string
	OSVersion          string
	OSType             string
	Architecture       string
	IndexServerAddress string
	RegistryConfig     RegistryConfig
	NCPU               int
	MemTotal           int64
	DockerRootDir      string
	HTTPProxy          string `json:"HttpProxy"`
	HTTPSProxy         string `json:"HttpsProxy"`
	NoProxy            string
	Name               string
	Labels             []string
	ExperimentalBuild  bool
	ServerVersion      string
	Runtimes           map[string]Runtime
	DefaultRuntime     string
	Swarm              Swarm
	LiveRestoreEnabled bool
	Isolation          string
	InitBinary         string
	ContainerdCommit   Commit
	RuncCommit         Commit
	InitCommit         Commit
	SecurityOptions    []string
	CDISpecDirs        []string
	Warnings           []string
}

// Plugins are the drivers there are, by what they are for.
type Plugins struct {
	Volume        []string
	Network       []string
	Authorization []string
	Log           []string
}

// Runtime is an OCI runtime.
type Runtime struct {
	Path string `json:"path"`
}

// Commit is the version of a program that docker would execute.
type Commit struct{ ID string }

// Swarm says that this is no node of one.
type Swarm struct {
	NodeID           string
	NodeAddr         string
	LocalNodeState   string
	ControlAvailable bool
	Error            string
	RemoteManagers   []string
}

// RegistryConfig is what is configured of registries, in docker's shape.
type RegistryConfig struct {
	InsecureRegistryCIDRs []string
	// IndexConfigs are the registries of which something is said, by name.
	IndexConfigs map[string]IndexConfig
	// Mirrors are those of docker.io.
	Mirrors []string
}

// IndexConfig is one registry.
type IndexConfig struct {
	Name     string
	Mirrors  []string
	Secure   bool
	Official bool
}
