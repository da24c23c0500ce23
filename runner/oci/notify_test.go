package oci

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"cove/sandbox/host"
	"cove/sandbox/sandboxtest"
)

// TestNotify: an agent is told of the container by create, and of each exec; the flags that a
// filter is loaded with are in the log.
func TestNotify(t *testing.T) {
	t.Parallel()
	agent := sandboxtest.NewAgent(t, sandboxtest.Mkdirs...)
	f, id := sleeping(t, func(f *fixture) {
		f.spec.Linux.Seccomp = agent.Notifying("mkdir", "mkdirat")
		f.spec.Annotations = map[string]string{"a": "b"}
		f.links("mkdir")
	})
	created := <-agent.Told
	if st := created.State; st.ID != id || st.Status != "creating" || st.Bundle != f.bundle || st.Annotations["a"] != "b" ||
		st.Pid != created.Pid || created.Pid == 0 {
		t.Errorf("create told %+v", created)
	}
	code, _, errs := f.call("--debug", "exec", id, "mkdir", "/tmp/made")
	if code != 1 || !strings.Contains(errs, "No medium found") || !strings.Contains(errs, `"seccomp filter flags: 12"`) {
		t.Errorf("exec: %d %q", code, errs)
	}
	if st := <-agent.Told; st.State.Status != "running" || st.State.Pid != created.Pid || st.Pid == created.Pid {
		t.Errorf("exec told %+v", st)
	}
	if f.must("kill", id, "KILL"); f.spec.Linux.Seccomp.ListenerPath == "" {
		t.Error("no path")
	}
	f.spec.Linux.CgroupsPath, f.spec.Linux.Seccomp.ListenerPath = "/"+id+"-none", filepath.Join(t.TempDir(), "none")
	f.write()
	for _, verb := range []string{"run", "create"} {
		refused(t, f, "failed to connect with seccomp agent", verb, "-b", f.bundle, id+"-none")
		refused(t, f, "does not exist", "state", id+"-none")
	}
}

// TestNotifyHook: what a startContainer hook has open is its own, the listener is not.
func TestNotifyHook(t *testing.T) {
	t.Parallel()
	agent := sandboxtest.NewAgent(t)
	f := newFixture(t, "true")
	f.links("ls")
	f.spec.Linux.Seccomp = agent.Notifying("mkdir")
	hook := specs.Hook{Path: "/bin/sh", Args: []string{"sh", "-c", "ls /proc/self/fd; exit 1"}}
	f.spec.Hooks = &specs.Hooks{StartContainer: []specs.Hook{hook}}
	f.write()
	if code, _, errs := f.call("run", "-b", f.bundle, idOf(t)); code != 1 || !strings.Contains(errs, "exit code 1: 0\n1\n2\n3\n") {
		t.Errorf("%d %q", code, errs)
	}
}

