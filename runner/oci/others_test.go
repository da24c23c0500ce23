package oci

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// other is another OCI runtime, and how it is called here.
type other struct {
	name    string
	command []string
}

// others are those that are installed. crun takes no machine with control groups of both
// versions, so it sees none of version 2.
func others(t *testing.T) []other {
	t.Helper()
	var found []other
	if path, err := exec.LookPath("runc"); err == nil {
		found = append(found, other{"runc", []string{path}})
	}
	if path, err := exec.LookPath("crun"); err == nil {
		hide := `umount /sys/fs/cgroup/unified 2>/dev/null; exec "$0" "$@"`
		found = append(found, other{"crun", []string{"unshare", "-m", "sh", "-c", hide, path}})
	}
	if len(found) == 0 {
		t.Skip("needs another runtime to compare with: runc or crun")
	}
	return found
}

func (o other) call(t *testing.T, root string, args ...string) (string, error) {
	t.Helper()
	command := append(append(o.command[:len(o.command):len(o.command)], "--root", root), args...)
	// A file and no pipe: the container keeps it open.
	file, err := os.CreateTemp(t.TempDir(), "output")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Stdout, cmd.Stderr = file, file
	err = cmd.Run()
	out, rerr := os.ReadFile(file.Name())
	if rerr != nil {
		t.Fatal(rerr)
	}
	return string(out), err
}

// groupFiles are the files of a container's groups that say what it may have, by hierarchy.
func groupFiles(t *testing.T, path string) map[string]string {
	t.Helper()
	files := map[string]string{}
	dirs, err := filepath.Glob("/sys/fs/cgroup/*" + path)
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range dirs {
		hierarchy := strings.TrimSuffix(strings.TrimPrefix(dir, "/sys/fs/cgroup/"), path)
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if info, err := e.Info(); err != nil || info.Mode().Perm()&0o200 == 0 || measures(e.Name()) {
				continue
			}
			if text, err := os.ReadFile(filepath.Join(dir, e.Name())); err == nil {
				files[hierarchy+"/"+e.Name()] = strings.TrimSpace(string(text))
			}
		}
	}
	return files
}

