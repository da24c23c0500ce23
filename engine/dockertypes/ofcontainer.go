package dockertypes

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"cove/layers/mount"
	"cove/network"
	"cove/network/publish"
	"cove/runner"
	"cove/runner/record"
	"cove/sandbox/apparmor"
)

// OfContainer describes a container in a state; driver is the storage driver's
// name.
func OfContainer(c *runner.Container, state record.State, driver string) *Container {
	cfg := c.Config()
	if asked, err := c.Asked(); err == nil { // else it was removed meanwhile
		cfg.Network.Attachments, cfg.Name = asked.Attachments, asked.Name
	}
	var asked record.Asked
	if cfg.Asked != nil {
		asked = *cfg.Asked
	}
	out := &Container{
		ID: cfg.ID, Created: Stamp(cfg.Created), Name: "/" + c.Name(), Image: cfg.ImageID,
		State:           stateOf(state),
		ResolvConfPath:  filepath.Join(c.Dir(), "resolv.conf"),
		HostnamePath:    filepath.Join(c.Dir(), "hostname"),
		HostsPath:       filepath.Join(c.Dir(), "hosts"),
		LogPath:         c.LogPath(),
		Driver:          driver,
		Platform:        "linux",
		AppArmorProfile: profileOf(cfg, asked),
		HostConfig:      hostConfigOf(cfg, asked),
		GraphDriver:     graphDriver(driver, cfg.Root, state.Pid),
		Mounts:          mountsOf(cfg.Mounts),
		Config:          configOf(cfg, asked),
		RestartCount:    state.Restarts,
		NetworkSettings: networkOf(cfg, asked.Image, state),
	}
	if out.HostConfig.LogConfig.Type != "json-file" {
		out.LogPath = "" // as in docker: the files of others are nobody's to read
	}
	out.State.Health, out.Config.Healthcheck = healthOf(c, cfg.Health)
	if asked.NoHealth {
		out.Config.Healthcheck = &Healthcheck{Test: []string{"NONE"}}
	}
	if args := cfg.Spec.Process.Args; len(args) > 0 {
		out.Path, out.Args = args[0], args[1:]
	}
	return out
}

func healthOf(c *runner.Container, check *record.HealthCheck) (*Health, *Healthcheck) {
	if check == nil {
		return nil, nil
	}
	h := &Health{Status: record.Starting, Log: []HealthResult{}}
	if told, err := record.Dir(c.Dir()).Health(); err == nil {
		h.Status, h.FailingStreak = told.Status, told.FailingStreak
		for _, r := range told.Log {
			h.Log = append(h.Log, HealthResult(r))
		}
	}
	return h, &Healthcheck{
		Test: check.Test, Interval: check.Interval, Timeout: check.Timeout, StartPeriod: check.StartPeriod,
		StartInterval: check.StartInterval, Retries: check.Retries,
	}
}

func stateOf(s record.State) State {
	return State{
		Status:  string(s.Status),
		Running: s.Alive() || s.Status == record.Restarting, // as docker has it
		Paused:  s.Status == record.Paused, Restarting: s.Status == record.Restarting,
		Pid: s.Pid, ExitCode: s.ExitCode, OOMKilled: s.OOMKilled, Error: s.Error,
		StartedAt: Stamp(s.StartedAt), FinishedAt: Stamp(s.FinishedAt),
	}
}

// graphDriver tells where the root is. Nothing of a container is mounted on
// the host: the merged tree is seen through its first process, while it runs.
func graphDriver(driver string, root mount.Mount, pid int) GraphDriver {
	data := map[string]string{}
	if root.Type == "overlay" {
		data["LowerDir"] = strings.Join(root.Lower, ":")
		data["UpperDir"] = root.Upper
		data["WorkDir"] = root.Work
		data["MergedDir"] = ""
	} else {
		data["MergedDir"] = root.Source
	}
	if pid > 0 {
		data["MergedDir"] = fmt.Sprintf("/proc/%d/root", pid)
	}
	return GraphDriver{Name: driver, Data: data}
}

// MountsOf are the mounts of a container, and NetworksOf its places in networks, as a
// list of containers has them too.
func MountsOf(cfg record.Config) []Mount { return mountsOf(cfg.Mounts) }

// NetworksOf is described at MountsOf.
func NetworksOf(cfg record.Config, state record.State) map[string]Endpoint {
	return networkOf(cfg, record.ImageConfig{}, state).Networks
}

