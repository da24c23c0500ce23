package shortage

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"

	"cove/sandbox/cgroup"
	"cove/sandbox/host"
)

// TestWatch: a kill is told while the group lives, another that nobody waited for at the end,
// and nothing twice.
func TestWatch(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root: control groups")
	}
	h, err := host.Detect()
	if err != nil || h.Cgroup.Mode == host.CgroupNone {
		t.Skip("needs control groups mounted: ", err)
	}
	limit := int64(16 << 20)
	g, err := cgroup.Create(h.Cgroup, fmt.Sprintf("/cove-shortage-test-%d", os.Getpid()),
		&specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: &limit, Swap: &limit}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := errors.Join(g.Kill(ctx), g.Delete(ctx)); err != nil {
			t.Error(err)
		}
	})
	eat := func() {
		cmd := exec.Command("/bin/sh", "-c", `read go; x=$(head -c 100000000 /dev/zero | tr '\0' x); echo done`)
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(cmd.Start(), g.Add(cmd.Process.Pid)); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(in, "go")
		if err := cmd.Wait(); err == nil {
			t.Error("it was not killed")
		}
	}
	told := make(chan bool, 100)
	w := Begin(g, func(first bool) { told <- first })
	eat()
	select {
	case first := <-told:
		if !first {
			t.Error("the first was told as a later one")
		}
	case <-time.After(time.Minute):
		t.Fatal("nothing was told")
	}
	eat()
	w.End()
	all := len(told)
	if all == 0 {
		t.Error("the second was not told")
	}
	for range all {
		if <-told {
			t.Error("told as the first once more")
		}
	}
	before := len(told)
	eat()
	if len(told) != before {
		t.Error("told after the end")
	}
	none := Begin(cgroup.Load(host.Cgroup{Mode: host.CgroupV1}, "/x"), func(bool) { t.Error("told of nothing") })
	none.End()
}
