package cgroup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/sandbox/cgroup/settings"
	"cove/sandbox/host"
)

func p[T any](v T) *T { return &v }

func hostCgroup(t *testing.T) host.Cgroup {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root: control groups")
	}
	h, err := host.Detect()
	if err != nil {
		t.Fatal(err)
	}
	if h.Cgroup.Mode == host.CgroupNone {
		t.Skip("needs control groups mounted")
	}
	return h.Cgroup
}

// create makes a group that is gone after the test.
func create(t *testing.T, r *specs.LinuxResources) *Group {
	t.Helper()
	h := hostCgroup(t)
	g, err := Create(h, fmt.Sprintf("/cove-cgroup-test-%d-%s", os.Getpid(), t.Name()), r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := errors.Join(g.Kill(ctx), g.Delete(ctx)); err != nil {
			t.Error(err)
		}
		for i := range h.Hierarchies {
			if _, err := os.Stat(g.dir(&h.Hierarchies[i])); !os.IsNotExist(err) {
				t.Errorf("%s is left: %v", g.dir(&h.Hierarchies[i]), err)
			}
		}
	})
	return g
}

// sleeper is a process in the group.
func sleeper(t *testing.T, g *Group, command ...string) *exec.Cmd {
	t.Helper()
	if len(command) == 0 {
		command = []string{"sleep", "100"}
	}
	cmd := exec.CommandContext(t.Context(), "/bin/sh", append([]string{"-c", `read go; exec "$@"`, "sh"}, command...)...)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := g.Add(cmd.Process.Pid); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(in, "go")
	return cmd
}

func TestLife(t *testing.T) {
	g := create(t, &specs.LinuxResources{
		Memory: &specs.LinuxMemory{Limit: p(int64(32 << 20))},
		CPU:    &specs.LinuxCPU{Shares: p(uint64(512)), Quota: p(int64(50000)), Period: p(uint64(100000))},
		Pids:   &specs.LinuxPids{Limit: p(int64(17))},
	})
	cmd := sleeper(t, g)
	pids, err := g.Procs()
	if err != nil || len(pids) != 1 || pids[0] != cmd.Process.Pid {
		t.Fatalf("processes %v, %v, want %d", pids, err, cmd.Process.Pid)
	}
	if _, err := Create(g.host, g.path, nil); !errors.Is(err, errdefs.ErrConflict) {
		t.Errorf("created over a group in use: %v", err)
	}
	s, err := g.Stats()
	if err != nil || s.Memory.Limit != 32<<20 || s.Pids != (PidsStats{1, 17}) {
		t.Errorf("stats %+v, %v", s, err)
	}
	if err := g.Update(&specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: p(int64(64 << 20))}, Pids: &specs.LinuxPids{Limit: p(int64(-1))}}); err != nil {
		t.Error(err)
	}
	if s, err := g.Stats(); err != nil || s.Memory.Limit != 64<<20 || s.Pids.Limit != 0 {
		t.Errorf("updated: %+v, %v", s, err)
	}
	if err := g.Freeze(t.Context()); err != nil {
		t.Fatal(err)
	}
	if frozen, err := g.Frozen(); !frozen || err != nil {
		t.Errorf("frozen %v, %v", frozen, err)
	}
	if err := g.Kill(t.Context()); err != nil {
		t.Error(err)
	}
	var status *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &status) || status.Sys().(interface{ Signal() unix.Signal }).Signal() != unix.SIGKILL {
		t.Errorf("killed while frozen: %v", err)
	}
}

func TestOOM(t *testing.T) {
	g := create(t, &specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: p(int64(16 << 20)), Swap: p(int64(16 << 20))}})
	cmd := sleeper(t, g, "/bin/sh", "-c", "x=$(head -c 100000000 /dev/zero | tr '\\0' x); echo done")
	_ = cmd.Wait()
	if s, err := g.Stats(); err != nil || s.Memory.OOMKills == 0 || s.Memory.Max > 16<<20 {
		t.Errorf("stats %+v, %v", s.Memory, err)
	}
}

