package dockertypes

import "time"

// Info describes the engine and its machine, with the keys of docker's info.
type Info struct {
	Containers        int
	ContainersRunning int
	ContainersPaused  int
	ContainersStopped int
	Images            int
	Driver            string
	CgroupVersion     string
	KernelVersion     string
	OperatingSystem   string
	OSType            string
	Architecture      string
	NCPU              int
	MemTotal          int64
	Name              string
	DockerRootDir     string
	DefaultRuntime    string
	Runtimes          []string
	SecurityOptions   []string
	ServerVersion     string
	SystemTime        time.Time
	RegistryConfig    RegistryConfig
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
