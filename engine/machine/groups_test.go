package machine

import (
	"testing"

	"cove/sandbox/host"
)

// TestCgroupVersion has the words of docker, whose clients compare them.
func TestCgroupVersion(t *testing.T) {
	t.Parallel()
	for mode, want := range map[host.CgroupMode]string{
		host.CgroupNone: "", host.CgroupV1: "1", host.CgroupHybrid: "1", host.CgroupV2: "2",
	} {
		if got := cgroupVersion(mode); got != want {
			t.Errorf("%v is %q, want %q", mode, got, want)
		}
	}
}
