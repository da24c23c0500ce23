package cgroup

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cove/errdefs"
	"cove/sandbox/host"
)

// directory is a hierarchy of ordinary files, as far as a group of one reads and writes
// those of the kernel. The host of the tests may have another mode.
func directory(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		full := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func fakeV2(t *testing.T, files map[string]string) *Group {
	t.Helper()
	return Load(host.Cgroup{Mode: host.CgroupV2, Hierarchies: []host.Hierarchy{
		{Mount: directory(t, files), Controllers: []string{"cpu", "memory", "io", "pids"}, V2: true},
	}}, "/box")
}

func fakeV1(t *testing.T, files map[string]string) *Group {
	t.Helper()
	dir := directory(t, files)
	h := host.Cgroup{Mode: host.CgroupV1}
	for _, name := range []string{"cpu,cpuacct", "memory", "pids", "blkio", "freezer"} {
		h.Hierarchies = append(h.Hierarchies, host.Hierarchy{
			Name: name, Mount: filepath.Join(dir, name), Controllers: strings.Split(name, ","),
		})
	}
	return Load(h, "/box")
}

func TestStatsV2(t *testing.T) {
	t.Parallel()
	g := fakeV2(t, map[string]string{
		"box/cpu.stat":            "usage_usec 500\nuser_usec 300\nsystem_usec 200\nnr_periods 9\nnr_throttled 4\nthrottled_usec 70\n",
		"box/memory.current":      "1000\n",
		"box/memory.peak":         "3000\n",
		"box/memory.max":          "4096\n",
		"box/memory.stat":         "anon 400\nfile 500\ninactive_file 100\n",
		"box/memory.events":       "low 0\nhigh 0\nmax 7\noom 2\noom_kill 1\n",
		"box/memory.swap.current": "24\n",
		"box/memory.swap.max":     "904\n",
		"box/memory.swap.events":  "max 3\n",
		"box/pids.current":        "5\n",
		"box/pids.max":            "max\n",
		"box/io.stat":             "8:0 rbytes=4096 wbytes=8192 rios=1 wios=2 dbytes=0 dios=0\n8:16 rbytes=1\nnonsense\n",
	})
	got, err := g.Stats()
	want := Stats{
		CPU: CPUStats{Usage: 500000, User: 300000, System: 200000, Periods: 9, Throttled: 4, ThrottledTime: 70000},
		Memory: MemoryStats{
			Usage: 1000, Max: 3000, Limit: 4096, Cache: 100, OOMKills: 1, Failures: 7,
			Swap: SwapStats{Usage: 1024, Limit: 5000, Failures: 3},
			Raw:  map[string]uint64{"anon": 400, "file": 500, "inactive_file": 100},
		},
		Pids: PidsStats{Current: 5},
		IO: []IOStats{
			{Major: 8, ReadBytes: 4096, WriteBytes: 8192, ReadOps: 1, WriteOps: 2}, {Major: 8, Minor: 16, ReadBytes: 1},
		},
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v, -want +got:\n%s", err, diff)
	}
	if n, err := g.OOMKills(); err != nil || n != 1 {
		t.Errorf("%d kills, %v", n, err)
	}
}

func TestStatsV1(t *testing.T) {
	t.Parallel()
	g := fakeV1(t, map[string]string{
		"cpu,cpuacct/box/cpuacct.usage":                       "900\n",
		"cpu,cpuacct/box/cpuacct.usage_percpu":                "400 500 \n",
		"cpu,cpuacct/box/cpuacct.stat":                        "user 2\nsystem 1\n",
		"cpu,cpuacct/box/cpu.stat":                            "nr_periods 9\nnr_throttled 4\nthrottled_time 70\n",
		"memory/box/memory.usage_in_bytes":                    "1000\n",
		"memory/box/memory.max_usage_in_bytes":                "3000\n",
		"memory/box/memory.limit_in_bytes":                    "9223372036854771712\n",
		"memory/box/memory.failcnt":                           "7\n",
		"memory/box/memory.stat":                              "cache 500\ntotal_inactive_file 100\n",
		"memory/box/memory.memsw.usage_in_bytes":              "1024\n",
		"memory/box/memory.memsw.max_usage_in_bytes":          "3024\n",
		"memory/box/memory.memsw.limit_in_bytes":              "5000\n",
		"memory/box/memory.memsw.failcnt":                     "3\n",
		"memory/box/memory.oom_control":                       "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n",
		"memory/box/below/memory.oom_control":                 "oom_kill 2\n",
		"pids/box/pids.current":                               "5\n",
		"pids/box/pids.max":                                   "17\n",
		"blkio/box/blkio.throttle.io_service_bytes_recursive": "8:0 Read 4096\n8:0 Write 8192\n8:0 Sync 1\nTotal 12288\n",
		"blkio/box/blkio.throttle.io_serviced_recursive":      "8:0 Read 1\n8:0 Write 2\n",
	})
	got, err := g.Stats()
	want := Stats{
		CPU: CPUStats{
			Usage: 900, User: 20000000, System: 10000000, Periods: 9, Throttled: 4, ThrottledTime: 70,
			PerCPU: []uint64{400, 500},
		},
		Memory: MemoryStats{
			Usage: 1000, Max: 3000, Cache: 100, OOMKills: 3, Failures: 7,
			Swap: SwapStats{Usage: 1024, Max: 3024, Limit: 5000, Failures: 3},
			Raw:  map[string]uint64{"cache": 500, "total_inactive_file": 100},
		},
		Pids: PidsStats{Current: 5, Limit: 17},
		IO:   []IOStats{{Major: 8, ReadBytes: 4096, WriteBytes: 8192, ReadOps: 1, WriteOps: 2}},
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v, -want +got:\n%s", err, diff)
	}
}

// TestStatsOfAHostWithout has zeros for controllers that are not there, and an error for
// one that cannot be read.
func TestStatsOfAHostWithout(t *testing.T) {
	t.Parallel()
	for _, g := range []*Group{fakeV2(t, nil), fakeV1(t, nil)} {
		if s, err := g.Stats(); err != nil || s.Memory.Usage != 0 || s.IO != nil {
			t.Errorf("%+v, %v", s, err)
		}
		if n, err := g.OOMKills(); n != 0 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
	}
	broken := fakeV2(t, map[string]string{"box/memory.current/is a directory": ""})
	if _, err := broken.Stats(); err == nil || !strings.Contains(err.Error(), "/box") {
		t.Error(err)
	}
}

// TestDelegate passes controllers on that the groups above do not have yet.
func TestDelegate(t *testing.T) {
	t.Parallel()
	g := fakeV2(t, map[string]string{
		"cgroup.subtree_control":       "cpu memory io pids\n",
		"above/cgroup.subtree_control": "",
	})
	g = Load(g.host, "/above/box")
	made, err := g.mkdir(&g.host.Hierarchies[0])
	if err != nil || !made {
		t.Fatal(made, err)
	}
	text, err := os.ReadFile(filepath.Join(g.host.Hierarchies[0].Mount, "above/cgroup.subtree_control"))
	// Of an ordinary file the beginning is written again and again; the last is the longest.
	if err != nil || !strings.HasPrefix(string(text), "+pids") {
		t.Errorf("%q, %v", text, err)
	}
	if made, err := g.mkdir(&g.host.Hierarchies[0]); made || err != nil {
		t.Errorf("again: %v, %v", made, err)
	}
	if err := os.Remove(filepath.Join(g.host.Hierarchies[0].Mount, "above/cgroup.subtree_control")); err != nil {
		t.Fatal(err)
	}
	if _, err := g.mkdir(&g.host.Hierarchies[0]); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a directory that is no group: %v", err)
	}
}

