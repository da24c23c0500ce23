package system

import (
	"net/http"

	"cove/engine/api/route"
	"cove/engine/api/wire"
	"cove/engine/dockertypes"
)

// info is docker's: the engine's own, and what else clients read of it.
type info struct {
	ID string
	dockertypes.Info
	DriverStatus       [][2]string
	Plugins            plugins
	MemoryLimit        bool
	SwapLimit          bool
	CPUCfsPeriod       bool `json:"CpuCfsPeriod"`
	CPUCfsQuota        bool `json:"CpuCfsQuota"`
	CPUShares          bool
	CPUSet             bool
	PidsLimit          bool
	IPv4Forwarding     bool
	OomKillDisable     bool
	Debug              bool
	NFd                int
	NGoroutines        int
	NEventsListener    int
	LoggingDriver      string
	CgroupDriver       string
	IndexServerAddress string
	HTTPProxy          string `json:"HttpProxy"`
	HTTPSProxy         string `json:"HttpsProxy"`
	NoProxy            string
	Labels             []string
	ExperimentalBuild  bool
	LiveRestoreEnabled bool
	Isolation          string
	InitBinary         string
	ContainerdCommit   commit
	RuncCommit         commit
	InitCommit         commit
	Swarm              swarm
	// Runtimes are by name here.
	Runtimes map[string]runtime
	Warnings []string
}

type plugins struct {
	Volume        []string
	Network       []string
	Authorization []string
	Log           []string
}

type commit struct{ ID string }

type runtime struct {
	Path string `json:"path"`
}

// swarm says that this is no node of one.
type swarm struct {
	NodeID           string
	NodeAddr         string
	LocalNodeState   string
	ControlAvailable bool
	Error            string
	RemoteManagers   []string
}

func (a *API) info(w http.ResponseWriter, r *route.Request) error {
	told, err := a.engine.Info(r.Context())
	if err != nil {
		return err
	}
	out := info{
		ID: told.Name, Info: told, DriverStatus: [][2]string{{"Root", told.DockerRootDir}},
		Plugins: plugins{
			Volume: []string{"local"}, Network: []string{"bridge", "host", "ipvlan", "macvlan", "null"},
			Log: []string{"json-file", "local", "none"},
		},
		MemoryLimit: true, SwapLimit: true, CPUCfsPeriod: true, CPUCfsQuota: true, CPUShares: true, CPUSet: true,
		PidsLimit: true, IPv4Forwarding: true, LoggingDriver: "json-file", CgroupDriver: "cgroupfs",
		IndexServerAddress: "https://index.docker.io/v1/", Labels: []string{}, LiveRestoreEnabled: true,
		InitBinary: "cove-runtime", Swarm: swarm{LocalNodeState: "inactive"}, Runtimes: map[string]runtime{},
		Warnings: []string{},
	}
	for _, name := range told.Runtimes {
		out.Runtimes[name] = runtime{Path: name}
	}
	return wire.JSON(w, http.StatusOK, out)
}
