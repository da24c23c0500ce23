package oci

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"cove/sandbox/sandboxtest"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// links makes more of busybox's commands in the root.
func (f *fixture) links(names ...string) {
	f.t.Helper()
	for _, name := range names {
		if err := os.Symlink("busybox", filepath.Join(f.bundle, "rootfs/bin", name)); err != nil {
			f.t.Fatal(err)
		}
	}
}

func without(t specs.LinuxNamespaceType) func(*specs.Spec) {
	return func(s *specs.Spec) {
		var kept []specs.LinuxNamespace
		for _, n := range s.Linux.Namespaces {
			if n.Type != t {
				kept = append(kept, n)
			}
		}
		s.Linux.Namespaces = kept
	}
}

func with(t specs.LinuxNamespaceType, path string) func(*specs.Spec) {
	return func(s *specs.Spec) {
		without(t)(s)
		s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: t, Path: path})
	}
}

// mountsOfP prints the attributes of the mounts at and below /p.
const mountsOfP = "while read a b c d at opts rest; do " +
	"case $at in /p|/p/*) echo $at $opts;; esac; done < /proc/self/mountinfo"

func (f *fixture) mount(m specs.Mount) { f.spec.Mounts = append(f.spec.Mounts, m) }

// TestSpecFields asks for one field of the runtime spec after another, and looks
// from inside at what became of it, as runtime-tools' programs do.
func TestSpecFields(t *testing.T) {
	t.Parallel()
	ten, neg := 10, -500
	umask := uint32(0o077)
	for name, tt := range map[string]struct {
		change func(*fixture)
		script string
		want   string
	}{
		"hostname": {func(f *fixture) { f.spec.Hostname = "named" }, "hostname", "named"},
		"domainname": {
			func(f *fixture) { f.spec.Domainname = "example.org" },
			"cat /proc/sys/kernel/domainname",
			"example.org",
		},
		"umask":     {func(f *fixture) { f.spec.Process.User.Umask = &umask }, "umask", "0077"},
		"oom score": {func(f *fixture) { f.spec.Process.OOMScoreAdj = &ten }, "cat /proc/self/oom_score_adj", "10"},
		"rlimit": {func(f *fixture) {
			f.spec.Process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_NOFILE", Soft: 100, Hard: 200}}
		}, "ulimit -Sn; ulimit -Hn", "100\n200"},
		"sysctl": {
			func(f *fixture) { f.spec.Linux.Sysctl = map[string]string{"net.ipv4.ip_forward": "1"} },
			"cat /proc/sys/net/ipv4/ip_forward",
			"1",
		},
		"personality": {
			func(f *fixture) {
				f.spec.Linux.Personality = &specs.LinuxPersonality{Domain: specs.PerLinux32}
			},
			"uname -m",
			"i686",
		},
		"personality, plain": {
			func(f *fixture) { f.spec.Linux.Personality = &specs.LinuxPersonality{Domain: specs.PerLinux} },
			"cat /proc/self/personality", "00000000",
		},
		"nice": {
			func(f *fixture) { f.spec.Process.Scheduler = &specs.Scheduler{Policy: specs.SchedBatch, Nice: 7} },
			"set -- $(cat /proc/self/stat); echo ${19} ${41}", "7 3",
		},
		"idle": {
			func(f *fixture) { f.spec.Process.Scheduler = &specs.Scheduler{Policy: specs.SchedIdle} },
			"set -- $(cat /proc/self/stat); echo ${41}", "5",
		},
		"reset on fork": {func(f *fixture) {
			reset := []specs.LinuxSchedulerFlag{specs.SchedFlagResetOnFork}
			f.spec.Process.Scheduler = &specs.Scheduler{Policy: specs.SchedOther, Flags: reset}
		}, "echo fine", "fine"},
		"io priority": {func(f *fixture) {
			f.spec.Process.IOPriority = &specs.LinuxIOPriority{Class: specs.IOPRIO_CLASS_BE, Priority: 3}
		}, "ionice -p $$", "best-effort: prio 3"},
		"io idle": {
			func(f *fixture) {
				f.spec.Process.IOPriority = &specs.LinuxIOPriority{Class: specs.IOPRIO_CLASS_IDLE}
			},
			"ionice -p $$",
			"idle",
		},
		"memory policy": {func(f *fixture) {
			f.spec.Linux.MemoryPolicy = &specs.LinuxMemoryPolicy{Mode: specs.MpolBind, Nodes: "0"}
		}, "read a policy rest < /proc/self/numa_maps; echo $policy", "bind:0"},
		"memory policy, static": {func(f *fixture) {
			static := []specs.MemoryPolicyFlagType{specs.MpolFStaticNodes}
			f.spec.Linux.MemoryPolicy = &specs.LinuxMemoryPolicy{Mode: specs.MpolInterleave, Nodes: "0", Flags: static}
		}, "read a policy rest < /proc/self/numa_maps; echo $policy", "interleave=static:0"},
		"time namespace": {
			func(f *fixture) {
				with(specs.TimeNamespace, "")(f.spec)
				f.spec.Linux.TimeOffsets = map[string]specs.LinuxTimeOffset{
					"boottime": {Secs: 864000000}, "monotonic": {Secs: 7},
				}
			},
			"read up rest < /proc/uptime; [ ${up%.*} -gt 864000000 ] && cat /proc/self/timens_offsets",
			"monotonic           7         0\nboottime    864000000         0",
		},
		"no pid namespace": {
			func(f *fixture) { without(specs.PIDNamespace)(f.spec) },
			"readlink /proc/self/ns/pid",
			hostLink("pid"),
		},
		"no network namespace": {
			func(f *fixture) { without(specs.NetworkNamespace)(f.spec) },
			"readlink /proc/self/ns/net",
			hostLink("net"),
		},
		"no ipc namespace": {
			func(f *fixture) { without(specs.IPCNamespace)(f.spec) },
			"readlink /proc/self/ns/ipc",
			hostLink("ipc"),
		},
		"no uts namespace": {
			func(f *fixture) { without(specs.UTSNamespace)(f.spec) },
			"readlink /proc/self/ns/uts",
			hostLink("uts"),
		},
		"no cgroup namespace": {
			func(f *fixture) { without(specs.CgroupNamespace)(f.spec) },
			"readlink /proc/self/ns/cgroup",
			hostLink("cgroup"),
		},
		"no mount namespace": {
			func(f *fixture) { without(specs.MountNamespace)(f.spec) },
			"readlink /proc/self/ns/mnt; ls -d /bin/busybox /proc/self; cat /proc/kcore",
			hostLink("mnt") + "\n/bin/busybox\n/proc/self",
		},
		"a joined network": {
			func(f *fixture) {
				with(specs.NetworkNamespace, fmt.Sprintf("/proc/%d/ns/net", os.Getpid()))(f.spec)
			},
			"readlink /proc/self/ns/net",
			hostLink("net"),
		},
		"a bind with a mode": {func(f *fixture) {
			options := []string{"bind", "mode=755", "size=1k"}
			f.mount(specs.Mount{Destination: "/tmp", Type: "bind", Source: f.bundle, Options: options})
		}, "ls -d /tmp/config.json", "/tmp/config.json"},
		"an unknown capability": {func(f *fixture) {
			f.spec.Process.Capabilities.Bounding = append(f.spec.Process.Capabilities.Bounding, "CAP_FLY")
		}, "echo went on", "went on"},
		"a capability in vain": {
			func(f *fixture) { f.spec.Process.Capabilities.Ambient = []string{"CAP_FLY", "CAP_KILL"} },
			"echo went on",
			"went on",
		},
		"/dev, read-only": {
			func(f *fixture) { f.spec.Mounts[1].Options = append(f.spec.Mounts[1].Options, "ro") },
			"echo x > /dev/null && [ -c /dev/zero ] && [ -d /dev/shm ] && echo has; " +
				"touch /dev/x 2>&1 || touch /dev/shm/x && echo shm",
			"has\ntouch: /dev/x: Read-only file system\nshm",
		},
		"tmpfs, ro, with below": {func(f *fixture) {
			f.mount(specs.Mount{Destination: "/run", Type: "tmpfs", Options: []string{"ro"}})
			f.mount(specs.Mount{Destination: "/run/below/deep", Type: "tmpfs"})
		}, "touch /run/x 2>/dev/null || touch /run/below/deep/x && echo right", "right"},
		"rro": {
			func(f *fixture) { f.nested("rbind", "rro") },
			"touch /p/x /p/sub/x 2>/dev/null; ls /p/x /p/sub/x 2>/dev/null; echo end",
			"end",
		},
		"ro, not recursive": {
			func(f *fixture) { f.nested("rbind", "ro") },
			"touch /p/x /p/sub/x 2>/dev/null; ls /p/x /p/sub/x 2>/dev/null; echo end",
			"/p/sub/x\nend",
		},
		"rro and rw": {
			func(f *fixture) { f.nested("rbind", "rro", "rw") },
			"touch /p/x /p/sub/x 2>/dev/null; ls /p/x /p/sub/x 2>/dev/null; echo end",
			"/p/x\nend",
		},
		"recursive attributes": {
			func(f *fixture) { f.nested("rbind", "rnosuid", "rnodev", "rnoexec", "rnoatime") },
			mountsOfP,
			"/p rw,nosuid,nodev,noexec,noatime\n/p/sub rw,nosuid,nodev,noexec,noatime",
		},
		"recursive relatime": {
			func(f *fixture) { f.nested("rbind", "rnosuid", "rrelatime") },
			mountsOfP,
			"/p rw,nosuid,relatime\n/p/sub rw,nosuid,relatime",
		},
		"remount": {func(f *fixture) {
			f.mount(specs.Mount{Destination: "/run", Type: "tmpfs"})
			f.mount(specs.Mount{Destination: "/run", Options: []string{"remount", "bind", "ro"}})
		}, "touch /run/x 2>/dev/null || echo held", "held"},
		"mand": {func(f *fixture) {
			options := []string{"mand", "lazytime", "dirsync", "sync", "iversion", "silent"}
			f.mount(specs.Mount{Destination: "/run", Type: "tmpfs", Options: options})
		}, "touch /run/x && echo made", "made"},
		"masked and read-only": {func(f *fixture) {
			f.spec.Linux.MaskedPaths = []string{"/tmp/secret", "/tmp/dir", "/tmp/missing"}
			f.spec.Linux.ReadonlyPaths = []string{"/root"}
		}, "cat /tmp/secret; ls /tmp/dir; touch /root/x 2>/dev/null || echo held", "held"},
		"a read-only root": {
			func(f *fixture) { f.spec.Root.Readonly = true },
			"touch /x 2>/dev/null || echo held",
			"held",
		},
		"tmpfs, the mode it hides": {func(f *fixture) { f.hide("/tmp/dir") }, "stat -c %a /tmp/dir", "710"},
		"tmpfs, a mode":            {func(f *fixture) { f.hide("/tmp/dir", "mode=0444") }, "stat -c %a /tmp/dir", "444"},
		"tmpfs, nothing hidden":    {func(f *fixture) { f.hide("/tmp/new/dir") }, "stat -c %a /tmp/new/dir", "1777"},
		"propagation": {
			func(f *fixture) { f.spec.Linux.RootfsPropagation = "shared" },
			"read a b c d at o tag rest < /proc/self/mountinfo; echo ${tag%%:*}",
			"shared",
		},
		"a relative root": {func(f *fixture) { f.spec.Root.Path = "./rootfs/../rootfs" }, "echo found", "found"},
		"additional groups": {
			func(f *fixture) {
				f.spec.Process.User = specs.User{UID: 5, GID: 6, AdditionalGids: []uint32{7, 8}}
			},
			"id -u; id -g; while read k v; do case $k in Groups:) echo $v;; esac; done < /proc/self/status",
			"5\n6\n7 8",
		},
		"an oom score for all": {
			func(f *fixture) { f.spec.Process.OOMScoreAdj = &neg; f.spec.Process.OOMScoreAdj = &ten },
			"sh -c 'cat /proc/self/oom_score_adj'",
			"10",
		},
		"a device": {func(f *fixture) {
			f.spec.Linux.Devices = []specs.LinuxDevice{{Path: "/dev/fuse2", Type: "c", Major: 10, Minor: 229}}
		}, "stat -c '%t:%T %F' /dev/fuse2", "a:e5 character special file"},
		"a fifo": {
			func(f *fixture) { f.spec.Linux.Devices = []specs.LinuxDevice{{Path: "/dev/pipe", Type: "p"}} },
			"stat -c %F /dev/pipe",
			"fifo",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, "sh", "-c", tt.script)
			f.links("hostname", "readlink", "uname", "ionice", "ls", "stat")
			root := filepath.Join(f.bundle, "rootfs")
			if err := os.MkdirAll(filepath.Join(root, "tmp/dir/file"), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(root, "tmp/secret"), []byte("secret\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			tt.change(f)
			f.write()
			code, out, errs := f.call("run", "-b", f.bundle, idOf(t))
			if got := strings.TrimSpace(out); got != tt.want {
				t.Errorf("%d: got %q, want %q, %s", code, got, tt.want, errs)
			}
			checkUnmounted(t, f.bundle)
		})
	}
}

