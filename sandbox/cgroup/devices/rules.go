// Package devices is the rules of which devices a control group may use: as lines of
// v1, and as an eBPF program for v2.
package devices

import (
	"fmt"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"cove/errdefs"
)

// Rule allows or denies access to devices.
type Rule struct {
	Allow        bool
	kind         byte // 'a', 'b' or 'c'
	major, minor int64
	access       string
}

// every is a major or minor number that matches all.
const every = -1

// alwaysAllowed are the devices of every container, and making nodes, which
// without the right to open them does no harm (OCI runtime spec, "Default Devices").
var alwaysAllowed = []Rule{
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

// Parse translates those of a spec; the last that matches decides.
func Parse(list []specs.LinuxDeviceCgroup) ([]Rule, error) {
	var rules []Rule
	for _, d := range list {
		r := Rule{Allow: d.Allow, kind: 'a', major: every, minor: every, access: d.Access}
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
		// Any other letter beside these says nothing, as under runc: engines write "rwa".
		if r.access = strings.Map(known, r.access); r.access == "" {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "cgroup: device rule: access %q: want some of rwm", d.Access)
		}
		rules = append(rules, r)
		if !r.Allow && r.kind == 'a' {
			// Explicit rules come after these, and may deny them again.
			rules = append(rules, alwaysAllowed...)
		}
	}
	return rules, nil
}

func known(access rune) rune {
	if strings.ContainsRune("rwm", access) {
		return access
	}
	return -1
}

// String is the form of devices.allow.
func (r Rule) String() string {
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
