package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"cove/builder"
	"cove/engine/builds"
	"cove/engine/containers"
	"cove/engine/dockertypes"
	"cove/engine/runspec"
	"cove/errdefs"
	"cove/events"
	"cove/internal/ids"
	"cove/layers/mount"
	"cove/runner"
	"cove/runner/record"
	"cove/sandbox/cgroup"
	"cove/sandbox/host"
)

// groups prints the supplementary groups as the kernel has them; id adds the
// process's own by itself.
const groups = "while read k v; do case $k in Groups:) echo $v;; esac; done < /proc/self/status"

// TestGroups holds that a process's own group is among its supplementary ones,
// whichever way it was started (CVE-2022-36109).
func TestGroups(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	for user, want := range map[string]string{
		"":           "0",
		"1000:1000":  "1000",
		"1000":       "10 1000", // an account's groups come with its number, too
		"77":         "0",
		"77:88":      "88",
		"alice":      "10 1000",
		"alice:10":   "10",
		"root:wheel": "10",
	} {
		t.Run(strings.ReplaceAll(user, ":", "_"), func(t *testing.T) {
			t.Parallel()
			out, _, err := run(t, e, runspec.Options{User: user}, "sh", "-c", groups)
			if got := strings.TrimSpace(out); err != nil || got != want {
				t.Errorf("run: %q, want %q, %v", got, want, err)
			}
			if got := execGroups(t, e, user); got != want {
				t.Errorf("exec: %q, want %q", got, want)
			}
			if got := buildGroups(t, e, user); got != want {
				t.Errorf("RUN: %q, want %q", got, want)
			}
		})
	}
}

