// Package create reads what docker's API asks of a container to be made or changed,
// and says it in the engine's words.
package create

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"cove/engine/api/wire"
	engines "cove/engine/containers"
	"cove/engine/dockertypes"
	"cove/engine/runspec"
	"cove/engine/runspec/parse"
	"cove/errdefs"
)

// asked is the body of a create: what the container is, and what it gets of the host.
type asked struct {
	dockertypes.Config
	// Entrypoint and Cmd are lists, or one word.
	Entrypoint, Cmd wire.Words
	NetworkDisabled bool
	// MacAddress is that of older versions; newer ones have it for each network.
	MacAddress       string
	HostConfig       hostConfig
	NetworkingConfig struct {
		EndpointsConfig map[string]*dockertypes.Endpoint
	}
	// ofImage is what the config of an image has; nil is nothing.
	ofImage func(image string) *dockertypes.Config
}

// hostConfig is docker's, with what only requests have, and what is not served.
type hostConfig struct {
	dockertypes.HostConfig
	Mounts []mountAsked
	// MaskedPaths and ReadonlyPaths are nil for the defaults.
	MaskedPaths, ReadonlyPaths *[]string
	StorageOpt                 map[string]string
	// KernelMemory and KernelMemoryTCP are those of versions before 1.42.
	KernelMemory, KernelMemoryTCP int64
}

type mountAsked struct {
	dockertypes.MountAsked
	BindOptions *struct {
		dockertypes.BindOptions
		CreateMountpoint       bool
		ReadOnlyForceRecursive bool
	}
	VolumeOptions *struct {
		NoCopy       bool
		Labels       map[string]string
		Subpath      string
		DriverConfig *struct {
			Name    string
			Options map[string]string
		}
	}
	TmpfsOptions *struct {
		SizeBytes int64
		Mode      uint32
		Options   [][]string
	}
	ClusterOptions *struct{}
}

// Options reads the body of a create. What the engine does not serve is refused, not
// ignored; what only repeats the image's config (ofImage) asks for nothing: clients that
// make a container again send all that inspect told them.
func Options(r *http.Request, ofImage func(image string) *dockertypes.Config) (o engines.CreateOptions, err error) {
	var raw json.RawMessage
	if err := wire.Decode(r, &raw); err != nil {
		return o, err
	}
	var body asked
	switch string(bytes.TrimSpace(raw)) {
	case "", "{}", "null": // other than one whose keys are all empty, which has no command
		return o, errdefs.Errorf(errdefs.ErrInvalid, "config cannot be empty in order to create a container")
	}
	if err := json.Unmarshal(raw, &body); err != nil {
		return o, errdefs.Errorf(errdefs.ErrInvalid, "invalid JSON: %w", err)
	}
	body.ofImage = ofImage
	return body.options()
}

// options are the engine's.
func (b *asked) options() (o engines.CreateOptions, err error) {
	if b.Image == "" {
		if len(b.Cmd) == 0 {
			return o, errdefs.Errorf(errdefs.ErrInvalid, "no command specified, and no image that has one")
		}
		return o, errdefs.Errorf(errdefs.ErrInvalid, "no image specified")
	}
	h := &b.HostConfig
	o = engines.CreateOptions{
		AutoRemove: h.AutoRemove, Restart: restartText(h.RestartPolicy),
		LogDriver: h.LogConfig.Type, LogOptions: h.LogConfig.Config, Runtime: h.Runtime,
	}
	o.Options = runspec.Options{
		Image: b.Image, Command: b.Cmd, Env: b.Env, User: b.User, Workdir: b.WorkingDir,
		Hostname: b.Hostname, Domainname: b.Domainname, TTY: b.Tty,
		Stdin: b.OpenStdin, StdinStays: b.OpenStdin && !b.StdinOnce,
		Attached: runspec.Attached{Stdin: b.AttachStdin, Stdout: b.AttachStdout, Stderr: b.AttachStderr},
		ReadOnly: h.ReadonlyRootfs, MaskedPaths: h.MaskedPaths, ReadonlyPaths: h.ReadonlyPaths,
		ConsoleSize: h.ConsoleSize,
		Labels:      b.Labels, VolumesFrom: h.VolumesFrom, PublishAll: h.PublishAllPorts,
		DNS: h.DNS, DNSSearch: h.DNSSearch, DNSOptions: h.DNSOptions,
		DeviceRules: h.DeviceCgroupRules, Groups: h.GroupAdd, Annotations: h.Annotations, CgroupParent: h.CgroupParent,
		Init: h.Init != nil && *h.Init, StopSignal: b.StopSignal, StopTimeout: b.StopTimeout,
	}
	if b.Entrypoint != nil {
		o.Entrypoint = b.Entrypoint
		if len(o.Entrypoint) == 1 && o.Entrypoint[0] == "" {
			o.Entrypoint = []string{} // docker's way to say that there is none
		}
	}
	if len(b.Entrypoint) == 0 {
		o.Entrypoint = nil
	}
	steps := []func(*engines.CreateOptions) error{
		b.refuse, b.retries, b.environment, b.health, b.mounts, b.network, b.shares, b.limits, b.blockLimits,
	}
	for _, step := range steps {
		if err := step(&o); err != nil {
			return o, err
		}
	}
	return o, nil
}

