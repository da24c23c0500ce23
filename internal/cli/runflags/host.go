package runflags

import (
	"strings"

	"github.com/spf13/pflag"

	"cove/engine/runspec"
	"cove/engine/runspec/parse"
	"cove/errdefs"
)

// hostFlags are what a container shares with its host, or with another container.
type hostFlags struct {
	pid, ipc, uts, cgroupns, userns, cgroupParent   string
	devices, deviceRules, groups, annotations       []string
	fsAllow                                         []string
	gpus                                            filled
	weights, readBps, writeBps, readIOps, writeIOps []string
	init                                            bool
}

func (f *hostFlags) register(fs *pflag.FlagSet) {
	fs.StringVar(&f.pid, "pid", "", "whose processes it sees: host, container:NAME (default its own)")
	fs.StringVar(&f.ipc, "ipc", "", "shared memory and queues: host, private, shareable, none, container:NAME")
	fs.StringVar(&f.uts, "uts", "", "host names: host (default its own)")
	fs.StringVar(&f.cgroupns, "cgroupns", "", "view of control groups: host, private")
	fs.StringVar(&f.userns, "userns", "", "user namespace: host, auto (a range of ids of its own), keep-id (who runs it is the same inside), container:NAME")
	fs.StringVar(&f.cgroupParent, "cgroup-parent", "", "control group above its own")
	fs.StringArrayVar(&f.groups, "group-add", nil, "further group of its user: NAME or GID")
	fs.BoolVar(&f.init, "init", false, "run an init that forwards signals and reaps processes")
	fs.StringArrayVar(&f.devices, "device", nil, "give it a device: PATH[:PATH_IN_CONTAINER][:rwm], or VENDOR/CLASS=NAME (CDI)")
	fs.Var(&f.gpus, "gpus", "give it GPUs, by CDI: all, a number, or device=NAME[,NAME]")
	fs.StringArrayVar(&f.deviceRules, "device-cgroup-rule", nil, "allow devices by number: \"c 13:* rw\"")
	fs.StringArrayVar(&f.weights, "blkio-weight-device", nil, "weight at one block device: PATH:WEIGHT")
	fs.StringArrayVar(&f.readBps, "device-read-bps", nil, "limit reading from a device: PATH:BYTES a second, as 1mb")
	fs.StringArrayVar(&f.writeBps, "device-write-bps", nil, "limit writing to a device: PATH:BYTES a second")
	fs.StringArrayVar(&f.readIOps, "device-read-iops", nil, "limit reading from a device: PATH:OPERATIONS a second")
	fs.StringArrayVar(&f.writeIOps, "device-write-iops", nil, "limit writing to a device: PATH:OPERATIONS a second")
	fs.StringArrayVar(&f.fsAllow, "fs-allow", nil, "let it open these files alone, by Landlock: PATH[:ro|rw]")
	fs.StringArrayVar(&f.annotations, "annotation", nil, "annotate its runtime spec: KEY=VALUE")
}

func (f *hostFlags) parse(o *runspec.Options) (err error) {
	o.Shared = runspec.Shared{
		PID: runspec.Sharing(f.pid), IPC: runspec.Sharing(f.ipc), UTS: runspec.Sharing(f.uts),
		Cgroup: runspec.Sharing(f.cgroupns), User: runspec.Sharing(f.userns),
	}
	o.CgroupParent, o.Groups, o.Init, o.DeviceRules = f.cgroupParent, f.groups, f.init, f.deviceRules
	paths, named := parse.Devices(f.devices)
	gpus, err := parse.GPUs(string(f.gpus))
	if err != nil {
		return err
	}
	o.CDI = append(named, gpus...)
	if o.Devices, err = parseAll(paths, parse.Device); err != nil {
		return err
	}
	for _, a := range f.annotations {
		key, value, ok := strings.Cut(a, "=")
		if !ok || key == "" {
			return errdefs.Errorf(errdefs.ErrInvalid, "--annotation %s: want KEY=VALUE", a)
		}
		if o.Annotations == nil {
			o.Annotations = map[string]string{}
		}
		o.Annotations[key] = value
	}
	if err := f.parseFiles(o); err != nil {
		return err
	}
	return f.parseRates(&o.Resources)
}

func (f *hostFlags) parseFiles(o *runspec.Options) error {
	if len(f.fsAllow) == 0 {
		return nil
	}
	allowed, err := parse.FilesAllowed(f.fsAllow)
	if err != nil {
		return err
	}
	if o.Annotations == nil {
		o.Annotations = map[string]string{}
	}
	o.Annotations[runspec.FilesAllowed] = allowed
	return nil
}

func (f *hostFlags) parseRates(r *runspec.Resources) (err error) {
	for _, list := range []struct {
		texts []string
		bytes bool
		into  *[]runspec.DeviceRate
	}{
		{f.weights, false, &r.BlkioWeights},
		{f.readBps, true, &r.ReadBps},
		{f.writeBps, true, &r.WriteBps},
		{f.readIOps, false, &r.ReadIOps},
		{f.writeIOps, false, &r.WriteIOps},
	} {
		rate := func(s string) (runspec.DeviceRate, error) { return parse.DeviceRate(s, list.bytes) }
		if *list.into, err = parseAll(list.texts, rate); err != nil {
			return err
		}
	}
	return nil
}
