package sandbox_test

import (
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"

	"cove/layers/mount"
	"cove/sandbox"
	"cove/sandbox/host"
	"cove/sandbox/plan"
)

// canary is a file of the host that no container may read.
const canary = "/tmp/cove-canary"

// attack builds the program that attacks from inside, once for all tests.
var attack = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "cove-attack")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	cmd := exec.Command("go", "build", "-o", dir+"/attack", "./testdata/attack")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the attacker: %w\n%s", err, out)
	}
	b, err := os.ReadFile(dir + "/attack")
	return string(b), err
})

// hostile is a root filesystem with the attacker in it.
func hostile(t *testing.T) string {
	t.Helper()
	root := rootfs(t)
	program, err := attack()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(root+"/bin/attack", []byte(program), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"dd", "mknod", "chroot", "head", "echo", "ln", "cd", "umount", "insmod", "date", "dmesg", "swapoff", "rm", "wc", "find", "unshare", "nsenter", "pivot_root"} {
		_ = os.Symlink("busybox", root+"/bin/"+name)
	}
	return root
}

// scripts are what root in a default container tries; success prints ESCAPED.
var scripts = map[string]string{
	// What hides a file is the host's /dev/null, which keeps its mode, owner and times.
	"mode of a mask":             "chmod 666 /proc/keys && echo ESCAPED; chmod 666 /proc/timer_list && echo ESCAPED",
	"owner of a mask":            "chown 0:0 /proc/keys && echo ESCAPED",
	"times of a mask":            "touch /proc/keys && echo ESCAPED; echo x >/proc/keys || echo ESCAPED: not to be written",
	"write core_pattern":         "echo '|/tmp/x' > /proc/sys/kernel/core_pattern && echo ESCAPED",
	"write modprobe":             "echo /tmp/x > /proc/sys/kernel/modprobe && echo ESCAPED",
	"write hostname sysctl":      "echo x > /proc/sys/kernel/hostname && echo ESCAPED",
	"write drop_caches":          "echo 1 > /proc/sys/vm/drop_caches && echo ESCAPED",
	"write binfmt_misc":          "echo x > /proc/sys/fs/binfmt_misc/register && echo ESCAPED",
	"write sysrq":                "echo h > /proc/sysrq-trigger && echo ESCAPED",
	"write irq affinity":         "echo 1 > /proc/irq/default_smp_affinity && echo ESCAPED",
	"write uevent_helper":        "echo /tmp/x > /sys/kernel/uevent_helper && echo ESCAPED",
	"write sysfs":                "echo 1 > /sys/kernel/profiling && echo ESCAPED",
	"write vmcoreinfo":           "echo 1 > /sys/module/kernel/parameters/panic && echo ESCAPED",
	"read kcore":                 "head -c 1 /proc/kcore | grep -q . && echo ESCAPED",
	"read keys":                  "grep -q . /proc/keys && echo ESCAPED",
	"read timer_list":            "grep -q . /proc/timer_list && echo ESCAPED",
	"read sched_debug":           "grep -q . /proc/sched_debug && echo ESCAPED",
	"list firmware":              "ls /sys/firmware | grep -q . && echo ESCAPED",
	"list acpi":                  "ls /proc/acpi | grep -q . && echo ESCAPED",
	"list powercap":              "ls /sys/devices/virtual/powercap | grep -q . && echo ESCAPED",
	"unmask by umount":           "umount /proc/kcore && echo ESCAPED; umount /proc/keys && echo ESCAPED",
	"unmask by remount":          "mount -o remount,rw /proc/sys && echo ESCAPED",
	"unmask by another proc":     "mkdir -p /tmp/p; mount -t proc proc /tmp/p && echo ESCAPED",
	"read-only by bind":          "mount -o bind / /tmp && echo ESCAPED",
	"mount a disk":               "mknod /tmp/d b 254 0; mkdir -p /tmp/m; mount /tmp/d /tmp/m && echo ESCAPED",
	"read a disk":                "mknod /tmp/d b 254 0; head -c 1 /tmp/d && echo ESCAPED",
	"read a loop device":         "mknod /tmp/d b 7 0; head -c 1 /tmp/d && echo ESCAPED",
	"read memory":                "mknod /tmp/d c 1 1; head -c 1 /tmp/d && echo ESCAPED",
	"read ports":                 "mknod /tmp/d c 1 4; head -c 1 /tmp/d && echo ESCAPED",
	"read kmsg":                  "mknod /tmp/d c 1 11; head -c 1 /tmp/d && echo ESCAPED",
	"write kmsg":                 "mknod /tmp/d c 1 11; echo x > /tmp/d && echo ESCAPED",
	"open the console":           "mknod /tmp/d c 4 0; echo x > /tmp/d && echo ESCAPED",
	"open fuse":                  "mknod /tmp/d c 10 229; : < /tmp/d && echo ESCAPED",
	"open kvm":                   "mknod /tmp/d c 10 232; : < /tmp/d && echo ESCAPED",
	"open vhost":                 "mknod /tmp/d c 10 238; : < /tmp/d && echo ESCAPED",
	"climb":                      "cat ../../../../../../../.." + canary + " && echo ESCAPED",
	"canary":                     "cat " + canary + " && echo ESCAPED",
	"root of process 1":          "cat /proc/1/root" + canary + " && echo ESCAPED",
	"cwd of process 1":           "cat /proc/1/cwd" + canary + " && echo ESCAPED",
	"root of itself":             "cat /proc/self/root/../.." + canary + " && echo ESCAPED",
	"descriptors":                "for f in /proc/1/fd/* /proc/self/fd/*; do cat $f/.." + canary + " $f" + canary + " && echo ESCAPED; done; true",
	"descriptors, list":          "attack fds",
	"environment":                "grep -qaE 'SUDO|SSH_|GOPATH|COVE' /proc/1/environ && echo ESCAPED",
	"overwrite the runtime":      "for p in /proc/[0-9]*; do echo x > $p/exe && echo ESCAPED; done; true",
	"classic chroot":             "attack chroot " + canary,
	"chroot and climb":           "mkdir /tmp/j; ls / > /tmp/before; chroot /tmp/j sh; cat ../../../.." + canary + " && echo ESCAPED",
	"file handles":               "attack handle",
	"release_agent":              "mkdir -p /tmp/cg; mount -t cgroup -o memory cgroup /tmp/cg && echo ESCAPED",
	"cgroup2":                    "mkdir -p /tmp/cg; mount -t cgroup2 none /tmp/cg && echo ESCAPED",
	"write own cgroup":           "for f in $(find /sys/fs/cgroup -name cgroup.procs); do echo 0 > $f && echo ESCAPED; done; true",
	"raise own limits":           "for f in $(find /sys/fs/cgroup -name '*limit_in_bytes'); do echo -1 > $f && echo ESCAPED; done; true",
	"make a cgroup":              "mkdir /sys/fs/cgroup/memory/x && echo ESCAPED",
	"path of the host in cgroup": "grep -q cove-test /proc/self/cgroup /proc/self/mountinfo && echo ESCAPED",
	"climb the cgroup":           "ls /sys/fs/cgroup/memory/.. | grep -q tasks && echo ESCAPED",
	"set the date":               "date -s 2001-01-01; date +%Y | grep -q 2001 && echo ESCAPED",
	"set the hostname":           "hostname evil && echo ESCAPED",
	"load a module":              "echo x > /tmp/m.ko; insmod /tmp/m.ko 2>&1 | grep -q 'not permitted' || echo ESCAPED",
	"kernel log":                 "dmesg | grep -q . && echo ESCAPED",
	"unshare user":               "unshare -r true && echo ESCAPED",
	"unshare mount":              "unshare -m true && echo ESCAPED",
	"nsenter 1":                  "nsenter -t 1 -m true && echo ESCAPED",
	"pivot_root":                 "mkdir -p /tmp/n/o; pivot_root /tmp/n /tmp/n/o && echo ESCAPED",
	"network sysctl":             "echo 1 > /proc/sys/net/ipv4/ip_forward && echo ESCAPED",
	"bring up a link":            "ip link set lo down && echo ESCAPED",
	"oom score below":            "echo -1000 > /proc/self/oom_score_adj && echo ESCAPED",
	"write uid_map":              "echo '0 0 1' > /proc/self/uid_map && echo ESCAPED",
	"processes of the host":      "ls /proc | grep -E '^[0-9]+$' | wc -l | grep -qE '^[0-9]$' || echo ESCAPED",
	"sockets of the host":        "ls /run/docker.sock /var/run /run/systemd && echo ESCAPED",
	"links out by /dev/fd":       "cat /dev/fd/3/.." + canary + " && echo ESCAPED",
	"raise a limit":              "ulimit -Hn 1000000000 && echo ESCAPED",
}

