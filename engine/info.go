package engine

import (
	"context"
	"net/netip"
	"os"
	"runtime"
	"strings"

	"cove/engine/cdi"
	"cove/engine/config"
	"cove/engine/containers/logging"
	"cove/engine/containers/runtimes"
	"cove/engine/dockertypes"
	"cove/engine/listing"
	"cove/engine/machine"
	"cove/internal/buildinfo"
	"cove/reference"
	"cove/runner/record"
	"cove/sandbox/host"
)

// Info describes the engine and its machine; what cannot be read is left empty.
func (e *Engine) Info(ctx context.Context) (dockertypes.Info, error) {
	info := dockertypes.Info{
		OSType: "linux", Architecture: machine.Architecture(), NCPU: runtime.NumCPU(), DockerRootDir: e.parts.Root,
		DefaultRuntime:  runtimes.Own,
		SecurityOptions: []string{"name=seccomp,profile=builtin", "name=cgroupns"},
		ServerVersion:   buildinfo.Number(), SystemTime: dockertypes.Stamp(e.parts.Now()),
		OperatingSystem: machine.OperatingSystem(),
		MemTotal:        machine.Memory(), KernelVersion: machine.Kernel(),
		DriverStatus: [][2]string{{"Root", e.parts.Root}},
		Plugins: dockertypes.Plugins{
			Volume: []string{"local"}, Network: []string{"bridge", "host", "ipvlan", "macvlan", "null"},
			Log: logging.Drivers(),
		},
		LoggingDriver: logging.Drivers()[0], IndexServerAddress: "https://index.docker.io/v1/",
		Labels: []string{}, Warnings: []string{}, CDISpecDirs: cdi.Dirs(),
		LiveRestoreEnabled: true, // nothing that is upgraded or restarted has containers under it
		InitBinary:         runtimes.Own, Swarm: dockertypes.Swarm{LocalNodeState: "inactive"},
		Runtimes: map[string]dockertypes.Runtime{},
	}
	if profile, err := machine.AppArmor().Profile("", false); err == nil && profile != "" {
		info.SecurityOptions = append([]string{"name=apparmor"}, info.SecurityOptions...)
	}
	if _, rootless := machine.Rootless(); rootless {
		info.SecurityOptions = append(info.SecurityOptions, "name=rootless")
	}
	info.Name, _ = os.Hostname()
	info.ID = info.Name
	known, err := e.parts.Known()
	if err != nil {
		return info, err
	}
	info.RegistryConfig = registryConfig(known)
	for _, name := range runtimes.Names(known) {
		path := name
		if configured := known.Runtimes[name].Path; configured != "" {
			path = configured
		}
		info.Runtimes[name] = dockertypes.Runtime{Path: path}
	}
	if f, err := host.Detect(); err == nil {
		machine.Controllers(&info, f.Cgroup)
	}
	if info.Driver, err = e.parts.Driver(); err != nil {
		return info, err
	}
	if err := e.countContainers(ctx, &info); err != nil {
		return info, err
	}
	store, err := e.parts.Images()
	if err != nil {
		return info, err
	}
	all, err := store.List(ctx)
	info.Images = len(all)
	return info, err
}

func registryConfig(known config.Registries) dockertypes.RegistryConfig {
	out := dockertypes.RegistryConfig{
		InsecureRegistryCIDRs: []string{"::1/128", "127.0.0.0/8"}, // this machine itself, always
		IndexConfigs:          map[string]dockertypes.IndexConfig{},
		Mirrors:               append([]string{}, known.Mirrors[reference.DefaultRegistry]...),
	}
	index := func(name string) dockertypes.IndexConfig {
		if c, ok := out.IndexConfigs[name]; ok {
			return c
		}
		return dockertypes.IndexConfig{
			Name: name, Mirrors: []string{}, Secure: true,
			Official: name == reference.DefaultRegistry,
		}
	}
	out.IndexConfigs[reference.DefaultRegistry] = index(reference.DefaultRegistry)
	for name, mirrors := range known.Mirrors {
		c := index(name)
		c.Mirrors = append(c.Mirrors, mirrors...)
		out.IndexConfigs[name] = c
	}
	for _, entry := range known.Insecure {
		if _, err := netip.ParsePrefix(entry); err == nil {
			out.InsecureRegistryCIDRs = append(out.InsecureRegistryCIDRs, entry)
			continue
		}
		name := strings.TrimRight(strings.TrimPrefix(strings.TrimPrefix(entry, "http://"), "https://"), "/")
		c := index(name)
		c.Secure = false
		out.IndexConfigs[name] = c
	}
	return out
}

func (e *Engine) countContainers(ctx context.Context, info *dockertypes.Info) error {
	all, err := e.Containers(ctx, listing.Filter{})
	if err != nil {
		return err
	}
	info.Containers = len(all)
	for _, c := range all {
		switch c.State.Status {
		case record.Running, record.Restarting:
			info.ContainersRunning++
		case record.Paused:
			info.ContainersPaused++
		default:
			info.ContainersStopped++
		}
	}
	return nil
}
