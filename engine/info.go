package engine

import (
	"bufio"
	"context"
	"os"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"cove/internal/buildinfo"
	"cove/runner"
	"cove/runner/host"
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
		OSType: "linux", Architecture: machine(), NCPU: runtime.NumCPU(), DockerRootDir: e.cfg.Root,
		DefaultRuntime: "cove-runtime", Runtimes: []string{"cove-runtime"},
		SecurityOptions: []string{"name=seccomp,profile=builtin", "name=cgroupns"},
		ServerVersion:   buildinfo.Version(), SystemTime: e.cfg.Now(), OperatingSystem: osName(),
	}
	info.Name, _ = os.Hostname()
	var si unix.Sysinfo_t
	if unix.Sysinfo(&si) == nil {
		info.MemTotal = int64(si.Totalram) * int64(si.Unit)
	}
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		info.KernelVersion = unix.ByteSliceToString(u.Release[:])
	}
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
	all, err := e.Containers(ctx, Filter{})
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

// machine is the architecture as uname says it.
func machine() string {
	switch runtime.GOARCH {
	case "amd64":
		return "x86_64"
	case "arm64":
		return "aarch64"
	}
	return runtime.GOARCH
}

func osName() string {
	f, err := os.Open("/etc/os-release")
	if err != nil {
		return "linux"
	}
	defer f.Close()
	for scan := bufio.NewScanner(f); scan.Scan(); {
		if name, ok := strings.CutPrefix(scan.Text(), "PRETTY_NAME="); ok {
			return strings.Trim(name, `"`)
		}
	}
	return "linux"
}

// Usage is what one kind of thing takes on disk.
type Usage struct {
	Type          string
	Total, Active int
	Size          int64
	Reclaimable   int64
}

// DiskUsage adds up what images and containers take, each layer once.
func (e *Engine) DiskUsage(ctx context.Context) ([]Usage, error) {
	store, err := e.images()
	if err != nil {
		return nil, err
	}
	used, err := e.usedImages(ctx)
	if err != nil {
		return nil, err
	}
	all, err := store.List(ctx)
	if err != nil {
		return nil, err
	}
	imgs := Usage{Type: "Images", Total: len(all)}
	sizes := map[string]int64{}
	live := map[string]bool{}
	for _, img := range all {
		inUse := used[img.ID.String()] != ""
		if inUse {
			imgs.Active++
		}
		for _, l := range img.Layers {
			sizes[l.Blob.Digest.String()] = l.Blob.Size
			live[l.Blob.Digest.String()] = live[l.Blob.Digest.String()] || inUse
		}
	}
	for dgst, size := range sizes {
		imgs.Size += size
		if !live[dgst] {
			imgs.Reclaimable += size
		}
	}
	ctrs, err := e.containerUsage(ctx)
	return []Usage{imgs, ctrs}, err
}

func (e *Engine) containerUsage(ctx context.Context) (Usage, error) {
	u := Usage{Type: "Containers"}
	snaps, err := e.snapshots()
	if err != nil {
		return u, err
	}
	all, err := e.Containers(ctx, Filter{})
	if err != nil {
		return u, err
	}
	u.Total = len(all)
	for _, c := range all {
		disk, err := snaps.Usage(ctx, c.SnapshotKey)
		if err != nil {
			continue // removed meanwhile
		}
		u.Size += disk.Bytes
		if c.State.Status == runner.Running || c.State.Status == runner.Paused {
			u.Active++
		} else {
			u.Reclaimable += disk.Bytes
		}
	}
	return u, nil
}