// hide mounts a tmpfs over a directory of mode 0710, if that is there.
func (f *fixture) hide(name string, options ...string) {
	f.t.Helper()
	err := os.Chmod(filepath.Join(f.bundle, "rootfs", name), 0o710)
	if err != nil && !os.IsNotExist(err) {
		f.t.Fatal(err)
	}
	f.mount(specs.Mount{Destination: name, Type: "tmpfs", Source: "tmpfs", Options: options})
}

// idOf is a container's id for a test.
func idOf(t *testing.T) string {
	clean := func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}
	return fmt.Sprintf("c-%d-%s", os.Getpid(), strings.Map(clean, t.Name()))
}

func hostLink(ns string) string {
	link, err := os.Readlink("/proc/self/ns/" + ns)
	if err != nil {
		return err.Error()
	}
	return link
}

func checkUnmounted(t *testing.T, dir string) {
	t.Helper()
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil || strings.Contains(string(mounts), dir+"/rootfs") {
		t.Errorf("a mount is left below %s, %v", dir, err)
	}
}

// nested binds a directory that has a mount below it to /p.
func (f *fixture) nested(options ...string) {
	f.t.Helper()
	dir := f.t.TempDir()
	sub := filepath.Join(dir, "sub")
	if err := os.Mkdir(sub, 0o755); err != nil {
		f.t.Fatal(err)
	}
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", sub).CombinedOutput(); err != nil {
		f.t.Fatalf("%v: %s", err, out)
	}
	f.t.Cleanup(func() { _ = exec.Command("umount", sub).Run() })
	f.mount(specs.Mount{Destination: "/p", Type: "bind", Source: dir, Options: options})
}

