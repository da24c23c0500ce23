package runspec

import (
	"os"
	"slices"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"cove/errdefs"
	"cove/runner/record"
	"cove/sandbox/defaults"
)

// IsAccess reports whether s has some of r, w and m, none of them twice.
func IsAccess(s string) bool {
	for i := range len(s) {
		if !strings.Contains("rwm", s[i:i+1]) || strings.Contains(s[:i], s[i:i+1]) {
			return false
		}
	}
	return s != ""
}

// parseDeviceRule reads a rule over devices in the kernel's words, as "c 13:* rw":
// what it says is allowed.
func parseDeviceRule(s string) (specs.LinuxDeviceCgroup, error) {
	r := specs.LinuxDeviceCgroup{Allow: true}
	fields := strings.Fields(s)
	ok := len(fields) == 3 && slices.Contains([]string{"a", "b", "c"}, fields[0]) && IsAccess(fields[2])
	if ok {
		r.Type, r.Access = fields[0], fields[2]
		major, minor, both := strings.Cut(fields[1], ":")
		var ok1, ok2 bool
		r.Major, ok1 = deviceNumber(major)
		r.Minor, ok2 = deviceNumber(minor)
		ok = both && ok1 && ok2
	}
	if !ok {
		return r, errdefs.Errorf(errdefs.ErrInvalid,
			"invalid device cgroup format '%s': want TYPE MAJOR:MINOR ACCESS, as c 13:* rw", s)
	}
	return r, nil
}

// deviceNumber is nil for "*", which is all.
func deviceNumber(s string) (*int64, bool) {
	if s == "*" {
		return nil, true
	}
	n, err := strconv.ParseUint(s, 10, 32)
	number := int64(n)
	return &number, err == nil
}

func devices(list []Device) []specs.LinuxDevice {
	var out []specs.LinuxDevice
	for _, d := range list {
		mode := os.FileMode(d.Mode)
		out = append(out, specs.LinuxDevice{
			Path: d.Path, Type: d.Type, Major: d.Major, Minor: d.Minor,
			FileMode: &mode, UID: &d.UID, GID: &d.GID,
		})
	}
	return out
}

// deviceRules are the defaults, what the container's devices need, and what was
// asked for.
func deviceRules(o Options, f Facts) ([]specs.LinuxDeviceCgroup, error) {
	if o.Security.Privileged {
		return []specs.LinuxDeviceCgroup{{Allow: true, Access: "rwm"}}, nil
	}
	rules := defaults.DeviceRules()
	for _, d := range f.Devices {
		if d.Access != "" {
			rules = append(rules, specs.LinuxDeviceCgroup{
				Allow: true, Type: d.Type, Major: &d.Major, Minor: &d.Minor, Access: d.Access,
			})
		}
	}
	for _, s := range o.DeviceRules {
		rule, err := parseDeviceRule(s)
		if err != nil {
			return nil, err
		}
		rules = append(rules, rule)
	}
	return rules, nil
}

func blockIO(r record.Resources, blocks map[string]Device) *specs.LinuxBlockIO {
	b := &specs.LinuxBlockIO{}
	if r.BlkioWeight > 0 {
		b.Weight = &r.BlkioWeight
	}
	for _, w := range r.BlkioWeights {
		d, weight := specs.LinuxWeightDevice{}, uint16(w.Rate)
		d.Major, d.Minor, d.Weight = blocks[w.Path].Major, blocks[w.Path].Minor, &weight
		b.WeightDevice = append(b.WeightDevice, d)
	}
	throttles := func(rates []record.DeviceRate) (out []specs.LinuxThrottleDevice) {
		for _, r := range rates {
			d := specs.LinuxThrottleDevice{Rate: r.Rate}
			d.Major, d.Minor = blocks[r.Path].Major, blocks[r.Path].Minor
			out = append(out, d)
		}
		return out
	}
	b.ThrottleReadBpsDevice, b.ThrottleWriteBpsDevice = throttles(r.ReadBps), throttles(r.WriteBps)
	b.ThrottleReadIOPSDevice, b.ThrottleWriteIOPSDevice = throttles(r.ReadIOps), throttles(r.WriteIOps)
	if b.Weight == nil && len(b.WeightDevice) == 0 && len(r.Rates()) == 0 {
		return nil
	}
	return b
}