// TestWatchOOM: each kill is told while the group lives, and the end of the watch ends who
// waits.
func TestWatchOOM(t *testing.T) {
	g := create(t, &specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: p(int64(16 << 20)), Swap: p(int64(16 << 20))}})
	w, err := g.WatchOOM()
	if err != nil {
		t.Fatal(err)
	}
	before := uint64(0)
	for range 2 {
		cmd := sleeper(t, g, "/bin/sh", "-c", "x=$(head -c 100000000 /dev/zero | tr '\\0' x); echo done")
		kills, err := w.Next()
		if err != nil || kills <= before {
			t.Errorf("%d kills after %d, %v", kills, before, err)
		}
		_ = cmd.Wait()
		if before, err = g.OOMKills(); err != nil {
			t.Fatal(err)
		}
		w.seen = before // one death may be of two processes
	}
	ended := make(chan error)
	go func() {
		_, err := w.Next()
		ended <- err
	}()
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; !errors.Is(err, os.ErrClosed) {
		t.Errorf("the end of a watch that was closed: %v", err)
	}
	if _, err := Load(host.Cgroup{Mode: host.CgroupV1}, "/x").WatchOOM(); !errors.Is(err, errdefs.ErrUnsupported) {
		t.Errorf("a host that counts no memory: %v", err)
	}
}

// TestAwaitChange: how memory.events of v2 is waited for, seen at the one file that v2
// changes beside v1, too.
func TestAwaitChange(t *testing.T) {
	g := create(t, nil)
	i := slices.IndexFunc(g.host.Hierarchies, func(h host.Hierarchy) bool { return h.V2 })
	if i < 0 {
		t.Skip("no hierarchy of v2")
	}
	dir := g.dir(&g.host.Hierarchies[i])
	f, err := openWatched(filepath.Join(dir, "cgroup.events"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, want := range []uint64{1, 0} {
		looked := make(chan struct{}, 100)
		ended := make(chan error)
		go func() {
			ended <- awaitChange(f, func() bool {
				looked <- struct{}{}
				r := reader{}
				return r.pairs(dir, "cgroup.events")["populated"] == want
			})
		}()
		<-looked
		if want == 1 {
			sleeper(t, g)
		} else if err := g.Kill(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
	}
	looked, ended := make(chan struct{}, 1), make(chan error)
	go func() {
		ended <- awaitChange(f, func() bool {
			looked <- struct{}{}
			return false
		})
	}()
	<-looked
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, os.ErrClosed) {
		t.Errorf("the end of waiting for a file that was closed: %v", err)
	}
}

// TestOOMBelow kills a process in a group that the container made itself.
func TestOOMBelow(t *testing.T) {
	g := create(t, nil)
	below, err := Create(g.host, g.path+"/below", &specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: p(int64(16 << 20)), Swap: p(int64(16 << 20))}})
	if err != nil {
		t.Fatal(err)
	}
	cmd := sleeper(t, below, "/bin/sh", "-c", "x=$(head -c 100000000 /dev/zero | tr '\\0' x); echo done")
	_ = cmd.Wait()
	if n, err := g.OOMKills(); err != nil || n == 0 {
		t.Errorf("%d, %v", n, err)
	}
	if s, err := g.Stats(); err != nil || s.Memory.OOMKills == 0 {
		t.Errorf("stats %+v, %v", s.Memory, err)
	}
}

// TestCheckBeforeUpdate refuses to limit memory to less than is in use.
func TestCheckBeforeUpdate(t *testing.T) {
	g := create(t, nil)
	cmd := sleeper(t, g, "/bin/sh", "-c", "x=$(head -c 8000000 /dev/zero | tr '\\0' x); sleep 100")
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if s, err := g.Stats(); err != nil || s.Memory.Usage > 8<<20 || time.Now().After(deadline) {
			break
		}
	}
	limits := &specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: p(int64(1 << 20)), CheckBeforeUpdate: p(true)}}
	if err := g.Update(limits); !errors.Is(err, errdefs.ErrConflict) {
		t.Error(err)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}

// TestOtherwise holds that a kernel without a file gets what it has instead.
func TestOtherwise(t *testing.T) {
	g := create(t, nil)
	pids := settings.Setting{Controller: "pids", File: "pids.max", Value: "7", Limit: "pids"}
	if err := g.set(settings.Setting{Controller: "pids", File: "pids.fun", Value: "1", Limit: "pids", Otherwise: &pids}); err != nil {
		t.Fatal(err)
	}
	if got, err := readLine(g.find("pids"), "pids.max"); err != nil || got != "7" {
		t.Errorf("%q, %v", got, err)
	}
	if err := g.set(settings.Setting{Controller: "pids", File: "pids.fun", Value: "1", Otherwise: &settings.Setting{}}); err != nil {
		t.Error(err)
	}
	if err := g.set(settings.Setting{Controller: "pids", File: "pids.fun", Value: "1"}); !errors.Is(err, errdefs.ErrUnsupported) {
		t.Error(err)
	}
}