// TestSpecRefusals holds that what cannot be is refused by its name.
func TestSpecRefusals(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(*specs.Spec)
		says   string
	}{
		"hostname of the host": {
			func(s *specs.Spec) { without(specs.UTSNamespace)(s); s.Hostname = "x" },
			"hostname: the container shares",
		},
		"domain name of the host": {
			func(s *specs.Spec) { without(specs.UTSNamespace)(s); s.Domainname = "x" },
			"domainname",
		},
		"maps without a namespace": {
			func(s *specs.Spec) { s.Linux.UIDMappings = []specs.LinuxIDMapping{{Size: 1}} },
			"uidMappings",
		},
		"a namespace twice": {func(s *specs.Spec) {
			s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: "pid"})
		}, "twice"},
		"an unknown namespace": {func(s *specs.Spec) {
			s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: "fun"})
		}, "fun"},
		"a relative namespace": {with(specs.PIDNamespace, "proc/1"), "absolute"},
		"a missing namespace":  {with(specs.NetworkNamespace, "/no/such"), "/no/such"},
		"no namespace file":    {with(specs.NetworkNamespace, "/etc/passwd"), "join network namespace"},
		"intelRdt": {
			func(s *specs.Spec) { s.Linux.IntelRdt = &specs.LinuxIntelRdt{ClosID: "x"} },
			"intelRdt",
		},
		"mountLabel":   {func(s *specs.Spec) { s.Linux.MountLabel = "x" }, "mountLabel"},
		"selinuxLabel": {func(s *specs.Spec) { s.Process.SelinuxLabel = "x" }, "selinuxLabel"},
		"personality": {
			func(s *specs.Spec) { s.Linux.Personality = &specs.LinuxPersonality{Domain: "BSD"} },
			"BSD",
		},
		"personality's flags": {func(s *specs.Spec) {
			s.Linux.Personality = &specs.LinuxPersonality{Domain: "LINUX", Flags: []specs.LinuxPersonalityFlag{"x"}}
		}, "personality.flags"},
		"offsets without": {
			func(s *specs.Spec) { s.Linux.TimeOffsets = map[string]specs.LinuxTimeOffset{"boottime": {}} },
			"timeOffsets",
		},
		"offsets of what": {func(s *specs.Spec) {
			with(specs.TimeNamespace, "")(s)
			s.Linux.TimeOffsets = map[string]specs.LinuxTimeOffset{"wall": {}}
		}, "wall"},
		"policy":    {func(s *specs.Spec) { s.Process.Scheduler = &specs.Scheduler{Policy: "SCHED_FUN"} }, "SCHED_FUN"},
		"no policy": {func(s *specs.Spec) { s.Process.Scheduler = &specs.Scheduler{} }, "scheduler.policy"},
		"policy's flag": {func(s *specs.Spec) {
			s.Process.Scheduler = &specs.Scheduler{Policy: "SCHED_OTHER", Flags: []specs.LinuxSchedulerFlag{"x"}}
		}, "scheduler.flags"},
		"policy of the kernel's": {
			func(s *specs.Spec) { s.Process.Scheduler = &specs.Scheduler{Policy: specs.SchedFIFO} },
			"scheduler: sched_setattr",
		},
		"I/O class": {
			func(s *specs.Spec) { s.Process.IOPriority = &specs.LinuxIOPriority{Class: "FAST"} },
			"FAST",
		},
		"I/O priority": {func(s *specs.Spec) {
			s.Process.IOPriority = &specs.LinuxIOPriority{Class: specs.IOPRIO_CLASS_BE, Priority: 8}
		}, "want 0 to 7"},
		"memory mode": {
			func(s *specs.Spec) { s.Linux.MemoryPolicy = &specs.LinuxMemoryPolicy{Mode: "MPOL_FUN"} },
			"MPOL_FUN",
		},
		"memory nodes": {func(s *specs.Spec) {
			s.Linux.MemoryPolicy = &specs.LinuxMemoryPolicy{Mode: specs.MpolBind, Nodes: "2-1"}
		}, "2-1"},
		"memory flag": {func(s *specs.Spec) {
			x := []specs.MemoryPolicyFlagType{"x"}
			s.Linux.MemoryPolicy = &specs.LinuxMemoryPolicy{Mode: specs.MpolBind, Nodes: "0", Flags: x}
		}, "memoryPolicy.flags"},
		"notify": {func(s *specs.Spec) {
			s.Linux.Seccomp = &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{
				{Names: []string{"mkdir"}, Action: specs.ActNotify},
			}}
		}, "listenerPath"},
		"notify's data": {func(s *specs.Spec) {
			s.Linux.Seccomp = &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, ListenerMetadata: "/x"}
		}, "listenerMetadata"},
		"idmap": {
			func(s *specs.Spec) {
				m := specs.Mount{Destination: "/p", Source: "/tmp", Options: []string{"bind", "idmap"}}
				s.Mounts = append(s.Mounts, m)
			},
			"/p: an id-mapped mount needs",
		},
		"half a map of a mount": {
			func(s *specs.Spec) {
				m := specs.Mount{Destination: "/p", Source: "/tmp", Options: []string{"bind"}}
				m.UIDMappings = []specs.LinuxIDMapping{{Size: 1}}
				s.Mounts = append(s.Mounts, m)
			},
			"/p: an id-mapped mount needs",
		},
		"rlimit twice": {func(s *specs.Spec) {
			s.Process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_CPU"}, {Type: "RLIMIT_CPU"}}
		}, "twice"},
		"a mount option": {func(s *specs.Spec) {
			s.Mounts = append(s.Mounts, specs.Mount{Destination: "/p", Type: "tmpfs", Options: []string{"fun=1"}})
		}, "mount /p"},
		"network of the host": {func(s *specs.Spec) {
			without(specs.NetworkNamespace)(s)
			s.Linux.NetDevices = map[string]specs.LinuxNetDevice{"d0": {}}
		}, "netDevices"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, "true")
			tt.change(f.spec)
			f.write()
			if code, _, errs := f.call("run", "-b", f.bundle, idOf(t)); code != 1 || !strings.Contains(errs, tt.says) {
				t.Errorf("%d %q", code, errs)
			}
			if list := f.must("list", "-q"); list != "" {
				t.Errorf("left: %q", list)
			}
		})
	}
}