func mountsOf(mounts []record.Mounted) []Mount {
	out := []Mount{}
	for _, m := range mounts {
		im := Mount{
			Type: string(m.Type), Name: m.Name, Source: m.Source, Destination: path.Clean(m.Target),
			RW: !m.ReadOnly, Propagation: m.Propagation,
		}
		if m.Type == record.MountVolume {
			im.Driver = "local"
			im.Mode = "z"
		} else if m.Type == record.MountImage {
			im.Name = m.Image
		} else if im.Propagation == "" {
			im.Propagation = "rprivate"
		}
		if m.ReadOnly && !m.Mount { // a mount has no mode, as a bind is written with
			im.Mode = "ro"
		}
		im.Mode = cmp.Or(m.Mode, im.Mode)
		out = append(out, im)
	}
	return out
}

func configOf(cfg record.Config, asked record.Asked) Config {
	img := asked.Image
	return Config{
		Hostname: cfg.Spec.Hostname, User: img.User,
		AttachStdin: asked.Attached.Stdin, AttachStdout: asked.Attached.Stdout, AttachStderr: asked.Attached.Stderr,
		Domainname: cfg.Spec.Domainname, ExposedPorts: img.ExposedPorts,
		Tty: cfg.Terminal, OpenStdin: cfg.OpenStdin, StdinOnce: cfg.OpenStdin && !cfg.StdinStays,
		Env: envOf(cfg), Image: cfg.Image, Volumes: volumesOf(cfg, img.Volumes),
		WorkingDir: cfg.Spec.Process.Cwd, Labels: cfg.Labels, StopSignal: cfg.StopSignal,
		StopTimeout: asked.StopTimeout,
		Entrypoint:  img.Entrypoint, Cmd: img.Cmd,
	}
}

// envOf is what the image says and what was asked for, with the PATH that every process
// has, and without what it is given besides: a container that is made of it again has a
// name of its own.
func envOf(cfg record.Config) []string {
	if cfg.Asked == nil {
		return cfg.Spec.Process.Env
	}
	isPath := func(kv string) bool { return strings.HasPrefix(kv, "PATH=") }
	env := slices.Clone(cfg.Asked.Image.Env)
	if i := slices.IndexFunc(cfg.Spec.Process.Env, isPath); i >= 0 && !slices.ContainsFunc(env, isPath) {
		env = slices.Insert(env, 0, cfg.Spec.Process.Env[i])
	}
	return append([]string{}, env...)
}

// volumesOf are the volumes without names: the image's, and those that were asked for by
// a path alone.
func volumesOf(cfg record.Config, ofImage map[string]struct{}) map[string]struct{} {
	all := maps.Clone(ofImage)
	for _, m := range cfg.Mounts {
		if m.Anonymous && !m.Mount && !m.From {
			if all == nil {
				all = map[string]struct{}{}
			}
			all[m.Target] = struct{}{}
		}
	}
	return all
}

// spec is what the runtime spec says alone.
func (h *HostConfig) spec(s *specs.Spec) {
	if s.Linux != nil {
		h.MaskedPaths, h.ReadonlyPaths = emptyIfNil(s.Linux.MaskedPaths), emptyIfNil(s.Linux.ReadonlyPaths)
	}
	if size := s.Process.ConsoleSize; size != nil {
		h.ConsoleSize = [2]uint{size.Height, size.Width}
	}
}