// execGroups are those of a process that joins a container of root's.
func execGroups(t *testing.T, e *Engine, user string) string {
	t.Helper()
	c, err := made(t.Context(), e, containers.CreateOptions{Options: runspec.Options{
		Image: "busybox", Command: []string{"sleep", "100"}, Network: "none", User: user,
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	cfg := record.ExecConfig{Args: []string{"sh", "-c", groups}, User: user}
	_, err = c.Exec(t.Context(), cfg, runner.Streams{Stdout: &out})
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(out.String())
}

// buildGroups are those of a RUN.
func buildGroups(t *testing.T, e *Engine, user string) string {
	t.Helper()
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(root, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	busybox, err := os.ReadFile(needBusybox(t))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"bin/sh":     string(busybox),
		"etc/passwd": "root:x:0:0:root:/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\n",
		"etc/group":  "root:x:0:\nalice:x:1000:\nwheel:x:10:alice\n",
	} {
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(root, 0o755); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	err = builds.Executor(e).Exec(t.Context(), builder.ExecRequest{
		ID: ids.New(), Root: mount.Mount{Type: "bind", Source: root}, User: user, Cwd: "/", Network: "none",
		Args: []string{"/bin/sh", "-c", groups}, Stdout: &out,
	})
	if err != nil {
		t.Fatalf("%v: %s", err, out.String())
	}
	return strings.TrimSpace(out.String())
}

// TestReadOnly tries to write to whatever should not be written to.
func TestReadOnly(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	dir := nestedMount(t)
	write := func(path string) []string {
		return []string{"sh", "-c", "echo x > " + path + " && echo written"}
	}
	private := []runspec.Volume{{Source: dir, Target: "/p", ReadOnly: true, Propagation: "private"}}
	hosts := []runspec.Volume{{Source: filepath.Join(dir, "hosts"), Target: "/etc/hosts"}}
	ro := []runspec.Volume{{Source: dir, Target: "/p", ReadOnly: true}}
	for name, tc := range map[string]struct {
		o       runspec.Options
		path    string
		written bool
	}{
		"the top of a bind":    {runspec.Options{Volumes: ro}, "/p/f", false},
		"a mount below a bind": {runspec.Options{Volumes: ro}, "/p/below/f", false},
		"a mount two below":    {runspec.Options{Volumes: ro}, "/p/below/deep/f", false},
		"with another propagation": {
			runspec.Options{Volumes: private},
			"/p/below/f",
			false,
		},
		"a volume": {
			runspec.Options{Volumes: []runspec.Volume{{Source: "vol", Target: "/p", ReadOnly: true}}},
			"/p/f",
			false,
		},
		"a writable bind": {
			runspec.Options{Volumes: []runspec.Volume{{Source: dir, Target: "/p"}}},
			"/p/below/f",
			true,
		},
		"the root":                 {runspec.Options{ReadOnly: true}, "/f", false},
		"hosts":                    {runspec.Options{ReadOnly: true}, "/etc/hosts", false},
		"hostname":                 {runspec.Options{ReadOnly: true}, "/etc/hostname", false},
		"resolv.conf":              {runspec.Options{ReadOnly: true}, "/etc/resolv.conf", false},
		"hosts of a writable root": {runspec.Options{}, "/etc/hosts", true},
		"hosts of the user's own": {
			runspec.Options{ReadOnly: true, Volumes: hosts},
			"/etc/hosts",
			true,
		},
		"/sys": {
			runspec.Options{ReadOnly: true, Security: record.Security{Privileged: true}},
			"/sys/kernel/uevent_seqnum; touch /sys/x",
			false,
		},
		"/sys/fs/cgroup": {
			runspec.Options{ReadOnly: true, Security: record.Security{Privileged: true}},
			"/sys/fs/cgroup/f",
			false,
		},
		"a volume below a read-only": {
			runspec.Options{Volumes: append(ro, runspec.Volume{Source: "vol2", Target: "/p/below"})},
			"/p/below/f",
			true,
		},
		"a tmpfs in a read-only root": {
			runspec.Options{ReadOnly: true, Tmpfs: []record.Tmpfs{{Target: "/run"}}},
			"/run/f",
			true,
		},
		"/dev/shm": {runspec.Options{ReadOnly: true}, "/dev/shm/f", true},
		"a read-only tmpfs": {
			runspec.Options{Tmpfs: []record.Tmpfs{{Target: "/run", Options: []string{"ro"}}}},
			"/run/f",
			false,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, _, err := run(t, e, tc.o, write(tc.path)...)
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Contains(out, "written"); got != tc.written {
				t.Errorf("written: %t, %q", got, out)
			}
			if !tc.written && !strings.Contains(out, "ead-only") {
				t.Errorf("not because it is read-only: %q", out)
			}
		})
	}
}

// nestedMount is a directory with a mount below it, and one below that.
func nestedMount(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "hosts"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{"below", "below/deep"} {
		at := filepath.Join(dir, p)
		if err := os.Mkdir(at, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := unix.Mount("tmpfs", at, "tmpfs", 0, "size=1m"); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := unix.Unmount(at, unix.MNT_DETACH); err != nil {
				t.Error(err)
			}
		})
	}
	return dir
}

// TestOOMKilled holds that memory's end of any process is told, whatever the
// first process makes of it.
func TestOOMKilled(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	const eat = "sh -c 'x=aaaaaaaaaaaaaaaa; while true; do x=$x$x; done'"
	for script, want := range map[string]int{
		"exec " + eat:                137,
		eat + "; exit 137":           137,
		eat + "; exit 3":             3,
		eat + "& wait; exec sleep 0": 0,
	} {
		t.Run(script, func(t *testing.T) {
			t.Parallel()
			o := runspec.Options{Resources: record.Resources{Memory: 24 << 20}}
			out, status, err := run(t, e, o, "sh", "-c", script)
			if err != nil || status.Code != want || !status.OOMKilled {
				t.Errorf("%+v, %v, %q", status, err, out)
			}
		})
	}
	if state := execOOM(t, e, eat); !state.OOMKilled || state.ExitCode != 137 {
		t.Errorf("a process that joined: %+v", state)
	}
	_, status, err := run(t, e, runspec.Options{}, "sh", "-c", "exit 137")
	if err != nil || status.OOMKilled {
		t.Errorf("137 of one's own: %+v, %v", status, err)
	}
}

// execOOM runs out of memory in a process that joins a container, and returns
// how that ended.
func execOOM(t *testing.T, e *Engine, script string) record.State {
	t.Helper()
	o := runspec.Options{Image: "busybox", Command: []string{"sleep", "100"}, Network: "none"}
	o.Resources.Memory = 24 << 20
	c, err := made(t.Context(), e, containers.CreateOptions{Options: o})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	exec := record.ExecConfig{Args: []string{"sh", "-c", script}}
	if status, err := c.Exec(t.Context(), exec, runner.Streams{}); err != nil || status.Code != 137 {
		t.Errorf("exec: %+v, %v", status, err)
	}
	toldAtOnce(t, e, c)
	if err := c.Stop(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	state, err := c.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return state
}

// toldAtOnce waits until a container that runs is known to have lost a process for want of
// memory: by its state, and by an event.
func toldAtOnce(t *testing.T, e *Engine, c *runner.Container) {
	t.Helper()
	log, err := events.Of(e.parts.Root).Read(events.Options{Since: time.Unix(0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		event, err := log.Next(ctx)
		if err != nil {
			t.Fatal("no event oom: ", err)
		}
		if event.Action == events.OOM && event.ID == c.ID() {
			break
		}
	}
	if state, err := c.State(t.Context()); err != nil || !state.OOMKilled || !state.Alive() {
		t.Errorf("while it runs: %+v, %v", state, err)
	}
}

// kernelValue is where the kernel keeps what inspect reports: a file of the
// group in v1 and in v2, or one of /proc.
type kernelValue struct {
	name     string
	v1, v2   string // CONTROLLER/FILE, and FILE
	reported func(dockertypes.HostConfig) (v1, v2 string)
}

func same(f func(dockertypes.HostConfig) any) func(dockertypes.HostConfig) (string, string) {
	return func(h dockertypes.HostConfig) (string, string) { s := fmt.Sprint(f(h)); return s, s }
}

var kernelValues = []kernelValue{
	{"Memory", "memory/memory.limit_in_bytes", "memory.max", same(func(h dockertypes.HostConfig) any { return h.Memory })},
	{
		"MemorySwap", "memory/memory.memsw.limit_in_bytes", "memory.swap.max",
		func(h dockertypes.HostConfig) (string, string) {
			return fmt.Sprint(h.MemorySwap), fmt.Sprint(h.MemorySwap - h.Memory)
		},
	},
	{
		"MemoryReservation", "memory/memory.soft_limit_in_bytes", "memory.low",
		same(func(h dockertypes.HostConfig) any { return h.MemoryReservation }),
	},
	{
		"MemorySwappiness", "memory/memory.swappiness", "",
		same(func(h dockertypes.HostConfig) any { return *h.MemorySwappiness }),
	},
	{"CpuShares", "cpu/cpu.shares", "", same(func(h dockertypes.HostConfig) any { return h.CPUShares })},
	{"CpuPeriod", "cpu/cpu.cfs_period_us", "", same(func(h dockertypes.HostConfig) any { return h.CPUPeriod })},
	{"CpuQuota", "cpu/cpu.cfs_quota_us", "cpu.max", func(h dockertypes.HostConfig) (string, string) {
		return fmt.Sprint(h.CPUQuota), fmt.Sprint(h.CPUQuota, " ", h.CPUPeriod)
	}},
	{"CpusetCpus", "cpuset/cpuset.cpus", "cpuset.cpus", same(func(h dockertypes.HostConfig) any { return h.CpusetCpus })},
	{"CpusetMems", "cpuset/cpuset.mems", "cpuset.mems", same(func(h dockertypes.HostConfig) any { return h.CpusetMems })},
	{"PidsLimit", "pids/pids.max", "pids.max", same(func(h dockertypes.HostConfig) any { return *h.PidsLimit })},
}

// TestInspectSaysWhatTheKernelHas compares each limit that inspect reports with
// the kernel's own.
func TestInspectSaysWhatTheKernelHas(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	swappiness := uint64(30)
	o := runspec.Options{Resources: record.Resources{
		Memory: 64 << 20, MemoryReservation: 32 << 20, OOMScoreAdj: 77,
		CPUPeriod: 50_000, CPUQuota: 25_000, CPUShares: 512, Cpuset: "0", Memset: "0", PidsLimit: 50, ShmSize: 1 << 20,
		Ulimits: []record.Ulimit{{Name: "nofile", Soft: 100, Hard: 200}, {Name: "core", Soft: 0, Hard: 0}},
		Sysctls: map[string]string{"net.core.somaxconn": "123", "kernel.shmmax": "8192"},
	}}
	features, err := host.Detect()
	if err != nil {
		t.Fatal(err)
	}
	v2 := features.Cgroup.Mode == host.CgroupV2
	if !v2 {
		o.Resources.MemorySwappiness = &swappiness
	}
	h, state := started(t, e, o)
	if h.MemorySwap != 128<<20 {
		t.Errorf("MemorySwap %d", h.MemorySwap)
	}
	g := cgroup.Load(features.Cgroup, state.Cgroup)
	for _, k := range kernelValues {
		if v2 && k.v2 == "" {
			continue // cgroup v2 has no such limit, so nothing is reported
		}
		want, want2 := k.reported(h)
		controller, file, _ := strings.Cut(k.v1, "/")
		if v2 {
			controller, file, want = "", k.v2, want2
		}
		if got := groupFile(t, g, features, controller, file); got != want {
			t.Errorf("%s: inspect says %s, %s says %s", k.name, want, file, got)
		}
	}
	checkProc(t, h, state.Pid)
}

// TestInspectSaysOfCPUs compares a number of processors with the share of each
// period that it becomes.
func TestInspectSaysOfCPUs(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	features, err := host.Detect()
	if err != nil {
		t.Fatal(err)
	}
	h, state := started(t, e, runspec.Options{Resources: record.Resources{NanoCPUs: 5e8, Memory: 64 << 20, MemorySwap: -1}})
	if h.NanoCPUs != 5e8 || h.MemorySwap != -1 {
		t.Errorf("NanoCpus %d, MemorySwap %d", h.NanoCPUs, h.MemorySwap)
	}
	g := cgroup.Load(features.Cgroup, state.Cgroup)
	if features.Cgroup.Mode == host.CgroupV2 {
		if got := groupFile(t, g, features, "", "cpu.max"); got != "50000 100000" {
			t.Errorf("cpu.max %s", got)
		}
		return
	}
	if got := groupFile(t, g, features, "cpu", "cpu.cfs_quota_us"); got != "50000" {
		t.Errorf("cpu.cfs_quota_us %s", got)
	}
	if got := groupFile(t, g, features, "memory", "memory.memsw.limit_in_bytes"); len(got) < 19 {
		t.Errorf("memory.memsw.limit_in_bytes %s", got)
	}
}

// started is a running container: what inspect says of it, and its state.
func started(t *testing.T, e *Engine, o runspec.Options) (dockertypes.HostConfig, record.State) {
	t.Helper()
	o.Image, o.Command = "busybox", []string{"sleep", "100"}
	c, err := made(t.Context(), e, containers.CreateOptions{Options: o})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	shown, err := e.InspectContainer(t.Context(), c.ID())
	if err != nil {
		t.Fatal(err)
	}
	state, err := c.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return shown.HostConfig, state
}

func groupFile(t *testing.T, g *cgroup.Group, f host.Features, controller, file string) string {
	t.Helper()
	for _, h := range f.Cgroup.Hierarchies {
		for _, c := range append(h.Controllers, "") {
			if c != controller || h.V2 != (controller == "") {
				continue
			}
			dir, err := g.Dir(h.Name)
			if err != nil {
				t.Fatal(err)
			}
			b, err := os.ReadFile(filepath.Join(dir, file))
			if err != nil {
				t.Fatal(err)
			}
			return strings.TrimSpace(string(b))
		}
	}
	t.Fatalf("no controller %q", controller)
	return ""
}

// checkProc holds what is not in the group.
func checkProc(t *testing.T, h dockertypes.HostConfig, pid int) {
	t.Helper()
	read := func(name string) string {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	if got := strings.TrimSpace(read("oom_score_adj")); got != fmt.Sprint(h.OomScoreAdj) {
		t.Errorf("OomScoreAdj: inspect says %d, /proc says %s", h.OomScoreAdj, got)
	}
	limits := strings.Join(strings.Fields(read("limits")), " ")
	for i, name := range []string{"Max open files", "Max core file size"} {
		u := h.Ulimits[i]
		if want := fmt.Sprintf("%s %d %d", name, u.Soft, u.Hard); !strings.Contains(limits, want) {
			t.Errorf("Ulimits: inspect says %s, /proc has not: %s", want, limits)
		}
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(fmt.Sprintf("/proc/%d/root/dev/shm", pid), &fs); err != nil {
		t.Fatal(err)
	}
	if got := int64(fs.Blocks) * fs.Bsize; got != h.ShmSize {
		t.Errorf("ShmSize: inspect says %d, the kernel %d", h.ShmSize, got)
	}
	if len(h.Sysctls) != 2 {
		t.Errorf("Sysctls: %v", h.Sysctls)
	}
}

// TestSysctls looks at kernel parameters from inside, where they are.
func TestSysctls(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	sysctls := map[string]string{"net.core.somaxconn": "123", "kernel.shmmax": "8192"}
	o := runspec.Options{Resources: record.Resources{Sysctls: sysctls}}
	out, _, err := run(t, e, o, "cat", "/proc/sys/net/core/somaxconn", "/proc/sys/kernel/shmmax")
	if err != nil || out != "123\n8192\n" {
		t.Errorf("%q, %v", out, err)
	}
	o.Resources.Sysctls = map[string]string{"kernel.core_pattern": "x"}
	if _, _, err := run(t, e, o, "true"); err == nil || !strings.Contains(err.Error(), "whole host") {
		t.Errorf("the host's: %v", err)
	}
}

// TestNonsenseIsRefused asks for what the machine has not.
func TestNonsenseIsRefused(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	for says, r := range map[string]record.Resources{
		"Range of CPUs is from 0.01 to": {NanoCPUs: 9999e9},
		"Requested CPUs are not":        {Cpuset: "8191"},
		"Minimum memory limit":          {Memory: 1 << 20},
	} {
		_, _, err := run(t, e, runspec.Options{Resources: r}, "true")
		if !errors.Is(err, errdefs.ErrInvalid) || !strings.Contains(err.Error(), says) {
			t.Errorf("%+v: %v", r, err)
		}
	}
}
