package runspec

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"cove/errdefs"
	"cove/internal/numset"
	"cove/runner/record"
)

// Machine is what limits are held to.
type Machine struct {
	// CPUs are the processors that are online, Nodes those of memory, as lists
	// of numbers.
	CPUs, Nodes string
}

// leastMemory is docker's least, below which the kernel kills what starts.
const leastMemory = 6 << 20

// CheckLimits refuses limits that no container can have on a machine, in docker's
// words; the errors are ErrInvalid.
func CheckLimits(r record.Resources, m Machine) error {
	for _, check := range []func(record.Resources, Machine) error{checkMemory, checkCPU, checkSets, checkOthers} {
		if err := check(r, m); err != nil {
			return err
		}
	}
	return nil
}

// rule is a condition that may not hold, and what is said of it then.
type rule struct {
	broken bool
	says   string
}

func firstBroken(rules []rule) error {
	for _, r := range rules {
		if r.broken {
			return errdefs.Errorf(errdefs.ErrInvalid, "%s", r.says)
		}
	}
	return nil
}

func checkMemory(r record.Resources, _ Machine) error {
	return firstBroken([]rule{
		{r.Memory < 0, "the memory limit can not be negative"},
		{r.Memory > 0 && r.Memory < leastMemory, "Minimum memory limit allowed is 6MB"},
		{r.MemorySwap < -1, "the memoryswap limit can not be less than -1, which is no limit"},
		{
			r.Memory == 0 && r.MemorySwap > 0,
			"you should always set the memory limit when using memoryswap limit",
		},
		{
			r.MemorySwap > 0 && r.MemorySwap < r.Memory,
			"Minimum memoryswap limit should be larger than memory limit: it is of both together",
		},
		{r.MemorySwappiness != nil && *r.MemorySwappiness > 100, "valid memory swappiness range is 0-100"},
		{r.MemoryReservation < 0, "the memory reservation can not be negative"},
		{
			r.MemoryReservation > 0 && r.MemoryReservation < leastMemory,
			"Minimum memory reservation allowed is 6MB",
		},
		{
			r.Memory > 0 && r.MemoryReservation > r.Memory,
			"Minimum memory limit can not be less than memory reservation limit",
		},
		{r.ShmSize < 0, "SHM size can not be less than 0"},
	})
}

func checkCPU(r record.Resources, m Machine) error {
	online, err := numset.Parse(m.CPUs)
	if err != nil {
		return err
	}
	n := strconv.Itoa(online.Len())
	return firstBroken([]rule{
		{
			r.NanoCPUs < 0 || r.NanoCPUs > int64(online.Len())*1e9 || r.NanoCPUs > 0 && r.NanoCPUs < 1e7,
			"Range of CPUs is from 0.01 to " + n + ".00, as there are only " + n + " CPUs available",
		},
		{
			r.NanoCPUs > 0 && r.CPUPeriod != 0,
			"Conflicting options: Nano CPUs and CPU Period cannot both be set",
		},
		{
			r.NanoCPUs > 0 && r.CPUQuota != 0,
			"Conflicting options: Nano CPUs and CPU Quota cannot both be set",
		},
		{
			r.CPUPeriod != 0 && (r.CPUPeriod < 1000 || r.CPUPeriod > 1_000_000),
			"CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)",
		},
		{r.CPUQuota > 0 && r.CPUQuota < 1000, "CPU cfs quota can not be less than 1ms (i.e. 1000)"},
		{
			r.CPURealtimePeriod < 0 || r.CPURealtimeRuntime < 0,
			"CPU real-time period and runtime can not be negative",
		},
		{
			r.CPURealtimePeriod != 0 && r.CPURealtimeRuntime > r.CPURealtimePeriod,
			"cpu real-time runtime cannot be higher than cpu real-time period",
		},
		{
			r.CPUShares != 0 && (r.CPUShares < 2 || r.CPUShares > 262144),
			"range of CPU shares is from 2 to 262144",
		},
	})
}

func checkSets(r record.Resources, m Machine) error {
	for _, s := range []struct{ asked, has, list, what string }{
		{r.Cpuset, m.CPUs, "cpuset cpus", "CPUs"},
		{r.Memset, m.Nodes, "cpuset mems", "memory nodes"},
	} {
		asked, err := numset.Parse(s.asked)
		if err != nil {
			return errdefs.Errorf(errdefs.ErrInvalid, "Invalid value %s for %s: %w", s.asked, s.list, err)
		}
		has, err := numset.Parse(s.has)
		if err != nil {
			return err
		}
		if !asked.In(has) {
			return errdefs.Errorf(errdefs.ErrInvalid,
				"Requested %s are not available - requested %s, available: %s", s.what, s.asked, s.has)
		}
	}
	return nil
}

func checkOthers(r record.Resources, _ Machine) error {
	rules := []rule{
		{
			r.BlkioWeight != 0 && (r.BlkioWeight < 10 || r.BlkioWeight > 1000),
			"Range of blkio weight is from 10 to 1000",
		},
		{
			r.OOMScoreAdj < -1000 || r.OOMScoreAdj > 1000,
			fmt.Sprintf("Invalid value %d, range for oom score adj is [-1000, 1000]", r.OOMScoreAdj),
		},
		{r.PidsLimit < -1, "the limit of processes is a number, or -1 for none"},
	}
	for _, w := range r.BlkioWeights {
		rules = append(rules, rule{
			w.Rate < 10 || w.Rate > 1000,
			"Range of blkio weight is from 10 to 1000, at " + w.Path + " too",
		})
	}
	for _, u := range r.Ulimits {
		known := "; there are " + strings.Join(ulimitNames, ", ")
		above := u.Hard >= 0 && (u.Soft > u.Hard || u.Soft < 0)
		rules = append(rules,
			rule{!slices.Contains(ulimitNames, u.Name), "invalid ulimit type: " + u.Name + known},
			rule{u.Soft < -1 || u.Hard < -1, "ulimit " + u.Name + ": a limit is a number, or -1 for none"},
			rule{above, "ulimit " + u.Name + ": soft limit must be less than or equal to hard limit"},
		)
	}
	return firstBroken(rules)
}

var ulimitNames = []string{
	"core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc",
	"rss", "rtprio", "rttime", "sigpending", "stack",
}

func rlimits(ulimits []record.Ulimit) []specs.POSIXRlimit {
	var out []specs.POSIXRlimit
	for _, u := range ulimits {
		out = append(out, specs.POSIXRlimit{
			Type: "RLIMIT_" + strings.ToUpper(u.Name), Soft: uint64(u.Soft), Hard: uint64(u.Hard),
		})
	}
	return out
}
