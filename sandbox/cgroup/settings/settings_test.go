package settings

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/runtime-spec/specs-go"

	"cove/errdefs"
)

func p[T any](v T) *T { return &v }

// TestRefused: what version 2 has no word for is refused by the name of the limit.
func TestRefused(t *testing.T) {
	t.Parallel()
	refused := map[string]*specs.LinuxResources{
		"memory-swappiness": {Memory: &specs.LinuxMemory{Swappiness: p(uint64(1))}},
		"oom-kill-disable":  {Memory: &specs.LinuxMemory{DisableOOMKiller: p(true)}},
		"kernel-memory-tcp": {Memory: &specs.LinuxMemory{KernelTCP: p(int64(1))}},
		"useHierarchy":      {Memory: &specs.LinuxMemory{UseHierarchy: p(false)}},
		"leaf-weight":       {BlockIO: &specs.LinuxBlockIO{LeafWeight: p(uint16(1))}},
		"net-cls":           {Network: &specs.LinuxNetwork{ClassID: p(uint32(1))}},
		"net-prio":          {Network: &specs.LinuxNetwork{Priorities: []specs.LinuxInterfacePriority{{Name: "eth0"}}}},
	}
	for name, r := range refused {
		if _, err := Of(r, true); !errors.Is(err, errdefs.ErrUnsupported) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestWeight has the ends and the middle of both scales in common.
func TestWeight(t *testing.T) {
	t.Parallel()
	last := uint64(0)
	for _, tt := range [][2]uint64{{0, 1}, {2, 1}, {102, 17}, {512, 59}, {1024, 100}, {2048, 174}, {262144, 10000}, {1 << 40, 10000}} {
		got := weight(tt[0])
		if got != tt[1] || got < last {
			t.Errorf("%d shares: weight %d, want %d", tt[0], got, tt[1])
		}
		last = got
	}
}

func TestSettingsV2(t *testing.T) {
	t.Parallel()
	got, err := Of(&specs.LinuxResources{
		Memory:  &specs.LinuxMemory{Limit: p(int64(100)), Swap: p(int64(150)), Reservation: p(int64(50))},
		CPU:     &specs.LinuxCPU{Shares: p(uint64(1024)), Quota: p(int64(50000)), Cpus: "0-1"},
		Pids:    &specs.LinuxPids{Limit: p(int64(-1))},
		BlockIO: &specs.LinuxBlockIO{ThrottleReadBpsDevice: []specs.LinuxThrottleDevice{throttleDevice(8, 0, 1000)}},
		Unified: map[string]string{"memory.high": "90", "io.max": "8:0 wiops=1\n8:1 wiops=2"},
	}, true)
	want := []Setting{
		{"memory", "memory.max", "100", "memory", nil},
		{"memory", "memory.swap.max", "50", "memory-swap", nil},
		{"memory", "memory.low", "50", "memory-reservation", nil},
		{"cpu", "cpu.weight", "100", "cpu-shares", nil},
		{"cpu", "cpu.max", "50000 100000", "cpu-quota", nil},
		{"cpuset", "cpuset.cpus", "0-1", "cpuset-cpus", nil},
		{"pids", "pids.max", "max", "pids-limit", nil},
		{"io", "io.max", "8:0 rbps=1000", "device-read-bps", nil},
		{"io", "io.max", "8:0 wiops=1", "unified io.max", nil},
		{"io", "io.max", "8:1 wiops=2", "unified io.max", nil},
		{"memory", "memory.high", "90", "unified memory.high", nil},
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v, -want +got:\n%s", err, diff)
	}
	for name, r := range map[string]*specs.LinuxResources{
		"swap below memory": {Memory: &specs.LinuxMemory{Limit: p(int64(100)), Swap: p(int64(50))}},
		"swap alone":        {Memory: &specs.LinuxMemory{Swap: p(int64(50))}},
		"path":              {Unified: map[string]string{"../memory.max": "1"}},
	} {
		if _, err := Of(r, true); !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSettingsV1(t *testing.T) {
	t.Parallel()
	got, err := Of(&specs.LinuxResources{
		Memory:         &specs.LinuxMemory{Limit: p(int64(100)), Swap: p(int64(200)), Swappiness: p(uint64(3)), DisableOOMKiller: p(true)},
		CPU:            &specs.LinuxCPU{Shares: p(uint64(1024)), Quota: p(int64(50000)), RealtimeRuntime: p(int64(7)), Mems: "0"},
		Pids:           &specs.LinuxPids{Limit: p(int64(9))},
		HugepageLimits: []specs.LinuxHugepageLimit{{Pagesize: "2MB", Limit: 4}},
		BlockIO:        &specs.LinuxBlockIO{Weight: p(uint16(10)), ThrottleReadBpsDevice: []specs.LinuxThrottleDevice{throttleDevice(8, 0, 1000)}},
		Network:        &specs.LinuxNetwork{ClassID: p(uint32(5)), Priorities: []specs.LinuxInterfacePriority{{Name: "eth0", Priority: 2}}},
	}, false)
	want := []Setting{
		{"memory", "memory.limit_in_bytes", "100", "memory", nil},
		{"memory", "memory.memsw.limit_in_bytes", "200", "memory-swap", nil},
		{"memory", "memory.swappiness", "3", "memory-swappiness", nil},
		{"memory", "memory.oom_control", "1", "oom-kill-disable", nil},
		{"cpu", "cpu.shares", "1024", "cpu-shares", nil},
		{"cpu", "cpu.cfs_quota_us", "50000", "cpu-quota", nil},
		{"cpu", "cpu.rt_runtime_us", "7", "cpu-rt-runtime", nil},
		{"cpuset", "cpuset.mems", "0", "cpuset-mems", nil},
		{"pids", "pids.max", "9", "pids-limit", nil},
		{"hugetlb", "hugetlb.2MB.limit_in_bytes", "4", "hugetlb", nil},
		{"hugetlb", "hugetlb.2MB.rsvd.limit_in_bytes", "4", "hugetlb", &Setting{}},
		{"blkio", "blkio.bfq.weight", "10", "blkio-weight", &Setting{"blkio", "blkio.weight", "10", "blkio-weight", nil}},
		{"blkio", "blkio.throttle.read_bps_device", "8:0 1000", "device-read-bps", nil},
		{"net_cls", "net_cls.classid", "5", "net-cls", nil},
		{"net_prio", "net_prio.ifpriomap", "eth0 2", "net-prio", nil},
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v, -want +got:\n%s", err, diff)
	}
	if _, err := Of(&specs.LinuxResources{Unified: map[string]string{"memory.high": "1"}}, false); !errors.Is(err, errdefs.ErrUnsupported) {
		t.Errorf("a file of v2: %v", err)
	}
}

func throttleDevice(major, minor int64, rate uint64) specs.LinuxThrottleDevice {
	d := specs.LinuxThrottleDevice{Rate: rate}
	d.Major, d.Minor = major, minor
	return d
}

// TestWithoutLimit: a limit of memory goes with that of memory and swap together, which is never
// less, unless that is given; and no processes are one, as the first is in the group.
func TestWithoutLimit(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		r    specs.LinuxResources
		want []Setting
	}{
		{specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: p(int64(-1))}}, []Setting{
			{"memory", "memory.limit_in_bytes", "-1", "memory", nil},
			{"memory", "memory.memsw.limit_in_bytes", "-1", "memory-swap", &Setting{}},
		}},
		{specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: p(int64(-1)), Swap: p(int64(5))}}, []Setting{
			{"memory", "memory.limit_in_bytes", "-1", "memory", nil},
			{"memory", "memory.memsw.limit_in_bytes", "5", "memory-swap", nil},
		}},
		{specs.LinuxResources{Pids: &specs.LinuxPids{Limit: p(int64(0))}}, []Setting{{"pids", "pids.max", "1", "pids-limit", nil}}},
	} {
		got, err := Of(&tt.r, false)
		if diff := cmp.Diff(tt.want, got); err != nil || diff != "" {
			t.Errorf("%v, -want +got:\n%s", err, diff)
		}
	}
}