// TestWarnings holds that what is left out is logged.
func TestWarnings(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "true")
	f.spec.Process.Capabilities.Permitted = append(f.spec.Process.Capabilities.Permitted, "CAP_FLY")
	f.write()
	code, _, errs := f.call("run", "-b", f.bundle, idOf(t))
	if code != 0 || !strings.Contains(errs, `level=warning`) || !strings.Contains(errs, "CAP_FLY") {
		t.Errorf("%d %q", code, errs)
	}
}

// TestJoinedMounts runs in a mount namespace that somebody else holds.
func TestJoinedMounts(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "sh", "-c", "readlink /proc/self/ns/mnt; cat /proc/self/comm")
	f.links("readlink")
	holder := exec.Command("unshare", "-m", "--propagation", "private", "sleep", "100")
	if err := holder.Start(); err != nil {
		t.Skip("needs unshare of util-linux")
	}
	t.Cleanup(func() { _ = holder.Process.Kill(); _ = holder.Wait() })
	ns := fmt.Sprintf("/proc/%d/ns/mnt", holder.Process.Pid)
	waitFor(t, "a namespace of its own", func() bool {
		link, err := os.Readlink(ns)
		return err == nil && link != hostLink("mnt")
	})
	want, _ := os.Readlink(ns)
	with(specs.MountNamespace, ns)(f.spec)
	f.write()
	id := idOf(t)
	if code, out, errs := f.call("run", "-b", f.bundle, id); code != 0 || out != want+"\ncat\n" {
		t.Errorf("%d %q, want %s, %s", code, out, want, errs)
	}
	checkUnmounted(t, f.bundle)
	mounts, err := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", holder.Process.Pid))
	if err != nil || strings.Contains(string(mounts), f.bundle) {
		t.Errorf("a mount is left in the joined namespace, %v", err)
	}
}

