package parse

import (
	"path"
	"strconv"
	"strings"

	"github.com/docker/go-units"

	"cove/engine/runspec"
	"cove/errdefs"
	"cove/runner/record"
)

// Device reads HOST[:CONTAINER][:ACCESS]; what may be done is "rwm" unless
// it says less.
func Device(s string) (record.Device, error) {
	bad := func(why string) (record.Device, error) {
		return record.Device{}, errdefs.Errorf(errdefs.ErrInvalid,
			"device %s: %s; want PATH[:PATH_IN_CONTAINER][:rwm], as /dev/fuse", s, why)
	}
	parts := strings.Split(s, ":")
	d := record.Device{Source: parts[0], Target: parts[0], Access: "rwm"}
	switch {
	case len(parts) == 3:
		d.Target, d.Access = parts[1], parts[2]
	case len(parts) == 2 && runspec.IsAccess(parts[1]):
		d.Access = parts[1]
	case len(parts) == 2:
		d.Target = parts[1]
	case len(parts) > 3:
		return bad("too many colons")
	}
	switch {
	case !path.IsAbs(d.Source):
		return bad("its path is not absolute")
	case !path.IsAbs(d.Target):
		return bad("its path in the container is not absolute")
	case !runspec.IsAccess(d.Access):
		return bad(strconv.Quote(d.Access) + " is no access of r, w and m")
	}
	d.Source, d.Target = path.Clean(d.Source), path.Clean(d.Target)
	return d, nil
}

// DeviceRate reads PATH:RATE; the rate may be a size, as 1mb, if it is of
// bytes.
func DeviceRate(s string, bytes bool) (record.DeviceRate, error) {
	name, rate, ok := strings.Cut(s, ":")
	d := record.DeviceRate{Path: path.Clean(name)}
	var err error
	if bytes {
		var n int64
		n, err = units.RAMInBytes(rate)
		ok = ok && n >= 0
		d.Rate = uint64(n)
	} else {
		d.Rate, err = strconv.ParseUint(rate, 10, 64)
	}
	if !ok || err != nil || !path.IsAbs(name) {
		return d, errdefs.Errorf(errdefs.ErrInvalid, "bad format for a rate: %s: want DEVICE:NUMBER, as /dev/sda:1000", s)
	}
	return d, nil
}

// Devices divides devices into those by path and those of the Container Device
// Interface, VENDOR/CLASS=NAME.
func Devices(all []string) (paths, named []string) {
	for _, s := range all {
		if !path.IsAbs(s) && strings.Contains(s, "=") {
			named = append(named, s)
		} else {
			paths = append(paths, s)
		}
	}
	return paths, named
}

// gpu is what vendors call a GPU, without another vendor.
const gpu = "nvidia.com/gpu"

// GPUs reads all, a number, or device=NAME[,NAME…], in quotes or not;
// a NAME may be one of the Container Device Interface in full.
func GPUs(s string) ([]string, error) {
	bad := func() error {
		return errdefs.Errorf(errdefs.ErrInvalid, "gpus %s: want all, a number, or device=NAME[,NAME…]", s)
	}
	s = strings.Trim(s, `"`)
	if s == "" {
		return nil, nil
	}
	if n, err := strconv.Atoi(s); err == nil {
		if n == -1 {
			return []string{gpu + "=all"}, nil
		}
		var names []string
		for i := range n {
			names = append(names, gpu+"="+strconv.Itoa(i))
		}
		if n < 1 {
			return nil, bad()
		}
		return names, nil
	}
	if s == "all" {
		return []string{gpu + "=all"}, nil
	}
	list, ok := strings.CutPrefix(s, "device=")
	if !ok || list == "" {
		return nil, bad()
	}
	var names []string
	for name := range strings.SplitSeq(list, ",") {
		if !strings.Contains(name, "=") {
			name = gpu + "=" + name
		}
		names = append(names, name)
	}
	return names, nil
}
