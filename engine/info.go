package engine

import (
	"context"
	"net/netip"
	"os"
	"runtime"
	"strings"

	"cove/engine/config"
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
		ServerVersion:   buildinfo.Version(), SystemTime: e.parts.Now(), OperatingSystem: machine.OperatingSystem(),
		MemTotal: machine.Memory(), KernelVersion: machine.Kernel(),
	}
	if _, rootless := machine.Rootless(); rootless {
		info.SecurityOptions = append(info.SecurityOptions, "name=rootless")
	}
	info.Name, _ = os.Hostname()
	known, err := e.parts.Known()
	if err != nil {
		return info, err
	}
	info.RegistryConfig, info.Runtimes = registryConfig(known), runtimes.Names(known)
	if f, err := host.Detect(); err == nil {
		info.CgroupVersion = cgroupVersion(f.Cgroup.Mode)
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

// cgroupVersion is docker's name of what is mounted: where both are, as systemd's
// hybrid has it, the controllers are those of the first.
func cgroupVersion(m host.CgroupMode) string {
	switch m {
	case host.CgroupV2:
		return "2"
	case host.CgroupNone:
		return ""
	}
	return "1"
}