// measures reports whether a file tells what is used, or who is there.
func measures(name string) bool {
	for _, part := range []string{
		"usage", "failcnt", "procs", "tasks", "stat", "service", "queued", "merged", "wait_time", "peak", "clone_children",
		"threads", "pressure",
	} {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}

// TestLimitsAsOthers: the files of a container's groups say the same under every runtime.
func TestLimitsAsOthers(t *testing.T) {
	t.Parallel()
	bytesOf := func(n int64) *int64 { return &n }
	number := func(n uint64) *uint64 { return &n }
	weight := func(n uint16) *uint16 { return &n }
	yes, idle := true, int64(1)
	disk := func(rate uint64) []specs.LinuxThrottleDevice {
		d := specs.LinuxThrottleDevice{Rate: rate}
		var st unix.Stat_t
		if err := unix.Stat("/", &st); err != nil {
			t.Fatal(err)
		}
		d.Major, d.Minor = int64(unix.Major(st.Dev)), int64(unix.Minor(st.Dev))
		return []specs.LinuxThrottleDevice{d}
	}
	// What older ones know nothing of, they leave as it is.
	ignored := []string{"burst", "idle", "rdma", "files of v2"}
	// What only version 1 has, runc leaves out under version 2 and tells nobody.
	refused := []string{"swappiness", "no OOM killer"}
	if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err != nil {
		refused = nil
	}
	for name, r := range map[string]specs.LinuxResources{
		"memory":             {Memory: &specs.LinuxMemory{Limit: bytesOf(64 << 20), Reservation: bytesOf(32 << 20)}},
		"swappiness":         {Memory: &specs.LinuxMemory{Limit: bytesOf(64 << 20), Swappiness: number(10)}},
		"memory and swap":    {Memory: &specs.LinuxMemory{Limit: bytesOf(64 << 20), Swap: bytesOf(128 << 20)}},
		"as much swap":       {Memory: &specs.LinuxMemory{Limit: bytesOf(64 << 20), Swap: bytesOf(64 << 20)}},
		"no limit of memory": {Memory: &specs.LinuxMemory{Limit: bytesOf(-1), Swap: bytesOf(-1)}},
		"no OOM killer":      {Memory: &specs.LinuxMemory{Limit: bytesOf(64 << 20), DisableOOMKiller: &yes}},
		"check before": {Memory: &specs.LinuxMemory{
			Limit: bytesOf(64 << 20), CheckBeforeUpdate: &yes, UseHierarchy: &yes,
		}},
		"processors":   {CPU: &specs.LinuxCPU{Shares: number(512), Quota: bytesOf(50000), Period: number(100000), Cpus: "0", Mems: "0"}},
		"no quota":     {CPU: &specs.LinuxCPU{Quota: bytesOf(-1), Period: number(50000)}},
		"burst":        {CPU: &specs.LinuxCPU{Quota: bytesOf(50000), Period: number(100000), Burst: number(20000)}},
		"idle":         {CPU: &specs.LinuxCPU{Idle: &idle}},
		"pids":         {Pids: &specs.LinuxPids{Limit: bytesOf(17)}},
		"any pids":     {Pids: &specs.LinuxPids{Limit: bytesOf(-1)}},
		"throttled":    {BlockIO: &specs.LinuxBlockIO{ThrottleReadBpsDevice: disk(1 << 20), ThrottleWriteBpsDevice: disk(2 << 20)}},
		"fewer blocks": {BlockIO: &specs.LinuxBlockIO{ThrottleReadIOPSDevice: disk(100), ThrottleWriteIOPSDevice: disk(200)}},
		"weight":       {BlockIO: &specs.LinuxBlockIO{Weight: weight(300)}},
		"huge pages":   {HugepageLimits: []specs.LinuxHugepageLimit{{Pagesize: "2MB", Limit: 4 << 20}}},
		"files of v2":  {Unified: map[string]string{"memory.high": "1000000"}},
		"rdma":         {Rdma: map[string]specs.LinuxRdma{"mlx5_1": {}}},
		"devices": {Devices: []specs.LinuxDeviceCgroup{
			{Access: "rwm"},
			{Allow: true, Type: "c", Major: bytesOf(1), Minor: bytesOf(3), Access: "rw"},
			{Allow: true, Type: "b", Major: bytesOf(7), Access: "r"},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, "sleep", "100")
			id := strings.ReplaceAll(idOf(t), " ", "-")
			unlimited, _ := f.limitsUnder(t, id+"-none", nil)
			f.spec.Linux.Resources = &r
			mine, made := f.limitsUnder(t, id+"-cove", nil)
			if slices.Contains(refused, name) {
				if made {
					t.Error("taken, and nothing came of it")
				}
				return
			}
			for _, o := range others(t) {
				theirs, taken := f.limitsUnder(t, id+"-"+o.name, &o)
				if taken && !made && !slices.Contains(ignored, name) {
					t.Errorf("taken by %s and not here", o.name)
				}
				for file, want := range theirs {
					older := want == unlimited[file] && slices.Contains(ignored, name)
					if made && mine[file] != want && !older {
						t.Errorf("%s is %q, under %s %q", file, mine[file], o.name, want)
					}
				}
			}
		})
	}
}

// limitsUnder creates the container under another runtime, or this one, and returns what its
// groups say, and whether it was made.
func (f *fixture) limitsUnder(t *testing.T, id string, o *other) (files map[string]string, made bool) {
	t.Helper()
	f.spec.Linux.CgroupsPath = "/" + id
	f.write()
	root := t.TempDir()
	// crun leaves the groups of a container that it refuses, runc those that were busy.
	t.Cleanup(func() {
		left, _ := filepath.Glob("/sys/fs/cgroup/*/" + id)
		for _, dir := range left {
			if err := os.Remove(dir); err != nil && !os.IsNotExist(err) {
				t.Error(err)
			}
		}
	})
	call := func(args ...string) (string, error) {
		if o != nil {
			return o.call(t, root, args...)
		}
		code, out, errs := f.call(args...)
		if code != 0 {
			return out + errs, fmt.Errorf("exit code %d", code)
		}
		return out, nil
	}
	out, err := call("create", "--bundle", f.bundle, id)
	if err != nil {
		t.Logf("%s: %v: %s", id, err, out)
		return nil, false
	}
	defer func() {
		if out, err := call("delete", "--force", id); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	}()
	return groupFiles(t, "/"+id), true
}