// TestJoinedUser runs in the user namespace of another container, in new
// namespaces that belong to it.
func TestJoinedUser(t *testing.T) {
	t.Parallel()
	maps := []specs.LinuxIDMapping{{ContainerID: 0, HostID: 100000, Size: 65536}}
	first := newFixture(t, "sleep", "100")
	with(specs.UserNamespace, "")(first.spec)
	first.spec.Linux.UIDMappings, first.spec.Linux.GIDMappings = maps, maps
	chown(t, first.bundle)
	first.write()
	id := idOf(t)
	t.Cleanup(func() { first.call("delete", "--force", id) })
	first.must("create", "-b", first.bundle, id)
	first.must("start", id)
	var st specs.State
	if err := json.Unmarshal([]byte(first.must("state", id)), &st); err != nil {
		t.Fatal(err)
	}
	ns := fmt.Sprintf("/proc/%d/ns/user", st.Pid)
	want, err := os.Readlink(ns)
	if err != nil {
		t.Fatal(err)
	}
	agent, mapped := sandboxtest.NewAgent(t, sandboxtest.Mkdirs...), t.TempDir()
	for name, tt := range map[string]struct {
		change func(*specs.Spec)
		script string
		want   string
	}{
		"its own namespaces": {
			func(*specs.Spec) {},
			"readlink /proc/self/ns/user; echo $$; hostname in && hostname; id -u; " +
				"read a b c < /proc/self/uid_map; echo $a $b $c",
			want + "\n1\nin\n0\n0 100000 65536",
		},
		"its pid namespace": {
			with(specs.PIDNamespace, fmt.Sprintf("/proc/%d/ns/pid", st.Pid)),
			"readlink /proc/self/ns/user; [ $$ -gt 1 ] && echo with others",
			want + "\nwith others",
		},
		"no pid namespace": {func(s *specs.Spec) {
			without(specs.PIDNamespace)(s)
			s.Mounts = s.Mounts[1:]
			s.Linux.MaskedPaths, s.Linux.ReadonlyPaths = nil, nil
		}, "id -u", "0"},
		"another user": {func(s *specs.Spec) { s.Process.User = specs.User{UID: 7, GID: 8} }, "id -u; id -g", "7\n8"},
		"a mount that is mapped as it is": {func(s *specs.Spec) {
			s.Mounts = append(s.Mounts, specs.Mount{
				Source: mapped, Destination: "/mapped", Type: "bind", Options: []string{"bind", "idmap"},
			}, specs.Mount{Source: mapped, Destination: "/not", Type: "bind", Options: []string{"bind"}})
		}, "stat -c %u:%g /mapped /not", "0:0\n65534:65534"},
		"a filter with an agent": {func(s *specs.Spec) {
			s.Linux.Seccomp = agent.Notifying("mkdir", "mkdirat")
		}, "mkdir /tmp/made 2>&1 || true", "mkdir: can't create directory '/tmp/made': No medium found"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, "sh", "-c", tt.script)
			f.links("readlink", "hostname", "mkdir", "stat")
			with(specs.UserNamespace, ns)(f.spec)
			f.spec.Process.Capabilities.Effective = append(f.spec.Process.Capabilities.Effective, "CAP_SYS_ADMIN")
			f.spec.Process.Capabilities.Permitted = append(f.spec.Process.Capabilities.Permitted, "CAP_SYS_ADMIN")
			f.spec.Process.Capabilities.Bounding = append(f.spec.Process.Capabilities.Bounding, "CAP_SYS_ADMIN")
			tt.change(f.spec)
			chown(t, f.bundle)
			f.write()
			for _, verb := range []string{"run", "create"} {
				id := idOf(t) + verb
				if verb == "run" {
					code, out, errs := f.call("run", "-b", f.bundle, id)
					if code != 0 || strings.TrimSpace(out) != tt.want {
						t.Errorf("%d %q, want %q, %s", code, out, tt.want, errs)
					}
					continue
				}
				f.must("create", "-b", f.bundle, id)
				f.must("start", id)
				f.must("delete", "--force", id)
			}
		})
	}
}

