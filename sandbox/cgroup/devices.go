package cgroup

import (
	"fmt"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"cove/errdefs"
	"cove/sandbox/host"
)

// rule allows or denies access to devices.
type rule struct {
	allow        bool
	kind         byte // 'a', 'b' or 'c'
	major, minor int64
	access       string
}

// every is a major or minor number that matches all.
const every = -1

// alwaysAllowed are the devices of every container, and making nodes, which
// without the right to open them does no harm (OCI runtime spec, "Default Devices").
var alwaysAllowed = []rule{
	{true, 'c', every, every, "m"},
	{true, 'b', every, every, "m"},
	{true, 'c', 1, 3, "rwm"},
	{true, 'c', 1, 5, "rwm"},
	{true, 'c', 1, 7, "rwm"},
	{true, 'c', 1, 8, "rwm"},
	{true, 'c', 1, 9, "rwm"},
	{true, 'c', 5, 0, "rwm"},
	{true, 'c', 5, 1, "rwm"},
	{true, 'c', 5, 2, "rwm"},
	{true, 'c', 136, every, "rwm"},
}

// deviceRules translates those of a spec; the last that matches decides.
func deviceRules(list []specs.LinuxDeviceCgroup) ([]rule, error) {
	var rules []rule
	for _, d := range list {
		r := rule{allow: d.Allow, kind: 'a', major: every, minor: every, access: d.Access}
		switch d.Type {
		case "", "a":
		case "b", "c":
			r.kind = d.Type[0]
		default:
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "cgroup: device rule: type %q: want a, b or c", d.Type)
		}
		if d.Major != nil {
			r.major = *d.Major
		}
		if d.Minor != nil {
			r.minor = *d.Minor
		}
		if r.access == "" {
			r.access = "rwm"
		}
		if strings.Trim(r.access, "rwm") != "" {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "cgroup: device rule: access %q: want some of rwm", d.Access)
		}
		rules = append(rules, r)
		if !r.allow && r.kind == 'a' {
			// Explicit rules come after these, and may deny them again.
			rules = append(rules, alwaysAllowed...)
		}
	}
	return rules, nil
}

func (g *Group) setDevices(list []specs.LinuxDeviceCgroup) error {
	rules, err := deviceRules(list)
	if err != nil {
		return err
	}
	if g.host.Mode == host.CgroupV2 {
		return attachDevices(g.dir(&g.host.Hierarchies[0]), rules)
	}
	dir := g.find("devices")
	if dir == "" {
		return errdefs.Errorf(errdefs.ErrUnsupported, "cgroup: device rules: this host has no controller \"devices\"")
	}
	return writeRules(dir, rules)
}

// writeRules writes one rule per call, in order.
func writeRules(dir string, rules []rule) error {
	for len(rules) > 0 {
		file, allow := "devices.deny", rules[0].allow
		if allow {
			file = "devices.allow"
		}
		var same []string
		for len(rules) > 0 && rules[0].allow == allow {
			same = append(same, rules[0].String())
			rules = rules[1:]
		}
		if err := writeFile(dir, file, same...); err != nil {
			return err
		}
	}
	return nil
}

// String is the form of devices.allow.
func (r rule) String() string {
	if r.kind == 'a' {
		return "a"
	}
	return fmt.Sprintf("%c %s:%s %s", r.kind, star(r.major), star(r.minor), r.access)
}

func star(n int64) string {
	if n == every {
		return "*"
	}
	return fmt.Sprint(n)
}
