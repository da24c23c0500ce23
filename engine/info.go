package engine

import (
	"context"
	"os"
	"runtime"
	"time"

	"cove/engine/listing"
	"cove/engine/machine"
	"cove/internal/buildinfo"
	"cove/runner"
	"cove/sandbox/host"
)

// Info describes the engine and its machine, with docker's keys.
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
}

// Info gathers it; what cannot be read is left empty.
func (e *Engine) Info(ctx context.Context) (Info, error) {
	info := Info{
		OSType: "linux", Architecture: machine.Architecture(), NCPU: runtime.NumCPU(), DockerRootDir: e.cfg.Root,
		DefaultRuntime: "cove-runtime", Runtimes: []string{"cove-runtime"},
		SecurityOptions: []string{"name=seccomp,profile=builtin", "name=cgroupns"},
		ServerVersion:   buildinfo.Version(), SystemTime: e.cfg.Now(), OperatingSystem: machine.OperatingSystem(),
		MemTotal: machine.Memory(), KernelVersion: machine.Kernel(),
	}
	info.Name, _ = os.Hostname()
	if f, err := host.Detect(); err == nil {
		info.CgroupVersion = f.Cgroup.Mode.String()
	}
	var err error
	if info.Driver, err = e.driver(); err != nil {
		return info, err
	}
	if err := e.countContainers(ctx, &info); err != nil {
		return info, err
	}
	store, err := e.images()
	if err != nil {
		return info, err
	}
	all, err := store.List(ctx)
	info.Images = len(all)
	return info, err
}

func (e *Engine) countContainers(ctx context.Context, info *Info) error {
	all, err := e.Containers(ctx, listing.Filter{})
	if err != nil {
		return err
	}
	info.Containers = len(all)
	for _, c := range all {
		switch c.State.Status {
		case runner.Running:
			info.ContainersRunning++
		case runner.Paused:
			info.ContainersPaused++
		default:
			info.ContainersStopped++
		}
	}
	return nil
}