func hostConfigOf(cfg record.Config, o record.Asked) HostConfig {
	h := HostConfig{
		LogConfig:     logConfigOf(cfg.Log),
		NetworkMode:   networkMode(cfg),
		PortBindings:  portMap(cfg.Network.Ports),
		RestartPolicy: restartPolicyOf(cfg.Restart),
		AutoRemove:    cfg.AutoRemove,
		CapAdd:        o.Security.CapAdd, CapDrop: o.Security.CapDrop,
		CgroupnsMode: string(cmp.Or(cfg.Shared.Cgroup, record.Private)),
		IpcMode:      string(cmp.Or(cfg.Shared.IPC, record.Private)),
		PidMode:      string(cfg.Shared.PID), UTSMode: string(cfg.Shared.UTS), UsernsMode: string(cfg.Shared.User),
		PublishAllPorts: o.PublishAll, GroupAdd: o.Groups, CgroupParent: o.CgroupParent, Annotations: o.Annotations,
		Devices: devicesOf(o.Devices), DeviceCgroupRules: o.DeviceRules, DeviceRequests: requestsOf(o.CDI),
		DNS: emptyIfNil(cfg.Network.DNS), DNSOptions: emptyIfNil(cfg.Network.DNSOptions),
		DNSSearch:  emptyIfNil(cfg.Network.DNSSearch),
		ExtraHosts: cfg.Network.ExtraHosts, Privileged: o.Security.Privileged, ReadonlyRootfs: o.ReadOnly,
		SecurityOpt: securityOpts(o.Security), Runtime: runtimeOf(cfg),
	}
	h.spec(cfg.Spec)
	h.limits(o.Resources)
	h.blockLimits(o.Resources)
	if cfg.Init {
		h.Init = &cfg.Init
	}
	if o.Security.Privileged {
		h.MaskedPaths, h.ReadonlyPaths = nil, nil
	}
	for _, l := range cfg.Network.Links {
		h.Links = append(h.Links, "/"+l.Name+":/"+cfg.Name+"/"+l.Alias)
	}
	h.VolumesFrom = o.VolumesFrom
	for _, m := range cfg.Mounts {
		switch {
		case m.From:
		case m.Mount:
			h.Mounts = append(h.Mounts, mountAsked(m))
		case !m.Anonymous:
			h.Binds = append(h.Binds, bindString(m))
		}
	}
	for _, t := range o.Tmpfs {
		if h.Tmpfs == nil {
			h.Tmpfs = map[string]string{}
		}
		h.Tmpfs[t.Target] = strings.Join(t.Options, ",")
	}
	return h
}

func devicesOf(devices []record.Device) []DeviceMapping {
	out := []DeviceMapping{}
	for _, d := range devices {
		out = append(out, DeviceMapping{PathOnHost: d.Source, PathInContainer: d.Target, CgroupPermissions: d.Access})
	}
	return out
}

func (h *HostConfig) blockLimits(r record.Resources) {
	h.BlkioWeightDevice = []WeightDevice{}
	for _, w := range r.BlkioWeights {
		h.BlkioWeightDevice = append(h.BlkioWeightDevice, WeightDevice{Path: w.Path, Weight: uint16(w.Rate)})
	}
	throttles := func(rates []record.DeviceRate) []ThrottleDevice {
		out := []ThrottleDevice{}
		for _, t := range rates {
			out = append(out, ThrottleDevice(t))
		}
		return out
	}
	h.BlkioDeviceReadBps, h.BlkioDeviceWriteBps = throttles(r.ReadBps), throttles(r.WriteBps)
	h.BlkioDeviceReadIOps, h.BlkioDeviceWriteIOps = throttles(r.ReadIOps), throttles(r.WriteIOps)
}

func runtimeOf(cfg record.Config) string {
	if cfg.Runtime != nil {
		return cfg.Runtime.Name
	}
	return "cove-runtime"
}

func logConfigOf(c record.LogConfig) LogConfig {
	out := LogConfig{Type: cmp.Or(c.Driver, "json-file"), Config: map[string]string{}}
	if c.Options != nil { // as asked for
		maps.Copy(out.Config, c.Options)
		return out
	}
	if c.MaxSize > 0 {
		out.Config["max-size"] = strconv.FormatInt(c.MaxSize, 10)
	}
	if c.MaxFile > 0 {
		out.Config["max-file"] = strconv.Itoa(c.MaxFile)
	}
	return out
}

// requestsOf shows devices of the Container Device Interface as docker's client asks for
// them.
func requestsOf(names []string) []DeviceRequest {
	if len(names) == 0 {
		return nil
	}
	return []DeviceRequest{{Driver: "cdi", DeviceIDs: names}}
}

func restartPolicyOf(p record.RestartPolicy) RestartPolicy {
	return RestartPolicy{Name: cmp.Or(p.Name, "no"), MaximumRetryCount: p.Max}
}