func restartText(p dockertypes.RestartPolicy) string {
	if p.Name == "on-failure" && p.MaximumRetryCount > 0 {
		return p.Name + ":" + itoa(p.MaximumRetryCount)
	}
	return p.Name
}

// retries refuses a number of retries that its policy has not, in docker's words.
func (b *asked) retries(*engines.CreateOptions) error {
	p := b.HostConfig.RestartPolicy
	switch {
	case p.MaximumRetryCount < 0:
		return errdefs.Errorf(errdefs.ErrInvalid, "invalid restart policy: maximum retry count cannot be negative")
	case p.MaximumRetryCount > 0 && p.Name != "on-failure":
		return errdefs.Errorf(errdefs.ErrInvalid,
			"invalid restart policy: maximum retry count can only be used with 'on-failure'")
	}
	return nil
}

func (b *asked) environment(*engines.CreateOptions) error { return Environment(b.Env) }

// Environment refuses a variable without a name, in docker's words.
func Environment(env []string) error {
	for _, v := range env {
		if v == "" || v[0] == '=' {
			return errdefs.Errorf(errdefs.ErrInvalid, "invalid environment variable: %s", v)
		}
	}
	return nil
}

// maxSide is the most rows, or columns, that a terminal has.
const maxSide = 1<<16 - 1

// refuse says what is not served.
func (b *asked) refuse(*engines.CreateOptions) error {
	h := &b.HostConfig
	if h.ConsoleSize[0] > maxSide || h.ConsoleSize[1] > maxSide {
		return errdefs.Errorf(errdefs.ErrInvalid, "HostConfig.ConsoleSize: a terminal of %d rows and %d columns cannot be",
			h.ConsoleSize[0], h.ConsoleSize[1])
	}
	_, unnamed := h.Annotations[""]
	switch {
	case unnamed:
		return errdefs.Errorf(errdefs.ErrInvalid,
			"invalid Annotations: the empty string is not permitted as an annotation key")
	case h.CPUShares < 0:
		return errdefs.Errorf(errdefs.ErrInvalid, "invalid CPU shares (%d): value must be a positive integer",
			h.CPUShares)
	case h.MemorySwappiness != nil && *h.MemorySwappiness < -1:
		return errdefs.Errorf(errdefs.ErrInvalid, "invalid value: %d, valid memory swappiness range is 0-100",
			*h.MemorySwappiness)
	}
	for what, is := range map[string]bool{
		"HostConfig.StorageOpt":                                   len(h.StorageOpt) > 0,
		"HostConfig.Isolation " + h.Isolation:                     !oneOf(h.Isolation, "", "default"),
		"HostConfig.VolumeDriver " + h.VolumeDriver:               !oneOf(h.VolumeDriver, "", "local"),
		"HostConfig.CpuCount, CpuPercent (Windows' own)":          h.CPUCount != 0 || h.CPUPercent != 0,
		"HostConfig.IOMaximumIOps, IOMaximumBandwidth (Windows')": h.IOMaximumIOps != 0 || h.IOMaximumBandwidth != 0,
		"HostConfig.Cgroup " + h.Cgroup:                           h.Cgroup != "",
		"HostConfig.KernelMemory, KernelMemoryTCP":                h.KernelMemory > 0 || h.KernelMemoryTCP > 0,
		"OnBuild": b.differs(b.OnBuild, func(c *dockertypes.Config) []string { return c.OnBuild }),
		"Shell":   b.differs(b.Shell, func(c *dockertypes.Config) []string { return c.Shell }),
	} {
		if is {
			return errdefs.Errorf(errdefs.ErrUnsupported, "%s is not supported", what)
		}
	}
	return nil
}

// differs reports whether words were given that the config of the image does not have.
func (b *asked) differs(words []string, of func(*dockertypes.Config) []string) bool {
	if len(words) == 0 {
		return false
	}
	c := b.ofImage(b.Image)
	return c == nil || !slices.Equal(words, of(c))
}

func oneOf(s string, all ...string) bool {
	for _, one := range all {
		if s == one {
			return true
		}
	}
	return false
}