// calls are system calls with their number on amd64 and arguments that would
// do something if they were allowed.
var calls = map[string]string{
	"keyctl":                "250 0 0 1",
	"add_key":               "248 user cove x 1 -3",
	"request_key":           "249 user cove x 0",
	"bpf":                   "321 5 x 72",
	"io_uring_setup":        "425 8 zero",
	"userfaultfd":           "323 0",
	"userfaultfd, user":     "323 1",
	"perf_event_open":       "298 x 0 -1 -1 0",
	"open_by_handle_at":     "304 -100 x 0",
	"init_module":           "175 x 1 y",
	"finit_module":          "313 0 x 0",
	"delete_module":         "176 dummy 0",
	"kexec_load":            "246 0 0 0 0",
	"kexec_file_load":       "320 0 0 0 x 0",
	"reboot":                "169 0xfee1dead 672274793 0 0",
	"swapon":                "167 /tmp/x 0",
	"swapoff":               "168 /tmp/x",
	"mount":                 "165 none /tmp tmpfs 0 0",
	"umount2":               "166 /proc 2",
	"fsopen":                "430 tmpfs 0",
	"open_tree clone":       "428 -100 / 1",
	"move_mount":            "429 -100 / -100 /tmp 0",
	"fsmount":               "432 0 0 0",
	"fspick":                "433 -100 / 0",
	"mount_setattr":         "442 -100 / 0 x 32",
	"pivot_root":            "155 / /",
	"setns":                 "308 0 0",
	"unshare user":          "272 0x10000000",
	"unshare mount":         "272 0x20000",
	"clone user":            "56 0x10000011 0 0 0 0",
	"clone3":                "435 x 64",
	"settimeofday":          "164 x 0",
	"clock_settime":         "227 0 x",
	"acct":                  "163 /tmp/x",
	"quotactl":              "179 0 0 0 0",
	"syslog":                "103 3 x 100",
	"iopl":                  "172 3",
	"ioperm":                "173 0x70 1 1",
	"sethostname":           "170 evil 4",
	"setdomainname":         "171 evil 4",
	"vhangup":               "153",
	"nfsservctl":            "180 0 0 0",
	"lookup_dcookie":        "212 0 x 10",
	"personality of SVR4":   "135 1",
	"socket vsock":          "41 40 1 0",
	"socket alg":            "41 38 5 0",
	"x32 getpid":            "0x40000027",
	"fanotify_init":         "300 0 0",
	"process_madvise":       "440 0 x 1 4 0",
	"migrate_pages":         "256 1 64 x y",
	"move_pages of another": "279 1 1 x 0 y 0",
	"a call of the future":  "1000 0",
}