func mountAsked(m record.Mounted) MountAsked {
	asked := MountAsked{Type: string(m.Type), Target: m.Target, ReadOnly: m.ReadOnly}
	if m.Type == record.MountBind {
		asked.Source = m.Source
		if m.Propagation != "" || m.NonRecursive || m.WritableBelow {
			asked.BindOptions = &BindOptions{m.Propagation, m.NonRecursive, m.WritableBelow}
		}
		return asked
	}
	if m.Type == record.MountImage {
		asked.Source = m.Image
		if m.Subpath != "" {
			asked.ImageOptions = &ImageOptions{Subpath: m.Subpath}
		}
		return asked
	}
	if !m.Anonymous {
		asked.Source = m.Name
	}
	if m.NoCopy || m.Subpath != "" {
		asked.VolumeOptions = &VolumeOptions{NoCopy: m.NoCopy, Subpath: m.Subpath}
	}
	return asked
}

// limits shows what the container gets, defaults included.
func (h *HostConfig) limits(r record.Resources) {
	h.ShmSize = cmp.Or(r.ShmSize, 64<<20)
	h.Memory, h.MemorySwap, h.MemoryReservation = r.Memory, r.Swap(), r.MemoryReservation
	if r.MemorySwappiness != nil {
		swappiness := int64(*r.MemorySwappiness)
		h.MemorySwappiness = &swappiness
	}
	if r.OOMKillDisable {
		h.OomKillDisable = &r.OOMKillDisable
	}
	h.OomScoreAdj, h.BlkioWeight = r.OOMScoreAdj, r.BlkioWeight
	h.NanoCPUs, h.CPUShares, h.CPUPeriod, h.CPUQuota = r.NanoCPUs, int64(r.CPUShares), r.CPUPeriod, r.CPUQuota
	h.CPURealtimePeriod, h.CPURealtimeRuntime = r.CPURealtimePeriod, r.CPURealtimeRuntime
	h.CpusetCpus, h.CpusetMems = r.Cpuset, r.Memset
	if p := max(r.PidsLimit, 0); r.PidsLimit != 0 { // -1 is no limit, which docker shows as 0
		h.PidsLimit = &p
	}
	for _, u := range r.Ulimits {
		h.Ulimits = append(h.Ulimits, Ulimit{Name: u.Name, Soft: u.Soft, Hard: u.Hard})
	}
	h.Sysctls = r.Sysctls
}

func emptyIfNil(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

func networkMode(cfg record.Config) string {
	if cfg.Network.Mode == "" {
		return string(network.Bridge)
	}
	return string(cfg.Network.Mode)
}

// profileOf is the AppArmor profile that confines it, docker's "unconfined" where none was asked for.
func profileOf(cfg record.Config, asked record.Asked) string {
	if asked.Security.AppArmor == apparmor.Unconfined {
		return apparmor.Unconfined
	}
	if cfg.Spec == nil || cfg.Spec.Process == nil {
		return ""
	}
	return cfg.Spec.Process.ApparmorProfile
}

func securityOpts(s record.Security) []string {
	var out []string
	if s.NoNewPrivileges {
		out = append(out, "no-new-privileges")
	}
	if s.WritableCgroups {
		out = append(out, "writable-cgroups")
	}
	if s.Seccomp != "" {
		out = append(out, "seccomp="+s.Seccomp)
	}
	if s.AppArmor != "" {
		out = append(out, "apparmor="+s.AppArmor)
	}
	return out
}

func bindString(m record.Mounted) string {
	if m.Mode != "" {
		return cmp.Or(m.Name, m.Source) + ":" + m.Target + ":" + m.Mode
	}
	var options []string
	if m.ReadOnly {
		options = append(options, "ro")
	}
	if m.Propagation != "" {
		options = append(options, m.Propagation)
	}
	if m.NoCopy {
		options = append(options, "nocopy")
	}
	s := cmp.Or(m.Name, m.Source) + ":" + m.Target
	if len(options) > 0 {
		s += ":" + strings.Join(options, ",")
	}
	return s
}

func portMap(ports []publish.Port) map[string][]PortBinding {
	m := map[string][]PortBinding{}
	for _, p := range ports {
		proto := p.Proto
		if proto == "" {
			proto = "tcp"
		}
		b := PortBinding{HostIP: "0.0.0.0"}
		if p.HostIP.IsValid() {
			b.HostIP = p.HostIP.String()
		}
		if p.HostPort != 0 {
			b.HostPort = strconv.Itoa(int(p.HostPort))
		}
		if p.HostLast != 0 {
			b.HostPort += "-" + strconv.Itoa(int(p.HostLast))
		}
		key := fmt.Sprintf("%d/%s", p.ContainerPort, proto)
		m[key] = append(m[key], b)
	}
	return m
}