// chown gives a bundle's root to the root of the user namespaces here.
func chown(t *testing.T, bundle string) {
	t.Helper()
	cmd := exec.Command("chown", "-Rh", "100000:100000", filepath.Join(bundle, "rootfs"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for dir := filepath.Join(bundle); dir != "/" && dir != "/tmp"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

// TestNetDevices moves devices of the host into a container.
func TestNetDevices(t *testing.T) {
	ip := func(args ...string) {
		t.Helper()
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			t.Skipf("needs ip and veth: ip %q: %v: %s", args, err, out)
		}
	}
	const show = "ip -o addr show | while read n name family a rest; do echo $name $a; done"
	for name, tt := range map[string]struct {
		to, want, says string
	}{
		"renamed":  {to: "inside", want: "inside 10.222.0.7/24\n"},
		"kept":     {want: "s1dev0 10.222.0.7/24\n"},
		"template": {to: "net%d", want: "net0 10.222.0.7/24\n"},
		"taken":    {to: "lo", says: "has a device of that name"},
	} {
		t.Run(name, func(t *testing.T) {
			ip("link", "add", "s1dev0", "type", "veth", "peer", "name", "s1dev1")
			t.Cleanup(func() { _ = exec.Command("ip", "link", "del", "s1dev1").Run() })
			ip("addr", "add", "10.222.0.7/24", "dev", "s1dev0")
			ip("link", "set", "s1dev0", "up")
			f := newFixture(t, "sh", "-c", show)
			f.links("ip")
			f.spec.Linux.NetDevices = map[string]specs.LinuxNetDevice{"s1dev0": {Name: tt.to}}
			f.write()
			code, out, errs := f.call("run", "-b", f.bundle, idOf(t))
			if tt.says != "" {
				if code != 1 || !strings.Contains(errs, tt.says) {
					t.Errorf("%d %q", code, errs)
				}
				return
			}
			if code != 0 || !strings.Contains(out, tt.want) {
				t.Errorf("%d %q, want %q, %s", code, out, tt.want, errs)
			}
		})
	}
	f := newFixture(t, "true")
	f.spec.Linux.NetDevices = map[string]specs.LinuxNetDevice{"nosuch0": {}}
	f.write()
	if code, _, errs := f.call("run", "-b", f.bundle, idOf(t)); code != 1 || !strings.Contains(errs, "nosuch0") {
		t.Errorf("%d %q", code, errs)
	}
}

// TestIDMap shows the owners of a bind as others.
func TestIDMap(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		options []string
		want    string
	}{
		"the top":  {[]string{"rbind", "idmap"}, "5007:6007 7:7"},
		"all":      {[]string{"rbind", "ridmap"}, "5007:6007 5007:6007"},
		"unsaid":   {[]string{"rbind"}, "5007:6007 7:7"},
		"no owner": {[]string{"bind", "idmap"}, "5007:6007 0:0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, "stat", "-c", "%u:%g", "/p/f", "/p/sub/f")
			f.links("stat")
			f.nested(tt.options...)
			m := &f.spec.Mounts[len(f.spec.Mounts)-1]
			m.UIDMappings = []specs.LinuxIDMapping{{ContainerID: 0, HostID: 5000, Size: 10}}
			m.GIDMappings = []specs.LinuxIDMapping{{ContainerID: 0, HostID: 6000, Size: 10}}
			for _, file := range []string{"f", "sub/f"} {
				path := filepath.Join(m.Source, file)
				if err := os.WriteFile(path, nil, 0o644); err != nil {
					t.Fatal(err)
				}
				if err := os.Chown(path, 7, 7); err != nil {
					t.Fatal(err)
				}
			}
			f.write()
			code, out, errs := f.call("run", "-b", f.bundle, idOf(t))
			if strings.Contains(errs, "its filesystem may not be able to") {
				t.Skip(errs)
			}
			if got := strings.Join(strings.Fields(out), " "); got != tt.want && !strings.HasPrefix(tt.want, got+" ") {
				t.Errorf("%d %q, want %q, %s", code, got, tt.want, errs)
			}
		})
	}
}