func (b *asked) health(o *engines.CreateOptions) error {
	c := b.Healthcheck
	if c == nil {
		return nil
	}
	o.Health = engines.HealthOptions{
		Interval: c.Interval, Timeout: c.Timeout, StartPeriod: c.StartPeriod, StartInterval: c.StartInterval,
		Retries: c.Retries,
	}
	switch {
	case len(c.Test) == 0:
	case c.Test[0] == "NONE":
		o.Health = engines.HealthOptions{None: true}
	case c.Test[0] == "CMD-SHELL" && len(c.Test) == 2:
		o.Health.Command = c.Test[1]
	case c.Test[0] == "CMD" && len(c.Test) > 1:
		o.Health.Args = c.Test[1:]
	default:
		return errdefs.Errorf(errdefs.ErrInvalid, "unknown type %q in healthcheck: want NONE, CMD or CMD-SHELL",
			c.Test[0])
	}
	return nil
}

func (b *asked) mounts(o *engines.CreateOptions) error {
	h := &b.HostConfig
	taken := map[string]bool{}
	for _, bind := range h.Binds {
		v, err := parse.Volume(bind)
		if err != nil {
			return err
		}
		taken[v.Target] = true
		o.Volumes = append(o.Volumes, v)
	}
	for _, m := range h.Mounts {
		if err := m.add(o); err != nil {
			return err
		}
		taken[m.Target] = true
	}
	for target, options := range h.Tmpfs {
		t, err := parse.Tmpfs(strings.TrimSuffix(target+":"+options, ":"))
		if err != nil {
			return err
		}
		o.Tmpfs = append(o.Tmpfs, t)
	}
	for target := range b.Volumes {
		if !taken[target] {
			o.Volumes = append(o.Volumes, runspec.Volume{Target: path.Join("/", target)})
		}
	}
	return nil
}

// add adds a mount that is asked for in keys and values.
func (m mountAsked) add(o *engines.CreateOptions) error {
	if m.ClusterOptions != nil {
		return errdefs.Errorf(errdefs.ErrUnsupported, "mount %s: ClusterOptions: there is no cluster", m.Target)
	}
	if m.Target == "" && oneOf(m.Type, "bind", "volume", "image", "tmpfs") {
		return m.invalid("field Target must not be empty")
	}
	if err := m.othersOptions(); err != nil {
		return err
	}
	v := runspec.Volume{Source: m.Source, Target: m.Target, ReadOnly: m.ReadOnly, Mount: true}
	switch m.Type {
	case "bind":
		if b := m.BindOptions; b != nil {
			v.Propagation, v.NonRecursive, v.WritableBelow = b.Propagation, b.NonRecursive, b.ReadOnlyNonRecursive
			v.Mount = !b.CreateMountpoint
		}
		if m.Source == "" {
			return m.invalid("field Source must not be empty")
		}
		if !strings.HasPrefix(m.Source, "/") {
			return m.invalid("invalid mount path: %q mount path must be absolute", m.Source)
		}
	case "volume":
		if strings.HasPrefix(m.Source, "/") {
			return m.invalid("%q is no name", m.Source)
		}
		if p := m.VolumeOptions; p != nil {
			v.NoCopy, v.Labels, v.Subpath = p.NoCopy, p.Labels, p.Subpath
			if d := p.DriverConfig; d != nil && !oneOf(d.Name, "", "local") {
				return errdefs.Errorf(errdefs.ErrNotFound,
					"mount %s: plugin %q not found: there is only the volume driver local", m.Target, d.Name)
			} else if d != nil {
				v.Options = d.Options
			}
		}
	case "image":
		v.Image, v.ReadOnly = true, true
		if m.Source == "" {
			return m.invalid("field Source must not be empty")
		}
		if p := m.ImageOptions; p != nil {
			v.Subpath = p.Subpath
		}
	case "tmpfs":
		return m.addTmpfs(o)
	default:
		return m.invalid("mount type unknown: want bind, volume, tmpfs or image")
	}
	if !strings.HasPrefix(m.Target, "/") {
		return m.invalid("invalid mount path: %q mount path must be absolute", m.Target)
	}
	if v.Subpath != "" && !filepath.IsLocal(v.Subpath) {
		return m.invalid("subpath must be a relative path within the volume, and %q leads out of it", v.Subpath)
	}
	o.Volumes = append(o.Volumes, v)
	return nil
}

// othersOptions refuses the options of another type.
func (m mountAsked) othersOptions() error {
	for _, options := range []struct {
		of    string
		given bool
	}{
		{"Bind", m.BindOptions != nil},
		{"Volume", m.VolumeOptions != nil},
		{"Tmpfs", m.TmpfsOptions != nil},
		{"Image", m.ImageOptions != nil},
	} {
		if options.given && !strings.EqualFold(options.of, m.Type) {
			return m.invalid("field %sOptions must not be specified", options.of)
		}
	}
	return nil
}