// TestMemoryAndSwap holds that the limit of both is written, and that both can
// be changed in either direction.
func TestMemoryAndSwap(t *testing.T) {
	limits := func(memory, both int64) *specs.LinuxResources {
		return &specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: &memory, Swap: &both}}
	}
	g := create(t, limits(64<<20, 128<<20))
	for _, step := range []struct{ memory, both int64 }{{64 << 20, 128 << 20}, {256 << 20, 300 << 20}, {32 << 20, 32 << 20}, {1 << 30, -1}} {
		if err := g.Update(limits(step.memory, step.both)); err != nil {
			t.Fatal(err)
		}
		if g.host.Mode == host.CgroupV2 {
			continue // counted apart, so there is no order to get wrong
		}
		for file, want := range map[string]int64{"memory.limit_in_bytes": step.memory, "memory.memsw.limit_in_bytes": step.both} {
			got, err := readLine(g.find("memory"), file)
			if errors.Is(err, os.ErrNotExist) {
				t.Skip("this kernel counts no swap")
			}
			if err != nil || want >= 0 && got != fmt.Sprint(want) || want < 0 && len(got) < 19 {
				t.Errorf("%+v: %s is %s, %v", step, file, got, err)
			}
		}
	}
}

func TestDevices(t *testing.T) {
	g := create(t, &specs.LinuxResources{Devices: []specs.LinuxDeviceCgroup{
		{Allow: false, Access: "rwm"}, {Allow: true, Type: "c", Major: p(int64(10)), Minor: p(int64(229)), Access: "r"},
	}})
	node := t.TempDir() + "/"
	for name, minor := range map[string]uint32{"disk": 0, "fuse": 229} {
		major, kind := uint32(10), uint32(unix.S_IFCHR)
		if name == "disk" {
			major, kind = 7, unix.S_IFBLK
		}
		if err := unix.Mknod(node+name, kind|0o600, int(unix.Mkdev(major, minor))); err != nil {
			t.Fatal(err)
		}
	}
	out := node + "out"
	cmd := sleeper(t, g, "/bin/sh", "-c", `cd "$0"; exec >out 2>&1
		: </dev/null && echo null
		( : <fuse ) 2>&1 | grep -q "not permitted" && echo no fuse
		( : >fuse ) 2>&1 | grep -q "not permitted" && echo no write
		( : <disk ) 2>&1 | grep -q "not permitted" && echo no disk
		mknod here c 1 3 && echo mknod`, node)
	_ = cmd.Wait()
	got, err := os.ReadFile(out)
	if err != nil || string(got) != "null\nno write\nno disk\nmknod\n" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestErrors(t *testing.T) {
	h := hostCgroup(t)
	for name, r := range map[string]*specs.LinuxResources{
		"device type": {Devices: []specs.LinuxDeviceCgroup{{Type: "x"}}},
		"access":      {Devices: []specs.LinuxDeviceCgroup{{Access: "z"}}},
		"cpus":        {CPU: &specs.LinuxCPU{Cpus: "900-901"}},
	} {
		path := "/cove-cgroup-test-errors-" + strings.ReplaceAll(name, " ", "-")
		if _, err := Create(h, path, r); !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
		if pids, err := Load(h, path).Procs(); err != nil || len(pids) != 0 {
			t.Errorf("%s: %v %v", name, pids, err)
		}
	}
	if _, err := Create(h, "/../..", nil); !errors.Is(err, errdefs.ErrInvalid) {
		t.Errorf("the top: %v", err)
	}
	if err := Load(h, "/no/such/group").Delete(t.Context()); err != nil {
		t.Errorf("deleting nothing: %v", err)
	}
}

func TestIOTable(t *testing.T) {
	t.Parallel()
	var v1, v2 ioTable
	v1.v1("8:0 Read 10\n8:0 Write 20\n8:0 Sync 5\nTotal 30\n", func(d *IOStats) (*uint64, *uint64) { return &d.ReadBytes, &d.WriteBytes })
	v2.v2("8:0 rbytes=10 wbytes=20 rios=0 wios=0 dbytes=0\n")
	want := []IOStats{{Major: 8, ReadBytes: 10, WriteBytes: 20}}
	if diff := cmp.Diff(want, v1.list); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(want, v2.list); diff != "" {
		t.Error(diff)
	}
}

// TestStatsOfGroupsThatGo reads the use of groups that are removed meanwhile: what is gone used
// nothing, and is no failure.
func TestStatsOfGroupsThatGo(t *testing.T) {
	t.Parallel()
	for range 40 {
		g := create(t, nil)
		gone := make(chan error, 1)
		go func() { gone <- g.DeleteEmpty() }()
		for ended := false; !ended; {
			select {
			case err := <-gone:
				if err != nil {
					t.Fatal(err)
				}
				ended = true
			default:
			}
			if _, err := g.Stats(); err != nil {
				t.Fatal(err)
			}
		}
	}
}