// TestExecJoins runs another process where the first one is, whatever it shares.
func TestExecJoins(t *testing.T) {
	t.Parallel()
	maps := []specs.LinuxIDMapping{{ContainerID: 0, HostID: 100000, Size: 65536}}
	probe := "ls /; for ns in mnt pid net ipc uts cgroup user time; do readlink /proc/self/ns/$ns; done"
	for name, change := range map[string]func(*specs.Spec){
		"its own namespaces": func(*specs.Spec) {},
		"no mount namespace": without(specs.MountNamespace),
		"no pid namespace":   without(specs.PIDNamespace),
		"a time namespace":   with(specs.TimeNamespace, ""),
		"a user namespace": func(s *specs.Spec) {
			with(specs.UserNamespace, "")(s)
			s.Linux.UIDMappings, s.Linux.GIDMappings = maps, maps
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, "sh", "-c", "("+probe+") > /tmp/first; echo done > /tmp/done; sleep 100")
			f.links("ls", "readlink")
			change(f.spec)
			if name == "a user namespace" {
				chown(t, f.bundle)
			}
			f.write()
			id := idOf(t)
			t.Cleanup(func() {
				f.call("delete", "--force", id)
				checkUnmounted(t, f.bundle)
			})
			f.must("create", "-b", f.bundle, id)
			f.must("start", id)
			tmp := filepath.Join(f.bundle, "rootfs/tmp")
			waitFor(t, "the first process's output", func() bool {
				_, err := os.Stat(filepath.Join(tmp, "done"))
				return err == nil
			})
			want, err := os.ReadFile(filepath.Join(tmp, "first"))
			if err != nil {
				t.Fatal(err)
			}
			if got := f.must("exec", id, "sh", "-c", probe); got != string(want) || strings.Contains(got, "home") {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

// TestExecAffinity runs another process on a processor of its own, with a
// scheduler and an I/O priority of its own.
func TestExecAffinity(t *testing.T) {
	t.Parallel()
	if runtime.NumCPU() < 2 {
		t.Skip("needs two processors")
	}
	f := newFixture(t, "sleep", "100")
	f.links("ionice")
	f.write()
	id := idOf(t)
	t.Cleanup(func() { f.call("delete", "--force", id) })
	f.must("create", "-b", f.bundle, id)
	f.must("start", id)
	script := "while read k v; do case $k in Cpus_allowed_list:) echo $v;; esac; done < /proc/self/status; " +
		"set -- $(cat /proc/self/stat); echo ${19}; ionice -p $$"
	process := specs.Process{
		Args: []string{"sh", "-c", script}, Cwd: "/", Env: []string{"PATH=/bin"},
		Scheduler:  &specs.Scheduler{Policy: specs.SchedOther, Nice: 4},
		IOPriority: &specs.LinuxIOPriority{Class: specs.IOPRIO_CLASS_BE, Priority: 6},
	}
	for _, tt := range []struct {
		affinity specs.CPUAffinity
		want     string
	}{{specs.CPUAffinity{Initial: "0", Final: "1"}, "1"}, {specs.CPUAffinity{Initial: "0"}, "0"}} {
		process.ExecCPUAffinity = &tt.affinity
		out := f.must("exec", "--process", processFile(t, process), id)
		if want := tt.want + "\n4\nbest-effort: prio 6\n"; out != want {
			t.Errorf("%+v: %q, want %q", tt.affinity, out, want)
		}
	}
	process.ExecCPUAffinity = &specs.CPUAffinity{Initial: "x"}
	refused(t, f, "execCPUAffinity", "exec", "--process", processFile(t, process), id)
}

func processFile(t *testing.T, process specs.Process) string {
	t.Helper()
	data, err := json.Marshal(process)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "process.json")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestKillWithoutPIDNamespace ends what a container left behind, too.
func TestKillWithoutPIDNamespace(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "sh", "-c", "sleep 100 & sleep 0.1")
	without(specs.PIDNamespace)(f.spec)
	f.write()
	id := idOf(t)
	t.Cleanup(func() { f.call("delete", "--force", id) })
	f.must("create", "-b", f.bundle, id)
	f.must("start", id)
	waitFor(t, "the end of the first process", func() bool { return f.status(id) == "stopped" })
	if left := strings.TrimSpace(f.must("ps", "-f", "json", id)); left == "[]" || left == "null" {
		t.Fatalf("nothing is left: %s", left)
	}
	f.must("kill", id, "KILL")
	waitFor(t, "the end of what was left", func() bool {
		return strings.TrimSpace(f.must("ps", "-f", "json", id)) == "[]"
	})
	if code, _, _ := f.call("kill", id, "KILL"); code != 1 {
		t.Errorf("killing nothing: %d", code)
	}
}

// TestNoProcesses limits processes to 0, which meant nothing before version 1.3: the first
// process is the only one.
func TestNoProcesses(t *testing.T) {
	t.Parallel()
	none := int64(0)
	for version, want := range map[string]string{"1.0.2": "max", "1.3.0": "1"} {
		f := newFixture(t, "cat", "/sys/fs/cgroup/pids/pids.max")
		f.spec.Version = version
		f.spec.Linux.Resources.Pids = &specs.LinuxPids{Limit: &none}
		f.write()
		code, out, errs := f.call("run", "-b", f.bundle, idOf(t)+version)
		if strings.Contains(errs, "No such file") {
			t.Skip("needs the controller pids of control groups v1")
		}
		if strings.TrimSpace(out) != want {
			t.Errorf("%s: %d %q, want %s, %s", version, code, out, want, errs)
		}
	}
}

// TestNoFollow binds links, and over links, where the options say so, and else what they lead
// to (config.md, "src-nofollow" and "dest-nofollow").
func TestNoFollow(t *testing.T) {
	t.Parallel()
	for options, want := range map[string]string{
		"bind":                            "target\nof the host\nof the host\n",
		"bind,dest-nofollow":              "of the host\nof the image\n",
		"bind,src-nofollow,dest-nofollow": "data\nof the image\n",
	} {
		f := newFixture(t, "sh", "-c", "readlink /link; cat /link 2>/dev/null; cat /target")
		f.links("readlink")
		root := filepath.Join(f.bundle, "rootfs")
		for name, text := range map[string]string{filepath.Join(f.bundle, "data"): "of the host\n", root + "/target": "of the image\n"} {
			if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for name, to := range map[string]string{filepath.Join(f.bundle, "source"): "data", root + "/link": "target"} {
			if err := os.Symlink(to, name); err != nil {
				t.Fatal(err)
			}
		}
		f.mount(specs.Mount{Source: "source", Destination: "/link", Type: "bind", Options: strings.Split(options, ",")})
		f.write()
		if out := f.must("run", "-b", f.bundle, idOf(t)+strings.ReplaceAll(options, ",", "-")); out != want {
			t.Errorf("%s: %q, want %q", options, out, want)
		}
	}
}
