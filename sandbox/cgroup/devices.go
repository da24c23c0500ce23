package cgroup

import (
	"github.com/opencontainers/runtime-spec/specs-go"

	"cove/errdefs"
	"cove/sandbox/cgroup/devices"
	"cove/sandbox/host"
)

func (g *Group) setDevices(list []specs.LinuxDeviceCgroup) error {
	rules, err := devices.Parse(list)
	if err != nil {
		return err
	}
	if g.host.Delegated {
		// Who is root in a user namespace alone may set no rules, and needs none: no
		// device node can be made there, and the host's are opened with a user's rights.
		return nil
	}
	if g.host.Mode == host.CgroupV2 {
		return devices.Attach(g.dir(&g.host.Hierarchies[0]), rules)
	}
	dir := g.find("devices")
	if dir == "" {
		return errdefs.Errorf(errdefs.ErrUnsupported, "cgroup: device rules: this host has no controller \"devices\"")
	}
	return writeRules(dir, rules)
}

// writeRules writes one rule per call, in order.
func writeRules(dir string, rules []devices.Rule) error {
	for len(rules) > 0 {
		file, allow := "devices.deny", rules[0].Allow
		if allow {
			file = "devices.allow"
		}
		var same []string
		for len(rules) > 0 && rules[0].Allow == allow {
			same = append(same, rules[0].String())
			rules = rules[1:]
		}
		if err := writeFile(dir, file, same...); err != nil {
			return err
		}
	}
	return nil
}
