package files

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"cove/layers/mount"
	"cove/sandbox/plan"
)

// TestMakeLinked makes directories that links of an image lead to.
func TestMakeLinked(t *testing.T) {
	t.Parallel()
	needRoot(t)
	for name, tt := range map[string]struct {
		links  map[string]string // by place
		mounts []string
		want   []string // directories that are made
		not    []string // places where nothing is
	}{
		"absolute": {map[string]string{"var/lock": "/run/lock"}, []string{"/var/lock"}, []string{"run/lock"}, nil},
		"relative": {map[string]string{"var/lock": "../run/lock"}, []string{"/var/lock"}, []string{"run/lock"}, nil},
		"below it": {map[string]string{"var/lock": "/run"}, []string{"/var/lock/a/b"}, []string{"run/a/b"}, nil},
		"a chain":  {map[string]string{"a": "b", "b": "c/d"}, []string{"/a"}, []string{"c/d"}, nil},
		"out of the root": {
			map[string]string{"var/lock": "../../../../../run/lock"}, []string{"/var/lock"}, []string{"run/lock"}, nil,
		},
		"a loop":         {map[string]string{"a": "b", "b": "a"}, []string{"/a"}, nil, []string{"c"}},
		"no link":        {nil, []string{"/plain/dir"}, nil, []string{"plain"}},
		"what is there":  {map[string]string{"a": "var"}, []string{"/a"}, []string{"var"}, nil},
		"the dot and up": {map[string]string{"a": "./b/../c"}, []string{"/a"}, []string{"b", "c"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := dirWith(t, "var/")
			for at, to := range tt.links {
				if err := os.Symlink(to, filepath.Join(root, at)); err != nil {
					t.Fatal(err)
				}
			}
			spec := &specs.Spec{Linux: &specs.Linux{
				UIDMappings: []specs.LinuxIDMapping{{ContainerID: 0, HostID: 3000, Size: 10}},
				GIDMappings: []specs.LinuxIDMapping{{ContainerID: 0, HostID: 4000, Size: 10}},
			}}
			for _, m := range tt.mounts {
				spec.Mounts = append(spec.Mounts, specs.Mount{Destination: m, Type: "tmpfs"})
			}
			p := &plan.Plan{Files: []plan.File{{Kind: plan.Root}}}
			f, err := Open(p, Source{Root: mount.Mount{Type: "bind", Source: root}})
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			f.MakeLinked(p, spec)
			for _, dir := range tt.want {
				var st unix.Stat_t
				if err := unix.Lstat(filepath.Join(root, dir), &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFDIR {
					t.Errorf("%s: %v", dir, err)
				} else if dir != "var" && (st.Uid != 3000 || st.Gid != 4000) {
					t.Errorf("%s belongs to %d:%d", dir, st.Uid, st.Gid)
				}
			}
			for _, dir := range tt.not {
				if _, err := os.Lstat(filepath.Join(root, dir)); err == nil {
					t.Errorf("%s was made", dir)
				}
			}
		})
	}
}

// TestMakeLinkedForFiles makes what the file of a bind is mounted in, and the working
// directory.
func TestMakeLinkedForFiles(t *testing.T) {
	t.Parallel()
	needRoot(t)
	root := dirWith(t, "var/")
	for at, to := range map[string]string{"conf": "/run/conf", "work": "run/work"} {
		if err := os.Symlink(to, filepath.Join(root, at)); err != nil {
			t.Fatal(err)
		}
	}
	p := &plan.Plan{Files: []plan.File{{Kind: plan.Root}}}
	f, err := Open(p, Source{Root: mount.Mount{Type: "bind", Source: root}})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	f.MakeLinked(p, &specs.Spec{
		Linux: &specs.Linux{}, Process: &specs.Process{Cwd: "/work"},
		Mounts: []specs.Mount{{Destination: "/conf/file", Source: "/etc/passwd", Type: "bind"}},
	})
	entries, err := os.ReadDir(filepath.Join(root, "run"))
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if err != nil || strings.Join(names, " ") != "conf work" {
		t.Errorf("%q, %v", names, err)
	}
	if info, err := os.Lstat(filepath.Join(root, "run/conf/file")); err != nil || !info.Mode().IsRegular() {
		t.Errorf("the file's own place: %v, %v", info, err)
	}
}

// TestMakeLinkedFiles makes the file that a link leads to where a file is mounted, and the
// directories above it.
func TestMakeLinkedFiles(t *testing.T) {
	t.Parallel()
	needRoot(t)
	root := dirWith(t, "etc/")
	for at, to := range map[string]string{
		"etc/resolv.conf": "../run/systemd/resolve/stub", "jump": "/tmp/foo", "etc/hosts": "/jump/bar/hosts",
		"etc/out": "../../../../out/file", "etc/dir": "/made/dir",
	} {
		if err := os.Symlink(to, filepath.Join(root, at)); err != nil {
			t.Fatal(err)
		}
	}
	p := &plan.Plan{Files: []plan.File{{Kind: plan.Root}}}
	f, err := Open(p, Source{Root: mount.Mount{Type: "bind", Source: root}})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	spec := &specs.Spec{Linux: &specs.Linux{}}
	for _, name := range []string{"resolv.conf", "hosts", "out"} {
		spec.Mounts = append(spec.Mounts, specs.Mount{Destination: "/etc/" + name, Source: "/etc/passwd", Type: "bind"})
	}
	spec.Mounts = append(spec.Mounts, specs.Mount{Destination: "/etc/dir", Source: "/etc", Type: "bind"})
	f.MakeLinked(p, spec)
	for name, kind := range map[string]os.FileMode{
		"run/systemd/resolve/stub": 0, "tmp/foo/bar/hosts": 0, "out/file": 0, "made/dir": os.ModeDir,
	} {
		info, err := os.Lstat(filepath.Join(root, name))
		if err != nil || info.Mode().Type() != kind {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
}

func TestHostID(t *testing.T) {
	t.Parallel()
	maps := []specs.LinuxIDMapping{{ContainerID: 0, HostID: 1000, Size: 1}, {ContainerID: 1, HostID: 100000, Size: 10}}
	for id, want := range map[uint32]uint32{0: 1000, 1: 100000, 10: 100009, 11: 11} {
		if got := HostID(maps, id); got != want {
			t.Errorf("%d: %d, want %d", id, got, want)
		}
	}
}