// TestEscapes is the corpus of ways out; none may succeed.
func TestEscapes(t *testing.T) {
	t.Parallel()
	if err := os.WriteFile(canary, []byte("the host's\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(canary) })
	root := hostile(t)
	g := group(t, deviceLimits())
	all := map[string]string{}
	for name, s := range scripts {
		all["script "+name] = s
	}
	for name, c := range calls {
		all["call "+name] = "attack call " + c
	}
	tried := 0
	for batch := range slices.Chunk(slices.Sorted(maps.Keys(all)), 20) {
		var script strings.Builder
		for _, name := range batch {
			fmt.Fprintf(&script, "echo '== %s'\n(%s\n) 2>/tmp/err\nrm -rf /tmp/*\n", name, all[name])
		}
		r, err := runSpec(t, mount.Mount{Type: "bind", Source: root}, contained("sh", "-c", script.String()+"echo '== end'"),
			func(r *sandbox.Request) { r.Cgroup = g })
		if err != nil {
			t.Fatalf("not tried: %v", err)
		}
		for _, section := range strings.Split(r.out, "== ")[1:] {
			name, out, _ := strings.Cut(section, "\n")
			if strings.Contains(out, "ESCAPED") {
				t.Errorf("%s: %s", name, out)
			}
			if strings.HasPrefix(name, "call ") && !strings.HasPrefix(out, "E") {
				t.Errorf("%s: not tried: %q", name, out)
			}
			if name != "end" {
				tried++
			}
		}
	}
	if tried != len(all) {
		t.Errorf("tried %d of %d", tried, len(all))
	}
	t.Logf("%d escapes tried, none may succeed", tried)
}

// contained is a container as docker starts it, with fresh writable places.
func contained(args ...string) *specs.Spec {
	spec := baseSpec(args...)
	spec.Mounts = append(spec.Mounts,
		specs.Mount{Destination: "/sys/fs/cgroup", Type: "cgroup", Source: "cgroup", Options: []string{"ro", "nosuid", "noexec", "nodev"}},
		specs.Mount{Destination: "/tmp", Type: "tmpfs", Source: "tmpfs", Options: []string{"mode=1777"}})
	spec.Linux.Seccomp = profileFor(spec.Process.Capabilities.Bounding)
	return spec
}

func deviceLimits() *specs.LinuxResources {
	return &specs.LinuxResources{Devices: []specs.LinuxDeviceCgroup{{Allow: false, Access: "rwm"}}}
}

// TestHostileImages starts containers from images and configurations made to
// mislead the runtime itself.
func TestHostileImages(t *testing.T) {
	t.Parallel()
	link := func(target, name string) func(*testing.T, string) {
		return func(t *testing.T, root string) {
			t.Helper()
			_ = os.RemoveAll(root + name)
			if err := os.Symlink(target, root+name); err != nil {
				t.Fatal(err)
			}
		}
	}
	outside := t.TempDir()
	for name, tt := range map[string]struct {
		image func(*testing.T, string)
		spec  func(*specs.Spec)
		// refused says that the container must not start.
		refused bool
	}{
		"/proc is a link (CVE-2019-19921)":                       {image: link("/tmp", "/proc"), refused: true},
		"/dev is a link outside":                                 {image: link("../../../.."+outside, "/dev")},
		"/dev/shm below a link":                                  {image: link(outside, "/dev")},
		"/sys is a link":                                         {image: link(outside, "/sys"), refused: true},
		"a volume over a link outside":                           {image: link(outside, "/data"), spec: bind("/data/new", outside)},
		"a volume over a climbing link":                          {image: link("../../../../../../.."+outside, "/data"), spec: bind("/data/x/y", outside)},
		"a volume over a magic link (CVE-2021-30465)":            {image: link("/proc/self/root/tmp", "/data"), spec: bind("/data/x", outside), refused: true},
		"a volume over a descriptor":                             {image: link("/proc/self/fd/5", "/data"), spec: bind("/data/x", outside), refused: true},
		"a volume with dots":                                     {spec: bind("/../../../../.."+outside+"/z", outside)},
		"the working directory is a descriptor (CVE-2024-21626)": {spec: func(s *specs.Spec) { s.Process.Cwd = "/proc/self/fd/7" }, refused: true},
		"the working directory is a climbing descriptor":         {spec: func(s *specs.Spec) { s.Process.Cwd = "/proc/self/fd/6/../../.." }},
		"the working directory links to a descriptor":            {image: link("/proc/self/fd/7", "/there"), spec: func(s *specs.Spec) { s.Process.Cwd = "/there" }, refused: true},
		"the working directory links outside":                    {image: link("../../../.."+outside, "/there"), spec: func(s *specs.Spec) { s.Process.Cwd = "/there/dir" }},
		"the command is the runtime (CVE-2019-5736)":             {spec: func(s *specs.Spec) { s.Process.Args = []string{"/proc/self/exe"} }, refused: true},
		"the command links to the runtime":                       {image: link("/proc/self/exe", "/run-me"), spec: func(s *specs.Spec) { s.Process.Args = []string{"/run-me"} }, refused: true},
		"/dev/null is a link (CVE-2025-31133)": {image: link("/proc/sys/kernel/core_pattern", "/null"), spec: func(s *specs.Spec) {
			s.Mounts = append(s.Mounts, specs.Mount{Destination: "/dev/null", Type: "bind", Source: "/dev/zero", Options: []string{"bind"}})
		}},
		"/dev/console is a link (CVE-2025-52565)": {spec: func(s *specs.Spec) { s.Process.Terminal = true }},
		"a masked path is a link":                 {image: link(outside, "/hide"), spec: func(s *specs.Spec) { s.Linux.MaskedPaths = append(s.Linux.MaskedPaths, "/hide") }},
		"a read-only path climbs":                 {spec: func(s *specs.Spec) { s.Linux.ReadonlyPaths = append(s.Linux.ReadonlyPaths, "/../../.."+outside) }},
		"a device over a link": {image: link(outside, "/d"), spec: func(s *specs.Spec) {
			s.Linux.Devices = []specs.LinuxDevice{{Path: "/d/null", Type: "c", Major: 1, Minor: 3}}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := hostile(t)
			if tt.image != nil {
				tt.image(t, root)
			}
			spec := contained("sh", "-c", "cat "+canary+" ./.."+canary+" && echo ESCAPED; attack fds")
			if tt.spec != nil {
				tt.spec(spec)
			}
			g := group(t, deviceLimits())
			r, err := runSpec(t, mount.Mount{Type: "bind", Source: root}, spec, func(r *sandbox.Request) { r.Cgroup = g })
			if strings.Contains(r.out, "ESCAPED") {
				t.Errorf("%s", r.out)
			}
			if tt.refused && err == nil && r.status.Code == 0 {
				t.Errorf("started: %v %q", r.status, r.out)
			}
		})
	}
	t.Cleanup(func() {
		entries, err := os.ReadDir(outside)
		if err != nil || len(entries) != 0 {
			t.Errorf("made outside of a root: %v, %v", entries, err)
		}
	})
}

func bind(dest, source string) func(*specs.Spec) {
	return func(s *specs.Spec) {
		s.Mounts = append(s.Mounts, specs.Mount{Destination: dest, Type: "bind", Source: source, Options: []string{"rbind", "ro"}})
	}
}

// TestSeize has a container seize every process that joins it (CVE-2016-9962), by
// exec and by sharing its pid namespace.
func TestSeize(t *testing.T) {
	t.Parallel()
	t.Run("with SYS_PTRACE", func(t *testing.T) {
		t.Parallel()
		spec := contained("attack", "seize")
		c := spec.Process.Capabilities
		c.Bounding = append(c.Bounding, "CAP_SYS_PTRACE")
		c.Effective, c.Permitted = c.Bounding, c.Bounding
		spec.Linux.Seccomp = profileFor(c.Bounding)
		h := features(t)
		if !h.ProcPIDNS() {
			// A process that mounts proc is in the namespace, and only those without
			// this capability are kept out of it.
			t.Skip("needs Linux 6.17")
		}
		seize(t, spec, h)
	})
	t.Run("as docker has it, on an older kernel", func(t *testing.T) {
		t.Parallel()
		seize(t, contained("attack", "seize"), olderKernel(t))
	})
}

// seize has processes join a hostile container, as they do on h.
func seize(t *testing.T, spec *specs.Spec, h host.Features) {
	t.Helper()
	root := mount.Mount{Type: "bind", Source: hostile(t)}
	g := group(t, nil)
	p, err := plan.Compile(spec, features(t))
	if err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	target, err := sandbox.Create(t.Context(), sandbox.Request{Plan: p, Spec: spec, Root: root, Stdout: w, Cgroup: g})
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	if err := target.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(50 * time.Millisecond)
	joining := *spec.Process
	joining.Args = []string{"true"}
	shared := contained("true")
	for i := range shared.Linux.Namespaces {
		if shared.Linux.Namespaces[i].Type == specs.PIDNamespace {
			shared.Linux.Namespaces[i].Path = fmt.Sprintf("/proc/%d/ns/pid", target.Pid())
		}
	}
	for range 20 {
		if _, err := join(t, target, spec, &joining, func(r *sandbox.JoinRequest) { r.Cgroup = g }); err != nil {
			t.Errorf("joining a hostile container: %v", err)
		}
		p, err := plan.Compile(shared, h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := runSpec(t, root, shared, func(r *sandbox.Request) { r.Cgroup, r.Plan = g, p }); err != nil {
			t.Errorf("sharing its pid namespace: %v", err)
		}
	}
	if err := os.WriteFile(filepath.Join(fmt.Sprintf("/proc/%d/root", target.Pid()), "tmp/stop"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := io.ReadAll(r)
	if err != nil || strings.Contains(string(out), "ESCAPED") || !strings.Contains(string(out), "seized") {
		t.Errorf("%s %v", out, err)
	}
	t.Logf("%s", out)
	if _, err := target.Wait(t.Context()); err != nil {
		t.Error(err)
	}
	target.PidFD().Close()
}