// invalid is what is wrong with a mount, in docker's words.
func (m mountAsked) invalid(format string, args ...any) error {
	return errdefs.Errorf(errdefs.ErrInvalid, "invalid mount config for type %q: %w", m.Type,
		fmt.Errorf(format, args...))
}

func (m mountAsked) addTmpfs(o *engines.CreateOptions) error {
	if m.Source != "" {
		return m.invalid("field Source must not be specified")
	}
	var options []string
	if m.ReadOnly {
		options = append(options, "ro")
	}
	if t := m.TmpfsOptions; t != nil {
		if t.SizeBytes > 0 {
			options = append(options, "size="+itoa(int(t.SizeBytes)))
		}
		if t.Mode != 0 {
			options = append(options, "mode="+octal(t.Mode))
		}
		for _, kv := range t.Options {
			options = append(options, strings.Join(kv, "="))
		}
	}
	tmpfs, err := parse.Tmpfs(strings.TrimSuffix(m.Target+":"+strings.Join(options, ","), ":"))
	if err != nil {
		return err
	}
	o.Tmpfs = append(o.Tmpfs, tmpfs)
	return nil
}

// limits are those of what the container uses.
func (b *asked) limits(o *engines.CreateOptions) error {
	h, r := &b.HostConfig, &o.Resources
	*r = runspec.Resources{
		Memory: max(h.Memory, 0), MemoryReservation: max(h.MemoryReservation, 0), // less than nothing is no limit
		MemorySwap: h.MemorySwap, ShmSize: h.ShmSize,
		OOMKillDisable: h.OomKillDisable != nil && *h.OomKillDisable, OOMScoreAdj: h.OomScoreAdj,
		NanoCPUs: h.NanoCPUs, CPUPeriod: h.CPUPeriod, CPUQuota: h.CPUQuota, CPUShares: uint64(max(h.CPUShares, 0)),
		CPURealtimePeriod: h.CPURealtimePeriod, CPURealtimeRuntime: h.CPURealtimeRuntime,
		Cpuset: h.CpusetCpus, Memset: h.CpusetMems, BlkioWeight: h.BlkioWeight, Sysctls: h.Sysctls,
	}
	if r.CPUShares > 0 {
		r.CPUShares = min(max(r.CPUShares, 2), 262144) // the kernel's bounds, as docker keeps to them
	}
	if s := h.MemorySwappiness; s != nil && *s >= 0 {
		swappiness := uint64(*s)
		r.MemorySwappiness = &swappiness
	}
	if p := h.PidsLimit; p != nil {
		r.PidsLimit = max(*p, 0) // -1 is no limit
	}
	for _, u := range h.Ulimits {
		parsed, err := parse.Ulimit(u.Name + "=" + itoa(int(u.Soft)) + ":" + itoa(int(u.Hard)))
		if err != nil {
			return err
		}
		r.Ulimits = append(r.Ulimits, parsed)
	}
	return nil
}

func (b *asked) blockLimits(o *engines.CreateOptions) error {
	h, r := &b.HostConfig, &o.Resources
	for _, w := range h.BlkioWeightDevice {
		r.BlkioWeights = append(r.BlkioWeights, runspec.DeviceRate{Path: w.Path, Rate: uint64(w.Weight)})
	}
	for _, list := range []struct {
		from []dockertypes.ThrottleDevice
		to   *[]runspec.DeviceRate
	}{
		{h.BlkioDeviceReadBps, &r.ReadBps},
		{h.BlkioDeviceWriteBps, &r.WriteBps},
		{h.BlkioDeviceReadIOps, &r.ReadIOps},
		{h.BlkioDeviceWriteIOps, &r.WriteIOps},
	} {
		for _, t := range list.from {
			*list.to = append(*list.to, runspec.DeviceRate(t))
		}
	}
	return nil
}

// Update reads the body of an update: what is zero stays.
func Update(r *http.Request, version wire.Version) (o engines.UpdateOptions, err error) {
	var body struct {
		hostConfig
		RestartPolicy dockertypes.RestartPolicy
	}
	if err := wire.Decode(r, &body); err != nil {
		return o, err
	}
	b := asked{HostConfig: body.hostConfig}
	b.HostConfig.RestartPolicy = body.RestartPolicy
	var made engines.CreateOptions
	if err := errors.Join(b.refuse(&made), b.retries(&made), b.limits(&made), b.blockLimits(&made)); err != nil {
		return o, err
	}
	switch p := body.PidsLimit; {
	case version.Before(wire.V(40)):
		made.Resources.PidsLimit = 0 // no change: older clients send it without meaning it
	case p != nil && *p <= 0:
		made.Resources.PidsLimit = -1
	}
	return engines.UpdateOptions{Resources: made.Resources, Restart: restartText(body.RestartPolicy)}, nil
}