// TestMountedSources: a source below the root is what earlier mounts have made of it, named by
// its path on the host or in the container.
func TestMountedSources(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "cat", "/final/x/y/file", "/final/x/z/y/file", "/again/file")
	root := filepath.Join(f.bundle, "rootfs")
	for _, dir := range []string{"src/a", "src/b", "rootfs/mnt", "rootfs/final"} {
		if err := os.MkdirAll(filepath.Join(f.bundle, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{"src/a/x", "src/b/y", "src/b/z"} {
		if err := os.MkdirAll(filepath.Join(f.bundle, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(f.bundle, "src/b/y/file"), []byte("b/y\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, m := range [][2]string{
		{"src/a", "/mnt"},
		{"src/b", "/mnt/x"},
		{root + "/mnt/x", root + "/mnt/x/z"},
		{root + "/mnt", root + "/final"},
		{root + "/mnt/x/y", "/again"},
	} {
		f.mount(specs.Mount{Source: m[0], Destination: m[1], Type: "bind", Options: []string{"rbind", "rprivate"}})
	}
	f.write()
	if out := f.must("run", "-b", f.bundle, idOf(t)); out != "b/y\nb/y\nb/y\n" {
		t.Errorf("%q", out)
	}
	f.mount(specs.Mount{
		Source: root + "/mnt/x", Destination: "/mapped", Type: "bind", Options: []string{"rbind", "idmap"},
		UIDMappings: []specs.LinuxIDMapping{{HostID: 7, Size: 1}}, GIDMappings: []specs.LinuxIDMapping{{HostID: 8, Size: 1}},
	})
	f.spec.Process.Args = []string{"/bin/busybox", "stat", "-c", "%u:%g", "/mapped/y", "/mnt/x/y"}
	f.write()
	if out := f.must("run", "-b", f.bundle, idOf(t)); out != "7:8\n0:0\n" {
		t.Errorf("owners of what is mapped, and of what is not: %q", out)
	}
	// A link of the source's leads nowhere but into the root.
	f.spec.Mounts = f.spec.Mounts[:len(f.spec.Mounts)-1]
	if err := os.Symlink("/", filepath.Join(f.bundle, "src/a/up")); err != nil {
		t.Fatal(err)
	}
	f.mount(specs.Mount{Source: root + "/mnt/up/bin", Destination: "/again", Type: "bind", Options: []string{"bind"}})
	f.spec.Process.Args = []string{"/again/busybox", "true"}
	f.write()
	f.must("run", "-b", f.bundle, idOf(t))
}

// TestMountedSourcesOfUsers: the same in a user namespace, which has no rights over what is
// mapped: whoever made it maps, each time that the program has come to one.
func TestMountedSourcesOfUsers(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "sh", "-c", "stat -c %u:%g /mnt/x /one /one/y /two /two/x /all/y")
	root := filepath.Join(f.bundle, "rootfs")
	for _, dir := range []string{"src/x", "other/y", "rootfs/mnt"} {
		if err := os.MkdirAll(filepath.Join(f.bundle, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	maps := []specs.LinuxIDMapping{{ContainerID: 0, HostID: 100000, Size: 65536}}
	with(specs.UserNamespace, "")(f.spec)
	f.spec.Linux.UIDMappings, f.spec.Linux.GIDMappings = maps, maps
	chown(t, f.bundle)
	for _, m := range []specs.Mount{
		{Source: "src", Destination: "/mnt", Options: []string{"rbind"}},
		{Source: "other", Destination: "/mnt/x", Options: []string{"rbind"}},
		{Source: root + "/mnt/x", Destination: "/one", Options: []string{"rbind", "idmap"}},
		{Source: root + "/mnt", Destination: "/two", Options: []string{"rbind", "idmap"}},
		{Source: root + "/mnt/x", Destination: "/all", Options: []string{"rbind", "ridmap"}},
	} {
		m.Type = "bind"
		f.mount(m)
	}
	f.write()
	const mapped, nobody = "0:0\n", "65534:65534\n"
	if out := f.must("run", "-b", f.bundle, idOf(t)); out != nobody+mapped+mapped+mapped+nobody+mapped {
		t.Errorf("owners: %q", out)
	}
}

// TestBindReplaces: a bind has the attributes that its options name, all of the source's with
// none, and in a user namespace those of the source besides.
func TestBindReplaces(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		options string
		user    bool
		want    string
		not     string
	}{
		{"bind", false, "ro nosuid noexec nosymfollow", "rw"},
		{"bind,dev", false, "rw", "ro nosuid noexec nosymfollow"},
		{"bind,ro", false, "ro", "nosuid noexec"},
		{"bind,dev", true, "ro nosuid noexec", "rw nosymfollow"},
		{"bind", true, "ro nosuid noexec nosymfollow", "rw"},
	} {
		f := newFixture(t, "sh", "-c", mountsOfP)
		source := filepath.Join(f.bundle, "source")
		if err := os.Mkdir(source, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := unix.Mount("tmpfs", source, "tmpfs", 0, ""); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := unix.Unmount(source, unix.MNT_DETACH); err != nil {
				t.Error(err)
			}
		})
		const noSymFollow = 256
		locked := uintptr(unix.MS_REMOUNT | unix.MS_BIND | unix.MS_RDONLY | unix.MS_NOSUID | unix.MS_NOEXEC | noSymFollow)
		if err := unix.Mount("", source, "", locked, ""); err != nil {
			t.Fatal(err)
		}
		if tt.user {
			maps := []specs.LinuxIDMapping{{ContainerID: 0, HostID: 100000, Size: 65536}}
			with(specs.UserNamespace, "")(f.spec)
			f.spec.Linux.UIDMappings, f.spec.Linux.GIDMappings = maps, maps
			chown(t, f.bundle)
		}
		f.mount(specs.Mount{Source: source, Destination: "/p", Type: "bind", Options: strings.Split(tt.options, ",")})
		f.write()
		got := strings.FieldsFunc(f.must("run", "-b", f.bundle, idOf(t)), func(r rune) bool { return r == ',' || r == ' ' || r == '\n' })
		has := map[string]bool{}
		for _, word := range got {
			has[word] = true
		}
		for word := range strings.FieldsSeq(tt.want) {
			if !has[word] {
				t.Errorf("%s, user %v: %q is not %s", tt.options, tt.user, got, word)
			}
		}
		for word := range strings.FieldsSeq(tt.not) {
			if has[word] {
				t.Errorf("%s, user %v: %q is %s", tt.options, tt.user, got, word)
			}
		}
	}
}

// TestMountedOver: what cannot be mounted there is told with the reason that it mostly has.
func TestMountedOver(t *testing.T) {
	t.Parallel()
	for source, at := range map[string]string{"/etc/passwd": "/tmp", "/etc": "/bin/sh"} {
		f := newFixture(t, "true")
		f.mount(specs.Mount{Source: source, Destination: at, Type: "bind", Options: []string{"bind"}})
		f.write()
		refused(t, f, "mount "+at+": move_mount: invalid argument; is it a directory on a file", "run", "-b", f.bundle, idOf(t))
	}
}

// TestMasksShare: directories that are masked have one empty filesystem, where the kernel can
// copy what is attached nowhere, and nobody can write to it.
func TestMasksShare(t *testing.T) {
	t.Parallel()
	features, err := host.Detect()
	if err != nil {
		t.Fatal(err)
	}
	f := newFixture(t, "sh", "-c", "stat -c %d /a /b /c; ls /a /b /c; touch /b/x; mkdir /c/y")
	f.links("stat", "ls", "mkdir")
	for _, dir := range []string{"a/in", "b", "c"} {
		if err := os.MkdirAll(filepath.Join(f.bundle, "rootfs", dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	f.spec.Linux.MaskedPaths = []string{"/a", "/b", "/c"}
	f.write()
	_, out, errs := f.call("run", "-b", f.bundle, idOf(t))
	lines := strings.Split(out, "\n")
	if len(lines) < 3 || features.ClonesDetached() && (lines[0] != lines[1] || lines[1] != lines[2]) || strings.Contains(out, "in\n") ||
		strings.Count(errs, "Read-only file system") != 2 {
		t.Errorf("%q %q", out, errs)
	}
}

// TestBindOptionLeftOut: an option that no bind has is told of.
func TestBindOptionLeftOut(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "true")
	f.mount(specs.Mount{Source: "/etc", Destination: "/p", Type: "bind", Options: []string{"rbind", "mode=755", "fun"}})
	f.write()
	code, _, errs := f.call("run", "-b", f.bundle, idOf(t))
	if code != 0 || !strings.Contains(errs, `mean nothing to a bind and are left out`) || !strings.Contains(errs, "fun") {
		t.Errorf("%d %q", code, errs)
	}
}