func TestFrozenForms(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		g    *Group
		want bool
	}{
		"v2":             {fakeV2(t, map[string]string{"box/cgroup.events": "populated 1\nfrozen 1\n"}), true},
		"v2, thawed":     {fakeV2(t, map[string]string{"box/cgroup.events": "populated 1\nfrozen 0\n"}), false},
		"v1":             {fakeV1(t, map[string]string{"freezer/box/freezer.state": "FROZEN\n"}), true},
		"v1, on its way": {fakeV1(t, map[string]string{"freezer/box/freezer.state": "FREEZING\n"}), false},
	} {
		if got, err := tt.g.Frozen(); got != tt.want || err != nil {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	if _, err := Load(host.Cgroup{Mode: host.CgroupV1}, "/x").Frozen(); !errors.Is(err, errdefs.ErrUnsupported) {
		t.Errorf("no freezer: %v", err)
	}
}

// TestRefuseFrozen names the group above that is frozen, and the file that thaws it.
func TestRefuseFrozen(t *testing.T) {
	t.Parallel()
	v2 := fakeV2(t, map[string]string{
		"above/cgroup.freeze": "1\n", "above/box/cgroup.freeze": "0\n",
	})
	v1 := fakeV1(t, map[string]string{
		"freezer/above/freezer.self_freezing": "1\n", "freezer/above/box/freezer.self_freezing": "0\n",
		"freezer/above/box/freezer.state": "FROZEN\n",
	})
	for _, g := range []*Group{v2, v1} {
		err := Load(g.host, "/above/box").refuseFrozen()
		if !errors.Is(err, errdefs.ErrConflict) || !strings.Contains(err.Error(), "/above is frozen: thaw it by writing to") {
			t.Error(err)
		}
	}
	thawed := fakeV1(t, map[string]string{"freezer/box/freezer.state": "THAWED\n"})
	if err := thawed.refuseFrozen(); err != nil {
		t.Error(err)
	}
	if err := Load(host.Cgroup{Mode: host.CgroupV1}, "/x").refuseFrozen(); err != nil {
		t.Errorf("without a freezer: %v", err)
	}
}

func TestBelow(t *testing.T) {
	t.Parallel()
	v1 := fakeV1(t, map[string]string{
		"memory/box/part/tasks": "", "pids/box/part/tasks": "", "cpu,cpuacct/box/part/tasks": "",
		"blkio/box/part/tasks": "", "freezer/box/part/tasks": "", "memory/box/other/tasks": "",
	})
	v2 := fakeV2(t, map[string]string{"box/part/cgroup.procs": ""})
	for name, tt := range map[string]struct {
		g     *Group
		paths map[string]string
		kind  error
		want  map[string]string // ends of directories, by hierarchy
	}{
		"all of v1":       {v1, map[string]string{"": "part"}, nil, map[string]string{"memory": "box/part", "freezer": "box/part"}},
		"one":             {v1, map[string]string{"memory": "other"}, nil, map[string]string{"memory": "box/other", "pids": "box"}},
		"one of two":      {v1, map[string]string{"cpuacct": "part"}, nil, map[string]string{"cpu,cpuacct": "box/part", "pids": "box"}},
		"missing":         {v1, map[string]string{"": "other"}, errdefs.ErrNotFound, nil},
		"no controller":   {v1, map[string]string{"rdma": "part"}, errdefs.ErrInvalid, nil},
		"out of it":       {v1, map[string]string{"memory": "part/../../x"}, errdefs.ErrInvalid, nil},
		"v2":              {v2, map[string]string{"": "part"}, nil, map[string]string{"": "box/part"}},
		"itself":          {v2, map[string]string{"": "/"}, nil, map[string]string{"": "box"}},
		"v2, not there":   {v2, map[string]string{"": "nosuch"}, errdefs.ErrNotFound, nil},
		"v2, many dots":   {v2, map[string]string{"": ".."}, errdefs.ErrInvalid, nil},
		"v2, other names": {v2, map[string]string{"freezer": "part"}, errdefs.ErrInvalid, nil},
	} {
		got, err := tt.g.Below(tt.paths)
		if !errors.Is(err, tt.kind) {
			t.Errorf("%s: %v, want %v", name, err, tt.kind)
		}
		for hierarchy, end := range tt.want {
			if dir, err := got.Dir(hierarchy); err != nil || !strings.HasSuffix(dir, "/"+end) {
				t.Errorf("%s: %s is %s, %v", name, hierarchy, dir, err)
			}
		}
	}
}

// TestProcs lists processes of the group and those below it, once each.
func TestProcs(t *testing.T) {
	t.Parallel()
	g := fakeV1(t, map[string]string{
		"memory/box/cgroup.procs": "7\n3\n0\n", "memory/box/below/cgroup.procs": "9\n", "pids/box/cgroup.procs": "3\n12\n",
	})
	if pids, err := g.Procs(); err != nil || !slices.Equal(pids, []int{3, 7, 9, 12}) {
		t.Errorf("%v, %v", pids, err)
	}
	if up := g.Parent(); up.Path() != "/" || g.Path() != "/box" {
		t.Errorf("%s above %s", up.Path(), g.Path())
	}
}
