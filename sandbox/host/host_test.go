package host

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseVersion(t *testing.T) {
	t.Parallel()
	for release, want := range map[string]Version{"6.1.0-30-amd64": {6, 1}, "5.15.153.1-microsoft": {5, 15}, "6.18": {6, 18}, "x": {}, "6": {}} {
		got, err := ParseVersion(release)
		if (err != nil) != (want == Version{}) || err == nil && got != want {
			t.Errorf("%s: got %v, %v", release, got, err)
		}
	}
	v := Version{6, 7}
	if !v.AtLeast(6, 7) || !v.AtLeast(5, 99) || v.AtLeast(6, 8) || v.AtLeast(7, 0) {
		t.Error("AtLeast")
	}
}

func TestParseCgroup(t *testing.T) {
	t.Parallel()
	const v1 = `30 20 0:1 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:1 - cgroup cgroup rw,cpu,cpuacct
31 20 0:2 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
32 20 0:3 / /sys/fs/cgroup/systemd rw - cgroup systemd rw,xattr,name=systemd
33 20 0:2 / /elsewhere/memory rw - cgroup cgroup rw,memory
34 20 0:9 / /proc rw - proc proc rw
`
	const unified = "35 20 0:4 /inner /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
	hierarchies := []Hierarchy{
		{Name: "cpu,cpuacct", Controllers: []string{"cpu", "cpuacct"}, Mount: "/sys/fs/cgroup/cpu,cpuacct"},
		{Name: "memory", Controllers: []string{"memory"}, Mount: "/sys/fs/cgroup/memory"},
		{Name: "systemd", Mount: "/sys/fs/cgroup/systemd"},
	}
	for name, tt := range map[string]struct {
		mounts string
		want   Cgroup
	}{
		"none":   {"34 20 0:9 / /proc rw - proc proc rw\n", Cgroup{}},
		"v1":     {v1, Cgroup{Mode: CgroupV1, Hierarchies: hierarchies}},
		"hybrid": {unified + v1, Cgroup{Mode: CgroupHybrid, Hierarchies: append(hierarchies[:3:3], Hierarchy{Name: "unified", Mount: "/sys/fs/cgroup/unified", V2: true})}},
		"v2":     {unified, Cgroup{Mode: CgroupV2, Hierarchies: []Hierarchy{{Mount: "/sys/fs/cgroup/unified", V2: true}}}},
	} {
		got := parseCgroup([]byte(tt.mounts))
		if got.Mode == CgroupV2 {
			got.Hierarchies[0].Controllers = nil // read from the running kernel
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: -want +got:\n%s", name, diff)
		}
	}
}

func TestDetect(t *testing.T) {
	t.Parallel()
	f, err := Detect()
	if err != nil {
		t.Fatal(err)
	}
	if !f.Kernel.AtLeast(4, 0) || f.LastCapability < 37 || f.Rlimits[7].Max == 0 {
		t.Errorf("got %+v", f)
	}
}

func BenchmarkDetect(b *testing.B) {
	for b.Loop() {
		if _, err := Detect(); err != nil {
			b.Fatal(err)
		}
	}
}

func FuzzParseCgroup(f *testing.F) {
	f.Add([]byte("30 20 0:1 / /x rw - cgroup cgroup rw,cpu\n"))
	f.Fuzz(func(t *testing.T, mounts []byte) { parseCgroup(mounts) })
}
