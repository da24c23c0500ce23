package runflags

import (
	"math"
	"strconv"
	"strings"

	"github.com/docker/go-units"
	"github.com/spf13/pflag"

	"cove/engine/runspec"
	"cove/engine/runspec/parse"
	"cove/errdefs"
)

// limitFlags are what a container may take of the machine. Whether it can, is
// the engine's to say.
type limitFlags struct {
	memory, memorySwap, memoryReservation, shmSize filled
	cpus                                           filled
	cpuset, memset                                 string
	memorySwappiness, cpuPeriod, cpuQuota          int64
	pidsLimit                                      int64
	cpuRealtimePeriod, cpuRealtimeRuntime          int64
	cpuShares                                      uint64
	blkioWeight                                    uint16
	oomScoreAdj                                    int
	oomKillDisable                                 bool
	ulimits, sysctls                               []string
}

func (f *limitFlags) register(fs *pflag.FlagSet) {
	fs.VarP(&f.memory, "memory", "m", "limit memory: 512m, 2g")
	fs.Var(&f.memorySwap, "memory-swap",
		"limit memory and swap together; -1 for no limit (default twice the memory)")
	fs.Var(&f.memoryReservation, "memory-reservation", "memory that is left to it when memory is short")
	fs.Int64Var(&f.memorySwappiness, "memory-swappiness", -1, "how soon its memory is swapped: 0 to 100")
	fs.BoolVar(&f.oomKillDisable, "oom-kill-disable", false, "stop it instead of killing it at its memory limit")
	fs.IntVar(&f.oomScoreAdj, "oom-score-adj", 0, "how soon the host kills it for memory: -1000 to 1000")
	fs.Var(&f.cpus, "cpus", "limit CPUs: 1.5")
	fs.Int64Var(&f.cpuPeriod, "cpu-period", 0, "period of --cpu-quota in microseconds (the kernel's is 100000)")
	fs.Int64Var(&f.cpuQuota, "cpu-quota", 0, "microseconds of each period that it may run")
	fs.Int64Var(&f.cpuRealtimePeriod, "cpu-rt-period", 0, "period of --cpu-rt-runtime in microseconds")
	fs.Int64Var(&f.cpuRealtimeRuntime, "cpu-rt-runtime", 0, "microseconds of each that real-time tasks may run")
	fs.Uint64VarP(&f.cpuShares, "cpu-shares", "c", 0, "weight beside other containers (the kernel's is 1024)")
	fs.StringVar(&f.cpuset, "cpuset-cpus", "", "which CPUs it may use: 0-3,6")
	fs.StringVar(&f.memset, "cpuset-mems", "", "which memory nodes it may use: 0-1")
	fs.Uint16Var(&f.blkioWeight, "blkio-weight", 0, "weight at block devices: 10 to 1000")
	fs.Int64Var(&f.pidsLimit, "pids-limit", 0, "limit processes")
	fs.Var(&f.shmSize, "shm-size", "size of /dev/shm (default 64m)")
	fs.StringArrayVar(&f.ulimits, "ulimit", nil, "limit of each process: NAME=SOFT[:HARD]")
	fs.StringArrayVar(&f.sysctls, "sysctl", nil, "kernel parameter of its namespaces: NAME=VALUE")
}

func (f *limitFlags) parse(o *runspec.Options) (err error) {
	r := &o.Resources
	for _, size := range []struct {
		flag string
		text filled
		into *int64
	}{
		{"--memory", f.memory, &r.Memory},
		{"--memory-reservation", f.memoryReservation, &r.MemoryReservation},
		{"--shm-size", f.shmSize, &r.ShmSize},
	} {
		if *size.into, err = parseSize(size.flag, size.text); err != nil {
			return err
		}
	}
	if r.MemorySwap = -1; f.memorySwap != "-1" {
		if r.MemorySwap, err = parseSize("--memory-swap", f.memorySwap); err != nil {
			return err
		}
	}
	if f.memorySwappiness < -1 {
		return errdefs.Errorf(errdefs.ErrInvalid, "--memory-swappiness %d: want 0 to 100", f.memorySwappiness)
	}
	if f.memorySwappiness >= 0 {
		swappiness := uint64(f.memorySwappiness)
		r.MemorySwappiness = &swappiness
	}
	r.OOMKillDisable, r.OOMScoreAdj = f.oomKillDisable, f.oomScoreAdj
	r.CPUPeriod, r.CPUQuota, r.Cpuset, r.Memset = f.cpuPeriod, f.cpuQuota, f.cpuset, f.memset
	r.CPURealtimePeriod, r.CPURealtimeRuntime = f.cpuRealtimePeriod, f.cpuRealtimeRuntime
	if f.cpuShares > 0 {
		r.CPUShares = min(max(f.cpuShares, 2), 262144) // the kernel's bounds, as docker keeps to them
	}
	r.BlkioWeight, r.PidsLimit = f.blkioWeight, max(f.pidsLimit, -1)
	if f.cpus != "" {
		n, err := rational(string(f.cpus))
		if err != nil || math.IsNaN(n) || math.Abs(n) > 1e6 {
			return errdefs.Errorf(errdefs.ErrInvalid, "--cpus %s: want a number, 0.01 or more, as 1.5", f.cpus)
		}
		r.NanoCPUs = int64(math.Round(n * 1e9))
	}
	return f.parseLists(r)
}

func (f *limitFlags) parseLists(r *runspec.Resources) (err error) {
	if r.Ulimits, err = parseAll(f.ulimits, parse.Ulimit); err != nil {
		return err
	}
	for _, s := range f.sysctls {
		name, value, err := parse.Sysctl(s)
		if err != nil {
			return err
		}
		if r.Sysctls == nil {
			r.Sysctls = map[string]string{}
		}
		r.Sysctls[name] = value
	}
	return nil
}

// rational reads a number, or two as 3/2.
func rational(s string) (float64, error) {
	above, below, both := strings.Cut(s, "/")
	n, err := strconv.ParseFloat(above, 64)
	if !both || err != nil {
		return n, err
	}
	m, err := strconv.ParseFloat(below, 64)
	return n / m, err
}

func parseSize(flag string, text filled) (int64, error) {
	s := string(text)
	if s == "" {
		return 0, nil
	}
	n, err := units.RAMInBytes(s)
	if err != nil || n < 0 {
		return 0, errdefs.Errorf(errdefs.ErrInvalid, "%s %s: want a size, as 512m or 2g", flag, s)
	}
	return n, nil
}

// filled is the text of a flag that means nothing when it is empty, so that it is refused, as docker does.
type filled string

func (f *filled) Set(s string) error {
	if s == "" {
		return errdefs.Errorf(errdefs.ErrInvalid, "it is empty")
	}
	*f = filled(s)
	return nil
}

func (f *filled) String() string { return string(*f) }

// Type is how help calls the value.
func (*filled) Type() string { return "string" }
