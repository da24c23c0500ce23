package create

import (
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	engines "cove/engine/containers"
	"cove/engine/dockertypes"
	"cove/engine/runspec"
	"cove/engine/runspec/parse"
	"cove/errdefs"
)

func itoa(n int) string { return strconv.Itoa(n) }

func octal(mode uint32) string { return strconv.FormatUint(uint64(mode), 8) }

// network is which networks it is on, and what of it others reach.
func (b *asked) network(o *engines.CreateOptions) (err error) {
	h := &b.HostConfig
	for _, end := range slices.Sorted(maps.Keys(h.PortBindings)) {
		for _, at := range h.PortBindings[end] {
			ports, err := parse.Ports(portText(end, at))
			if err != nil {
				return err
			}
			o.Ports = append(o.Ports, ports...)
		}
	}
	for _, end := range slices.Sorted(maps.Keys(b.ExposedPorts)) {
		ends, err := parse.Expose(end)
		if err != nil {
			return err
		}
		o.Expose = append(o.Expose, ends...)
	}
	for _, text := range h.ExtraHosts {
		host, err := parse.Host(text)
		if err != nil {
			return err
		}
		o.AddHosts = append(o.AddHosts, host)
	}
	for _, text := range b.links() {
		link, err := parse.Link(text)
		if err != nil {
			return err
		}
		o.Links = append(o.Links, link)
	}
	o.Network, o.Networks, err = parse.Networks(b.networks(), parse.NetworkFlags{MAC: b.MacAddress})
	return err
}

// links are those of the container, and those that newer clients name for a network of
// it, each once.
func (b *asked) links() []string {
	all := slices.Clone(b.HostConfig.Links)
	for _, name := range slices.Sorted(maps.Keys(b.NetworkingConfig.EndpointsConfig)) {
		if ep := b.NetworkingConfig.EndpointsConfig[name]; ep != nil {
			all = append(all, ep.Links...)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// portText is as -p has it: [[IP:]HOSTPORT:]PORT/PROTOCOL.
func portText(end string, at dockertypes.PortBinding) string {
	ip := at.HostIP
	if strings.Contains(ip, ":") {
		ip = "[" + ip + "]"
	}
	switch {
	case ip != "":
		return ip + ":" + at.HostPort + ":" + end
	case at.HostPort != "":
		return at.HostPort + ":" + end
	}
	return end
}

// networks are as --network has them, the one of NetworkMode first.
func (b *asked) networks() []string {
	mode := b.HostConfig.NetworkMode
	endpoints := b.NetworkingConfig.EndpointsConfig
	switch {
	case b.NetworkDisabled:
		return []string{"none"}
	case oneOf(mode, "default", ""):
		mode = "bridge"
		if _, ok := endpoints["bridge"]; !ok && len(endpoints) > 0 && endpoints["default"] == nil {
			mode = slices.Sorted(maps.Keys(endpoints))[0]
		}
	}
	names := []string{mode}
	for _, name := range slices.Sorted(maps.Keys(endpoints)) {
		if name != mode && name != "default" {
			names = append(names, name)
		}
	}
	var texts []string
	for _, name := range names {
		ep := endpoints[name]
		if ep == nil && name == "bridge" {
			ep = endpoints["default"]
		}
		texts = append(texts, networkText(name, ep))
	}
	return texts
}

func networkText(name string, ep *dockertypes.Endpoint) string {
	if ep == nil {
		return name
	}
	text := "name=" + name
	for _, alias := range ep.Aliases {
		text += ",alias=" + alias
	}
	if c := ep.IPAMConfig; c != nil {
		for _, ip := range c.LinkLocalIPs {
			text += ",link-local-ip=" + ip
		}
		if c.IPv4Address != "" {
			text += ",ip=" + c.IPv4Address
		}
		if c.IPv6Address != "" {
			text += ",ip6=" + c.IPv6Address
		}
	}
	if ep.MacAddress != "" {
		text += ",mac-address=" + ep.MacAddress
	}
	if ep.GwPriority != 0 {
		text += ",gw-priority=" + itoa(ep.GwPriority)
	}
	for _, key := range slices.Sorted(maps.Keys(ep.DriverOpts)) {
		text += `,"driver-opt=` + strings.ReplaceAll(key+"="+ep.DriverOpts[key], `"`, `""`) + `"`
	}
	if text == "name="+name {
		return name
	}
	return text
}

// shares are the namespaces it has with others, its devices, and what it may do.
func (b *asked) shares(o *engines.CreateOptions) error {
	h := &b.HostConfig
	if err := modes(h); err != nil {
		return err
	}
	o.Shared = runspec.Shared{
		PID: runspec.Sharing(h.PidMode), IPC: runspec.Sharing(h.IpcMode), UTS: runspec.Sharing(h.UTSMode),
		Cgroup: runspec.Sharing(h.CgroupnsMode), User: runspec.Sharing(h.UsernsMode),
	}
	o.Security = runspec.Security{Privileged: h.Privileged, CapAdd: h.CapAdd, CapDrop: h.CapDrop}
	for _, opt := range h.SecurityOpt {
		// A profile comes as its text: no file of this machine is read for a client.
		text := func(profile string) ([]byte, error) {
			if !strings.HasPrefix(strings.TrimSpace(profile), "{") {
				return nil, os.ErrNotExist
			}
			return []byte(profile), nil
		}
		if err := parse.SecurityOpt(&o.Security, opt, text); err != nil {
			return err
		}
	}
	for _, d := range h.Devices {
		text := d.PathOnHost
		for _, part := range []string{d.PathInContainer, d.CgroupPermissions} {
			if part != "" {
				text += ":" + part
			}
		}
		device, err := parse.Device(text)
		if err != nil {
			return err
		}
		o.Devices = append(o.Devices, device)
	}
	for _, r := range h.DeviceRequests {
		names, err := requested(r)
		if err != nil {
			return err
		}
		o.CDI = append(o.CDI, names...)
	}
	return nil
}

// modes refuses what is no way to share a namespace, in docker's words.
func modes(h *hostConfig) error {
	for _, m := range []struct {
		kind, mode string
		words      []string
	}{
		{"IPC", h.IpcMode, []string{"", "host", "private", "shareable", "none"}},
		{"PID", h.PidMode, []string{"", "host"}},
		{"UTS", h.UTSMode, []string{"", "host"}},
	} {
		name, joins := strings.CutPrefix(m.mode, "container:")
		if !oneOf(m.mode, m.words...) && (!joins || name == "" || m.kind == "UTS") {
			return errdefs.Errorf(errdefs.ErrInvalid, "invalid %s mode: %s", m.kind, m.mode)
		}
	}
	return nil
}

// requested are the devices of a request by their names in the Container Device
// Interface: as the driver cdi has them, or GPUs.
func requested(r dockertypes.DeviceRequest) ([]string, error) {
	gpus := slices.ContainsFunc(r.Capabilities, func(all []string) bool { return slices.Contains(all, "gpu") })
	switch {
	case r.Driver == "cdi":
		return r.DeviceIDs, nil
	case !oneOf(r.Driver, "", "nvidia") || !gpus:
		return nil, errdefs.Errorf(errdefs.ErrUnsupported,
			"could not select device driver %q with capabilities: %v", r.Driver, r.Capabilities)
	case len(r.DeviceIDs) > 0:
		return parse.GPUs("device=" + strings.Join(r.DeviceIDs, ","))
	}
	return parse.GPUs(itoa(r.Count))
}
