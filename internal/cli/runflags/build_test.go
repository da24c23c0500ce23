package runflags

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"

	"cove/engine/runspec"
	"cove/runner/record"
)

func TestBuildFlags(t *testing.T) {
	t.Parallel()
	var f BuildFlags
	fs := pflag.NewFlagSet("build", pflag.ContinueOnError)
	f.Register(fs)
	err := fs.Parse([]string{
		"--add-host", "db:10.0.0.1", "--cgroup-parent", "ci", "--shm-size", "1m", "--ulimit", "nofile=10:20", "-m", "1g",
		"--memory-swap", "-1", "-c", "512", "--cpuset-cpus", "0", "--cpuset-mems", "0", "--cpu-quota", "5", "--cpu-period", "6",
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := f.Parse()
	want := runspec.Options{
		AddHosts: []runspec.Host{{Name: "db", IP: "10.0.0.1"}}, CgroupParent: "ci",
		Resources: record.Resources{
			Memory: 1 << 30, MemorySwap: -1, ShmSize: 1 << 20, CPUShares: 512, Cpuset: "0", Memset: "0", CPUQuota: 5, CPUPeriod: 6,
			Ulimits: []record.Ulimit{{Name: "nofile", Soft: 10, Hard: 20}},
		},
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	for _, bad := range [][]string{
		{"--add-host", "db"}, {"--ulimit", "x"}, {"--memory", "lots"}, {"--shm-size", "-1"},
	} {
		var f BuildFlags
		fs := pflag.NewFlagSet("build", pflag.ContinueOnError)
		f.Register(fs)
		if err := fs.Parse(bad); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Parse(); err == nil {
			t.Errorf("%v is accepted", bad)
		}
	}
}
