package sandbox_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/layers/mount"
	"cove/sandbox"
	"cove/sandbox/host"
	"cove/sandbox/plan"
)

// overlay stacks n layers on the root filesystem.
func overlay(t testing.TB, n int) mount.Mount {
	t.Helper()
	base := rootfs(t)
	m := mount.Mount{Type: "overlay", Options: []string{"index=off", "metacopy=off", "redirect_dir=off"}}
	dir := t.TempDir()
	for i := range n {
		lower := filepath.Join(dir, strings.Repeat("layer", 8)+strconv.Itoa(i))
		if err := os.MkdirAll(lower, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(lower, "file"+strconv.Itoa(i)), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		m.Lower = append(m.Lower, lower)
	}
	m.Lower = append(m.Lower, base)
	m.Upper, m.Work = dir+"/upper", dir+"/work"
	for _, d := range []string{m.Upper, m.Work} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

func TestOverlay(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 127} {
		m := overlay(t, n)
		r, err := runSpec(t, m, baseSpec("sh", "-c", "ls / | grep -c file; touch /new"))
		if err != nil {
			t.Fatal(err)
		}
		if strings.TrimSpace(r.out) != strconv.Itoa(n) {
			t.Errorf("%d layers: %s%s", n, r.out, r.err)
		}
		if _, err := os.Stat(m.Upper + "/new"); err != nil {
			t.Error(err)
		}
		m.ReadOnly = true
		if r, err := runSpec(t, m, baseSpec("touch", "/new2")); err != nil || r.status.Code == 0 {
			t.Errorf("read-only: %v %v", r.status, err)
		}
	}
}

func TestReadonlyRoot(t *testing.T) {
	t.Parallel()
	spec := baseSpec("sh", "-c", "touch /new || touch /dev/shm/new && echo good")
	spec.Root.Readonly = true
	spec.Process.Cwd = "/made/for/this"
	r, err := runSpec(t, mount.Mount{Type: "bind", Source: rootfs(t)}, spec)
	if err != nil || r.out != "good\n" {
		t.Errorf("%q %q %v", r.out, r.err, err)
	}
}

func TestBinds(t *testing.T) {
	t.Parallel()
	src := t.TempDir()
	file := filepath.Join(src, "file")
	if err := os.WriteFile(file, []byte("hello\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	spec := baseSpec("sh", "-c", `cat /a/b/c/file /x/y; touch /a/b/c/new; touch /ro/new; grep ' /a/b/c ' /proc/self/mountinfo; grep ' /nosuid ' /proc/self/mountinfo`)
	spec.Mounts = append(spec.Mounts,
		specs.Mount{Destination: "/a/b/c", Type: "bind", Source: src, Options: []string{"rbind", "rprivate"}},
		specs.Mount{Destination: "/x/y", Source: file, Options: []string{"bind", "ro"}},
		specs.Mount{Destination: "/ro", Source: src, Options: []string{"rbind", "ro"}},
		specs.Mount{Destination: "/nosuid", Source: src, Options: []string{"bind", "nosuid", "nodev", "noexec", "rro", "rslave"}},
	)
	r, err := runSpec(t, mount.Mount{Type: "bind", Source: rootfs(t)}, spec)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(r.out, "hello\nhello\n") || !strings.Contains(r.err, "/ro/new: Read-only") || strings.Contains(r.err, "/a/b") {
		t.Errorf("%s%s", r.out, r.err)
	}
	if !strings.Contains(r.out, "ro,nosuid,nodev,noexec") {
		t.Errorf("attributes: %s", r.out)
	}
	if _, err := os.Stat(src + "/new"); err != nil {
		t.Error(err)
	}
	spec.Mounts = append(spec.Mounts, specs.Mount{Destination: "/z", Source: "/no/such/dir", Options: []string{"bind"}})
	if _, err := runSpec(t, mount.Mount{Type: "bind", Source: rootfs(t)}, spec); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("a missing source: %v", err)
	}
}

// TestMountsInOrder lists mounts as the spec has them, whatever they are: Linux 6.8 and newer
// list them by when they were made, older ones by when they were attached.
func TestMountsInOrder(t *testing.T) {
	t.Parallel()
	spec := baseSpec("cat", "/proc/self/mountinfo")
	src, want := t.TempDir(), []string{}
	for i, m := range []specs.Mount{
		{Type: "tmpfs", Source: "tmpfs"},
		{Type: "bind", Source: src, Options: []string{"rbind", "rprivate"}},
		{Type: "tmpfs", Source: "tmpfs", Options: []string{"ro"}},
		{Source: src, Options: []string{"bind", "ro"}},
		{Source: src + "/", Options: []string{"bind"}},
		{Source: src, Options: []string{"rbind", "rshared"}},
		{Source: src, Options: []string{"bind", "slave"}},
		{Source: src, Options: []string{"bind", "private"}},
		{Type: "tmpfs", Source: "tmpfs"},
	} {
		m.Destination = fmt.Sprint("/order/", i)
		spec.Mounts = append(spec.Mounts, m)
		want = append(want, m.Destination)
	}
	r, err := runSpec(t, mount.Mount{Type: "bind", Source: rootfs(t)}, spec)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(r.out) {
		if fields := strings.Fields(line); strings.HasPrefix(fields[4], "/order/") {
			got = append(got, fields[4])
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestBindWithMountNamespace binds a directory in which the file of a mount namespace is
// mounted, as /run is where snapd keeps those of its applications in /run/snapd/ns.
func TestBindWithMountNamespace(t *testing.T) {
	src := t.TempDir()
	file, below := filepath.Join(src, "namespace"), filepath.Join(src, "below")
	if err := errors.Join(os.WriteFile(file, nil, 0o644), os.Mkdir(below, 0o755)); err != nil {
		t.Fatal(err)
	}
	other := exec.CommandContext(t.Context(), "sleep", "100")
	other.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS, Pdeathsig: unix.SIGKILL}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = errors.Join(other.Process.Kill(), other.Wait()) }()
	for _, m := range []struct {
		source, at string
		kind       string
		flags      uintptr
	}{
		{src, src, "", unix.MS_BIND},
		{"", src, "", unix.MS_PRIVATE},
		{"tmpfs", below, "tmpfs", 0},
		{fmt.Sprintf("/proc/%d/ns/mnt", other.Process.Pid), file, "", unix.MS_BIND},
	} {
		if err := unix.Mount(m.source, m.at, m.kind, m.flags, ""); err != nil {
			t.Fatalf("%+v: %v", m, err)
		}
		if m.at != src || m.flags == unix.MS_BIND {
			defer func() {
				if err := unix.Unmount(m.at, unix.MNT_DETACH); err != nil {
					t.Error(err)
				}
			}()
		}
	}
	if err := os.WriteFile(below+"/mounted", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	// What is mounted nowhere, and is known by its descriptor alone, is bound too, where the kernel copies such
	// a mount (Linux 6.15).
	detached, err := unix.OpenTree(unix.AT_FDCWD, below, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(detached)
	again, err := unix.OpenTree(detached, "", unix.AT_EMPTY_PATH|unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	copied := err == nil
	if copied {
		unix.Close(again)
	} else if !errors.Is(err, unix.EINVAL) {
		t.Fatal(err)
	}
	spec := baseSpec("sh", "-c", "ls /run/below /detached/; test -f /run/namespace && grep -c nsfs /proc/self/mountinfo")
	spec.Mounts = append(spec.Mounts,
		specs.Mount{Destination: "/run", Type: "bind", Source: src, Options: []string{"rbind"}})
	alone := specs.Mount{
		Destination: "/detached", Type: "bind", Source: fmt.Sprintf("/proc/self/fd/%d", detached),
		Options: []string{"rbind"},
	}
	if !copied {
		alone.Source = below
	}
	spec.Mounts = append(spec.Mounts, alone)
	r, err := runSpec(t, mount.Mount{Type: "bind", Source: rootfs(t)}, spec)
	if err != nil || r.out != "/detached/:\nmounted\n\n/run/below:\nmounted\n0\n" {
		t.Errorf("got %q %q, %v", r.out, r.err, err)
	}
}

// TestBindOverDanglingLink mounts a file where the image has a link to nothing:
// /etc/resolv.conf is one in images that were machines with systemd-resolved.
// What the link names is outside of the root, and must not be made there.
func TestBindOverDanglingLink(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("hello\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	root := rootfs(t)
	outside := filepath.Join(t.TempDir(), "outside")
	links := map[string]string{
		"relative": "../run/systemd/resolve/stub.conf", "absolute": outside,
		"chain": "relative", "climbing": "../../../../../.." + outside,
	}
	for link, target := range links {
		if err := os.Symlink(target, filepath.Join(root, link)); err != nil {
			t.Fatal(err)
		}
	}
	dests := []string{"/relative", "/absolute", "/chain", "/climbing"}
	spec := baseSpec(append([]string{"cat"}, dests...)...)
	for _, dest := range dests {
		spec.Mounts = append(spec.Mounts, specs.Mount{Destination: dest, Source: file, Options: []string{"bind"}})
	}
	r, err := runSpec(t, mount.Mount{Type: "bind", Source: root}, spec)
	if err != nil || r.out != strings.Repeat("hello\n", len(dests)) {
		t.Errorf("%v, %s%s", err, r.out, r.err)
	}
	if _, err := os.Lstat(outside); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what the link names: %v", err)
	}
}

// TestDirectoryBehindDanglingLink mounts directories, and works in one, where the
// image has links to nothing, as /var/lock is one to /run/lock. What they name is
// made in the root, as runc does, and nowhere else.
func TestDirectoryBehindDanglingLink(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("hello\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	root, outside := rootfs(t), filepath.Join(t.TempDir(), "outside")
	for link, target := range map[string]string{
		"absolute": outside, "relative": "made/deep", "chain": "relative2", "relative2": "/made/chain",
		"climbing": "../../../.." + outside + "-climbing", "way": "made/way", "here": "/made/here", "loop": "loop",
	} {
		if err := os.Symlink(target, filepath.Join(root, link)); err != nil {
			t.Fatal(err)
		}
	}
	spec := baseSpec("sh", "-c", "cat absolute/file relative/file chain/file climbing/file way/in/file way/file; "+
		"stat -f -c %T /way/tmp; cd /here && pwd -P")
	for _, dest := range []string{"/absolute", "/relative", "/chain", "/climbing", "/way/in"} {
		spec.Mounts = append(spec.Mounts, specs.Mount{Destination: dest, Source: dir, Options: []string{"bind"}})
	}
	spec.Mounts = append(spec.Mounts,
		specs.Mount{Destination: "/way/file", Source: file, Options: []string{"bind"}},
		specs.Mount{Destination: "/way/tmp", Type: "tmpfs", Source: "tmpfs"})
	spec.Process.Cwd = "/here/"
	spec.Process.Args[2] = "cd / && " + spec.Process.Args[2]
	r, err := runSpec(t, mount.Mount{Type: "bind", Source: root}, spec)
	if want := strings.Repeat("hello\n", 6) + "tmpfs\n/made/here\n"; err != nil || r.out != want {
		t.Errorf("%v, %q, want %q; %s", err, r.out, want, r.err)
	}
	if _, err := os.Lstat(outside); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what the link names, outside of the root: %v", err)
	}
	spec = baseSpec("true")
	spec.Mounts = append(spec.Mounts, specs.Mount{Destination: "/loop", Source: dir, Options: []string{"bind"}})
	_, err = runSpec(t, mount.Mount{Type: "bind", Source: root}, spec)
	if !errors.Is(err, unix.ELOOP) || !strings.Contains(err.Error(), "/loop") {
		t.Errorf("a link to itself: %v", err)
	}
}

// TestBindOverLoop: a link to itself leads nowhere, and the error names it.
func TestBindOverLoop(t *testing.T) {
	t.Parallel()
	root := rootfs(t)
	if err := os.Symlink("loop", filepath.Join(root, "loop")); err != nil {
		t.Fatal(err)
	}
	spec := baseSpec("true")
	spec.Mounts = append(spec.Mounts, specs.Mount{Destination: "/loop", Source: os.DevNull, Options: []string{"bind"}})
	_, err := runSpec(t, mount.Mount{Type: "bind", Source: root}, spec)
	if !errors.Is(err, unix.ELOOP) || !strings.Contains(err.Error(), "/loop") {
		t.Errorf("got %v", err)
	}
}

func TestTmpCopyUp(t *testing.T) {
	t.Parallel()
	root := rootfs(t)
	if err := os.MkdirAll(root+"/var/kept/dir", 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(root+"/var/kept/dir/file", []byte("kept\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/var/../../../var/kept", root+"/link"); err != nil {
		t.Fatal(err)
	}
	spec := baseSpec("sh", "-c", `cat /var/kept/dir/file /link/dir/file; stat -c %a /var/kept/dir /var/kept/dir/file
touch /var/kept/new && stat -f -c %T /var/kept; ls -A /missing; touch /frozen/x || stat -f -c %T /frozen; touch /new`)
	spec.Root.Readonly = true
	tmpfs := func(target string, options ...string) {
		spec.Mounts = append(spec.Mounts, specs.Mount{Destination: target, Type: "tmpfs", Source: "tmpfs", Options: append(options, "rprivate", "nosuid", "tmpcopyup")})
	}
	tmpfs("/link", "size=1m")
	tmpfs("/missing", "rw")
	tmpfs("/frozen", "ro")
	r, err := runSpec(t, mount.Mount{Type: "bind", Source: root}, spec)
	if err != nil {
		t.Fatal(err)
	}
	if r.out != "kept\nkept\n750\n640\ntmpfs\ntmpfs\n" || !strings.Contains(r.err, "/frozen/x: Read-only") || !strings.Contains(r.err, "/new: Read-only") {
		t.Errorf("%q %q", r.out, r.err)
	}
	if _, err := os.Stat(root + "/var/kept/new"); err == nil {
		t.Error("what was written went through to the root")
	}
	tmpfs("/var", "nr_inodes=2")
	if _, err := runSpec(t, mount.Mount{Type: "bind", Source: root}, spec); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("a copy larger than its tmpfs: %v", err)
	}
	spec.Mounts = append(spec.Mounts, specs.Mount{Destination: "/x", Source: "/", Options: []string{"bind", "tmpcopyup"}})
	if _, err := runSpec(t, mount.Mount{Type: "bind", Source: root}, spec); !errors.Is(err, errdefs.ErrInvalid) {
		t.Errorf("a bind: %v", err)
	}
}

// TestDevices makes the nodes of the spec: in a default one's place it wins, and a pipe is
// one that a user namespace may make too.
func TestDevices(t *testing.T) {
	t.Parallel()
	mode, owner := os.FileMode(0o640), uint32(3)
	devices := []specs.LinuxDevice{
		{Path: "/dev/null", Type: "c", Major: 1, Minor: 5, FileMode: &mode, UID: &owner},
		{Path: "/dev/pipe", Type: "p", FileMode: &mode, UID: &owner, GID: &owner},
	}
	spec := baseSpec("sh", "-c", "stat -c '%F %a %u %t:%T' /dev/null /dev/pipe /dev/full")
	spec.Linux.Devices = devices
	r, err := runSpec(t, mount.Mount{Type: "bind", Source: rootfs(t)}, spec)
	const want = "character special file 640 3 1:5\nfifo 640 3 0:0\ncharacter special file 666 0 1:7\n"
	if err != nil || r.out != want {
		t.Errorf("got %q %q, %v; want %q", r.out, r.err, err, want)
	}
}

func TestIdentity(t *testing.T) {
	t.Parallel()
	spec := baseSpec("sh", "-c", "id; umask; stat -c %a /tmp/x; cat /proc/self/oom_score_adj; cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/domainname; grep -E 'open files|core file' /proc/self/limits; stat -c %t,%T,%a /dev/null /dev/fuse")
	root := rootfs(t)
	if err := os.WriteFile(root+"/tmp/x", nil, 0o640); err != nil {
		t.Fatal(err)
	}
	umask, adj, mode := uint32(0o77), 500, os.FileMode(0o640)
	spec.Process.User = specs.User{UID: 1001, GID: 1002, AdditionalGids: []uint32{7, 8}, Umask: &umask}
	spec.Process.OOMScoreAdj = &adj
	spec.Domainname = "example"
	spec.Linux.Sysctl = map[string]string{"net.ipv4.ip_forward": "1"}
	spec.Linux.Devices = []specs.LinuxDevice{{Path: "/dev/fuse", Type: "c", Major: 10, Minor: 229, FileMode: &mode}}
	spec.Process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_NOFILE", Soft: 100, Hard: 200}, {Type: "RLIMIT_CORE", Soft: 0, Hard: 0}}
	r, err := runSpec(t, mount.Mount{Type: "bind", Source: root}, spec)
	if err != nil {
		t.Fatal(err)
	}
	want := "uid=1001 gid=1002 groups=7,8\n0077\n640\n500\n1\nexample\n"
	if !strings.HasPrefix(r.out, want) || !strings.Contains(r.out, "1,3,666\n") || !strings.Contains(r.out, "a,e5,640\n") {
		t.Errorf("%s%s", r.out, r.err)
	}
	if f := strings.Fields(r.out[strings.Index(r.out, "Max open"):]); f[3] != "100" || f[4] != "200" {
		t.Errorf("limits: %s", r.out)
	}
}

func TestUserNamespace(t *testing.T) {
	t.Parallel()
	root := rootfs(t)
	if err := filepath.Walk(root, func(p string, _ os.FileInfo, err error) error {
		return errors.Join(err, os.Lchown(p, 100000, 100000))
	}); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Dir(root), 0o755); err != nil {
		t.Fatal(err)
	}
	spec := baseSpec("sh", "-c", "id; cat /proc/self/uid_map; touch /tmp/mine; echo x > /dev/null && ls /dev | grep -c .; stat -c '%F %u' /dev/pipe; hostname other; exit 5")
	spec.Process.Capabilities.Bounding = append(spec.Process.Capabilities.Bounding, "CAP_SYS_ADMIN")
	spec.Linux.Namespaces = append(spec.Linux.Namespaces, specs.LinuxNamespace{Type: specs.UserNamespace})
	owner := uint32(3)
	spec.Linux.Devices = []specs.LinuxDevice{
		{Path: "/dev/pipe", Type: "p", UID: &owner},
		{Path: "/dev/full", Type: "c", Major: 1, Minor: 7, UID: &owner}, // the host's, whose owner stays
	}
	maps := []specs.LinuxIDMapping{{ContainerID: 0, HostID: 100000, Size: 65536}}
	spec.Linux.UIDMappings, spec.Linux.GIDMappings = maps, maps
	spec.Linux.Seccomp = defaultProfile(t, spec)
	for _, uid := range []uint32{0, 1000} {
		spec.Process.User.UID = uid
		r, err := runSpec(t, mount.Mount{Type: "bind", Source: root}, spec)
		if err != nil {
			t.Fatal(err)
		}
		if r.status.ExitCode() != 5 || !strings.HasPrefix(r.out, fmt.Sprintf("uid=%d gid=0", uid)) ||
			!strings.Contains(r.out, "fifo 3\n") {
			t.Errorf("%v: %s%s", r.status, r.out, r.err)
		}
	}
	var st unix.Stat_t
	if err := unix.Stat(root+"/tmp/mine", &st); err != nil || st.Uid != 100000 {
		t.Errorf("owner on the host: %d, %v", st.Uid, err)
	}
	target := running(t, mount.Mount{Type: "bind", Source: root}, func() *specs.Spec {
		s := *spec
		p := *spec.Process
		p.Args = []string{"sleep", "100"}
		s.Process = &p
		return &s
	}())
	proc := *spec.Process
	proc.Args = []string{"sh", "-c", "id -u; cat /proc/self/uid_map; exit 6"}
	r, err := join(t, target, spec, &proc)
	if err != nil || r.status.ExitCode() != 6 || !strings.HasPrefix(r.out, "1000\n") {
		t.Errorf("join: %v %v %s%s", err, r.status, r.out, r.err)
	}
}

// olderKernel is this one, used as the oldest that is supported would be.
func olderKernel(t testing.TB) host.Features {
	h := features(t)
	h.Kernel.Major, h.Kernel.Minor = 5, 15
	return h
}

func TestSharedNamespaces(t *testing.T) {
	t.Parallel()
	root := mount.Mount{Type: "bind", Source: rootfs(t)}
	first := running(t, root, baseSpec("sleep", "100"))
	spec := baseSpec("sh", "-c", "readlink /proc/self/ns/net; readlink /proc/self/ns/ipc; ps; echo $PPID; exit 9")
	for i := range spec.Linux.Namespaces {
		ns := &spec.Linux.Namespaces[i]
		switch ns.Type {
		case specs.NetworkNamespace, specs.IPCNamespace, specs.PIDNamespace:
			name := map[specs.LinuxNamespaceType]string{specs.NetworkNamespace: "net", specs.IPCNamespace: "ipc", specs.PIDNamespace: "pid"}[ns.Type]
			ns.Path = fmt.Sprintf("/proc/%d/ns/%s", first.Pid(), name)
		}
	}
	want := ""
	for _, name := range []string{"net", "ipc"} {
		link, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", first.Pid(), name))
		if err != nil {
			t.Fatal(err)
		}
		want += link + "\n"
	}
	for _, h := range []host.Features{features(t), olderKernel(t)} {
		p, err := plan.Compile(spec, h)
		if err != nil {
			t.Fatal(err)
		}
		r, err := runSpec(t, root, spec, func(r *sandbox.Request) { r.Plan = p })
		if err != nil {
			t.Fatal(err)
		}
		if r.status.ExitCode() != 9 || !strings.HasPrefix(r.out, want) || !strings.Contains(r.out, "1 0        sleep 100") ||
			!strings.Contains(r.out, "\n0\n") {
			t.Errorf("%v: %v: %s%s", h.Kernel, r.status, r.out, r.err)
		}
	}
}

func TestControl(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	spec := baseSpec("true")
	p, err := plan.Compile(spec, features(t))
	if err != nil {
		t.Fatal(err)
	}
	root := mount.Mount{Type: "bind", Source: rootfs(t)}
	var pid int
	for _, command := range []string{"true", "no-such"} {
		spec.Process.Args[0] = command
		if p, err = plan.Compile(spec, features(t)); err != nil {
			t.Fatal(err)
		}
		proc, err := sandbox.Create(t.Context(), sandbox.Request{Plan: p, Spec: spec, Root: root, Control: dir})
		if err != nil {
			t.Fatal(err)
		}
		pid = proc.Pid()
		err = sandbox.Release(t.Context(), dir, pid, p)
		if (err == nil) != (command == "true") {
			t.Errorf("%s: release: %v", command, err)
		}
		status, err := proc.Wait(t.Context())
		if err != nil || (status.Code == 0) != (command == "true") {
			t.Errorf("%s: %v, %v", command, status, err)
		}
		proc.PidFD().Close()
		proc.CloseControl()
	}
	if err := sandbox.Release(t.Context(), dir, pid, p); !errors.Is(err, errdefs.ErrConflict) {
		t.Errorf("released twice: %v", err)
	}
}

// TestFilesAllowed keeps a root with every capability from files that are named nowhere, and
// whoever joins it, too.
func TestFilesAllowed(t *testing.T) {
	t.Parallel()
	h := features(t)
	if h.Landlock == 0 {
		t.Skip("this kernel has no Landlock enabled")
	}
	root := mount.Mount{Type: "bind", Source: rootfs(t)}
	spec := baseSpec("sh", "-c", `cat /bin/busybox >/dev/null && echo read; (echo x >/etc/new) 2>/dev/null || echo not written
		echo x >/tmp/new && rm /tmp/new && mkdir /tmp/d && echo written; ls /proc >/dev/null 2>&1 || echo not listed
		echo x >/dev/null && (echo x >/dev/full) 2>/dev/null || echo not opened; mount -t tmpfs none /tmp 2>/dev/null || echo not mounted`)
	all := make([]string, 0, h.LastCapability)
	for _, c := range []string{"CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "SYS_ADMIN", "MKNOD"} {
		all = append(all, "CAP_"+c)
	}
	spec.Process.Capabilities = &specs.LinuxCapabilities{Bounding: all, Effective: all, Permitted: all}
	spec.Mounts = append(spec.Mounts, specs.Mount{Destination: "/tmp", Type: "tmpfs", Options: []string{"mode=1777"}})
	spec.Annotations = map[string]string{plan.FilesAllowed: "ro /bin\nro /etc\nrw /tmp\nrw /dev/null\n"}
	for _, lib := range []string{"/lib", "/usr", "/lib64"} {
		if _, err := os.Stat(filepath.Join(root.Source, lib)); err == nil {
			spec.Annotations[plan.FilesAllowed] += "ro " + lib + "\n"
		}
	}
	r, err := runSpec(t, root, spec)
	want := "read\nnot written\nwritten\nnot listed\nnot opened\nnot mounted\n"
	if err != nil || r.out != want {
		t.Errorf("%v: printed %q, want %q\n%s", err, r.out, want, r.err)
	}
	for _, tt := range []struct {
		files string
		want  error
	}{
		{"ro /nowhere\n", errdefs.ErrNotFound}, {"ro bin", errdefs.ErrInvalid}, {"rx /bin", errdefs.ErrInvalid},
	} {
		spec.Annotations[plan.FilesAllowed] = tt.files
		if _, err := runSpec(t, root, spec); !errors.Is(err, tt.want) {
			t.Errorf("%q: %v, want %v", tt.files, err, tt.want)
		}
	}
	h.Landlock = 0
	spec.Annotations[plan.FilesAllowed] = "ro /\n"
	if _, err := plan.Compile(spec, h); !errors.Is(err, errdefs.ErrUnsupported) {
		t.Errorf("without Landlock: %v", err)
	}
}

// TestHiddenMode has a tmpfs take the mode of the directory that it hides, and say so.
func TestHiddenMode(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, m := range []os.FileMode{0o710, 0o1777, 0o7} {
		name := filepath.Join(dir, strconv.FormatUint(uint64(m), 8))
		if err := os.Mkdir(name, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := unix.Chmod(name, uint32(m)); err != nil {
			t.Fatal(err)
		}
	}
	root := overlay(t, 1)
	spec := baseSpec("sh", "-c", "stat -c %a /m/*; grep -o ' /m.*mode=[0-7]*' /proc/mounts | sed 's/ tmpfs.*mode/ mode/'")
	spec.Mounts = append(spec.Mounts, specs.Mount{Destination: "/m", Type: "bind", Source: dir, Options: []string{"rbind"}})
	for _, name := range []string{"710", "1777", "7", "new"} {
		spec.Mounts = append(spec.Mounts, specs.Mount{Destination: "/m/" + name, Type: "tmpfs", Source: "tmpfs"})
	}
	r, err := runSpec(t, root, spec)
	want := "1777\n7\n710\n1777\n /m/710 mode=710\n /m/7 mode=007\n"
	if err != nil || r.out != want {
		t.Errorf("%v: printed %q, want %q\n%s", err, r.out, want, r.err)
	}
}

// TestSignalsBeforeStart ends containers that wait for their start by what people end one
// with, which the first process of a namespace is not told of unless it listens.
func TestSignalsBeforeStart(t *testing.T) {
	t.Parallel()
	root := mount.Mount{Type: "bind", Source: rootfs(t)}
	spec := baseSpec("true")
	p, err := plan.Compile(spec, features(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, sig := range []unix.Signal{unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM} {
		dir := t.TempDir()
		proc, err := sandbox.Create(t.Context(), sandbox.Request{Plan: p, Spec: spec, Root: root, Control: dir})
		if err != nil {
			t.Fatal(err)
		}
		pid := proc.Pid()
		// What it has open while it waits: its own streams, the gate, and a pipe for what it tells.
		fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
		if err != nil || len(fds) != 5 || !sandbox.AtGate(dir, pid) {
			t.Errorf("open files %v, %v", fds, err)
		}
		if err := proc.Signal(sig); err != nil {
			t.Error(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		status, err := proc.Wait(ctx)
		cancel()
		if err != nil || status.ExitCode() != 128+int(sig) {
			t.Errorf("after %v: %v, %v", sig, status, err)
			_ = proc.Signal(unix.SIGKILL)
		}
		if err := sandbox.Release(t.Context(), dir, pid, p); !errors.Is(err, errdefs.ErrConflict) {
			t.Errorf("released after its end: %v", err)
		}
		proc.PidFD().Close()
		proc.CloseControl()
	}
}

func TestHookAndFailure(t *testing.T) {
	t.Parallel()
	root := mount.Mount{Type: "bind", Source: rootfs(t)}
	var seen int
	r, err := runSpec(t, root, baseSpec("ip", "link", "show", "lo"), func(r *sandbox.Request) {
		r.OnCreated = func(pid int) error {
			seen = pid
			_, err := os.Stat(fmt.Sprintf("/proc/%d/ns/net", pid))
			return err
		}
	})
	if err != nil || seen == 0 || !strings.Contains(r.out, "UP") {
		t.Errorf("hook saw %d: %v %s%s", seen, err, r.out, r.err)
	}
	wanted := errors.New("no network today")
	if _, err := runSpec(t, root, baseSpec("true"), func(r *sandbox.Request) {
		r.OnCreated = func(pid int) error { seen = pid; return wanted }
	}); !errors.Is(err, wanted) {
		t.Errorf("hook failed: %v", err)
	}
	if err := unix.Kill(seen, 0); err != unix.ESRCH {
		t.Errorf("process %d is left: %v", seen, err)
	}
	spec := baseSpec("true")
	spec.Mounts = append(spec.Mounts, specs.Mount{Destination: "/x", Type: "nofs"})
	_, err = runSpec(t, root, spec)
	if step, ok := errors.AsType[*sandbox.StepError](err); !ok || step.Why != "mount /x" || step.Call != "fsopen" || step.ExitCode() != 125 {
		t.Errorf("unknown filesystem: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p, err := plan.Compile(baseSpec("true"), features(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sandbox.Create(ctx, sandbox.Request{Plan: p, Spec: baseSpec("true"), Root: root}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// TestSignals starts a container from a process that ignores a signal; the
// container does not.
func TestSignals(t *testing.T) {
	signal.Ignore(unix.SIGHUP)
	defer signal.Reset(unix.SIGHUP)
	r, err := runSpec(t, mount.Mount{Type: "bind", Source: rootfs(t)}, baseSpec("grep", "-E", "Sig(Ign|Blk)", "/proc/self/status"))
	if err != nil || r.out != "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n" {
		t.Errorf("%q, %v", r.out, err)
	}
}
