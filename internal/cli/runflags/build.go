package runflags

import (
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"cove/engine/runspec"
	"cove/engine/runspec/parse"
	"cove/errdefs"
)

// BuildFlags are those of run that a build has for its commands, in the same
// words.
type BuildFlags struct {
	limits       limitFlags
	addHosts     []string
	cgroupParent string
	resources    []string
	registered   *pflag.FlagSet
}

// resourceFlags are those that --resource gives in other words.
var resourceFlags = []string{
	"memory", "memory-swap", "cpu-shares", "cpu-period", "cpu-quota", "cpuset-cpus", "cpuset-mems",
}

// Register adds the flags.
func (f *BuildFlags) Register(fs *pflag.FlagSet) {
	l := &f.limits
	l.memorySwappiness = -1
	fs.StringArrayVar(&f.addHosts, "add-host", nil, "add a line to the /etc/hosts of RUN: NAME:IP")
	fs.StringVar(&f.cgroupParent, "cgroup-parent", "", "control group above that of RUN")
	fs.Var(&l.shmSize, "shm-size", "size of /dev/shm of RUN (default 64m)")
	fs.StringArrayVar(&l.ulimits, "ulimit", nil, "limit of each process of RUN: NAME=SOFT[:HARD]")
	fs.VarP(&l.memory, "memory", "m", "limit memory of RUN: 512m, 2g")
	fs.Var(&l.memorySwap, "memory-swap", "limit its memory and swap together; -1 for no limit")
	fs.Uint64VarP(&l.cpuShares, "cpu-shares", "c", 0, "its weight beside other containers")
	fs.Int64Var(&l.cpuPeriod, "cpu-period", 0, "period of --cpu-quota in microseconds")
	fs.Int64Var(&l.cpuQuota, "cpu-quota", 0, "microseconds of each period that it may run")
	fs.StringVar(&l.cpuset, "cpuset-cpus", "", "which CPUs it may use: 0-3,6")
	fs.StringVar(&l.memset, "cpuset-mems", "", "which memory nodes it may use: 0-1")
	fs.StringArrayVar(&f.resources, "resource", nil, "one of these limits as buildx has it: memory=2g, cpu-quota=50000")
	f.registered = fs
}

// Parse reads what was given; of the options it sets AddHosts, CgroupParent and
// Resources.
func (f *BuildFlags) Parse() (o runspec.Options, err error) {
	f.limits.memorySwappiness = -1
	for _, r := range f.resources {
		key, value, ok := strings.Cut(r, "=")
		if !ok || !slices.Contains(resourceFlags, key) {
			return o, errdefs.Errorf(errdefs.ErrInvalid, "--resource %s: want KEY=VALUE, with one of the keys %s", r,
				strings.Join(resourceFlags, ", "))
		}
		if err := f.registered.Set(key, value); err != nil {
			return o, errdefs.Errorf(errdefs.ErrInvalid, "--resource %s: %w", r, err)
		}
	}
	o.CgroupParent = f.cgroupParent
	if o.AddHosts, err = parseAll(f.addHosts, parse.Host); err != nil {
		return o, err
	}
	return o, f.limits.parse(&o)
}

// AddHost and SetLimits give what is given otherwise than by flags.
func (f *BuildFlags) AddHost(name, ip string) { f.addHosts = append(f.addHosts, name+":"+ip) }

// SetLimits sets the size of /dev/shm and the limits of processes.
func (f *BuildFlags) SetLimits(shmSize string, ulimits []string) {
	f.limits.shmSize, f.limits.ulimits = filled(shmSize), ulimits
}
