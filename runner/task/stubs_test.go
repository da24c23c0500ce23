package task_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"cove/layers/mount"
	"cove/runner/task"
)

// put makes a directory ("a/"), a link ("a -> b") or an empty file.
func put(t *testing.T, dir, name string) {
	t.Helper()
	name, link, isLink := strings.Cut(name, " -> ")
	p := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		t.Fatal(err)
	}
	var err error
	switch {
	case isLink:
		err = os.Symlink(link, p)
	case strings.HasSuffix(name, "/"):
		err = os.MkdirAll(p, 0o755)
	default:
		err = os.WriteFile(p, nil, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// leftIn lists what is below a directory.
func leftIn(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(p string, _ fs.DirEntry, err error) error {
		if rel, _ := filepath.Rel(dir, p); rel != "." {
			out = append(out, rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// mounts are what the containers of the tests have mounted in them.
var mounts = &specs.Spec{Mounts: []specs.Mount{
	{Destination: "/proc"},
	{Destination: "/dev"},
	{Destination: "/dev/pts"},
	{Destination: "/run/secrets/k"},
	{Destination: "/var/cache/x"},
	{Destination: "/opt/../srv/data"},
	{Destination: "/c"},
	{Destination: "/"},
}}

// TestStubs: what is made to mount something on is no part of a layer; what the command
// made or changed is.
func TestStubs(t *testing.T) {
	t.Parallel()
	mode := func(name string, mode fs.FileMode) func(t *testing.T, upper string) {
		return func(t *testing.T, upper string) {
			if err := os.Chmod(filepath.Join(upper, name), mode); err != nil {
				t.Fatal(err)
			}
		}
	}
	own := func(name string) func(t *testing.T, upper string) {
		return func(t *testing.T, upper string) {
			if os.Getuid() != 0 {
				t.Skip("gives a directory to somebody: needs root")
			}
			if err := os.Chown(filepath.Join(upper, name), 1000, 1000); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, tc := range map[string]struct {
		lower, made []string
		change      func(t *testing.T, upper string)
		want        []string
	}{
		"everything is new":        {made: []string{"dev/", "proc/", "etc/hosts", "run/secrets/k", "srv/data/", "c/"}},
		"a directory is copied up": {lower: []string{"etc/passwd"}, made: []string{"etc/resolv.conf", "etc/hostname"}},
		"the command wrote beside": {
			lower: []string{"etc/passwd"}, made: []string{"etc/resolv.conf", "etc/new"}, want: []string{"etc", "etc/new"},
		},
		"the command's own empty directory": {made: []string{"var/empty/"}, want: []string{"var", "var/empty"}},
		"something is in the target": {
			made: []string{"run/secrets/k", "run/secrets/other"}, want: []string{"run", "run/secrets", "run/secrets/other"},
		},
		"a copied directory has another mode": {
			lower: []string{"etc/passwd"}, made: []string{"etc/hosts"}, change: mode("etc", 0o700), want: []string{"etc"},
		},
		"a new directory has another mode":   {made: []string{"etc/hosts"}, change: mode("etc", 0o700), want: []string{"etc"}},
		"a new directory has another owner":  {made: []string{"etc/hosts", "proc/"}, change: own("etc"), want: []string{"etc"}},
		"the one over a target has another":  {made: []string{"var/cache/x/"}, change: own("var"), want: []string{"var"}},
		"the one between has another":        {made: []string{"var/cache/x/"}, change: own("var/cache"), want: []string{"var", "var/cache"}},
		"nothing was mounted in the command": {made: []string{"etc/"}, want: []string{"etc"}},
		"the way to a target is a link": {
			lower: []string{"run -> /tmp/run", "tmp/"}, made: []string{"tmp/run/secrets/k"},
		},
		"a link leads to a directory that is there": {
			lower: []string{"var -> v", "v/cache/"}, made: []string{"v/cache/x/"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := mount.Mount{Type: "overlay", Upper: t.TempDir(), Lower: []string{t.TempDir()}}
			for _, p := range tc.lower {
				put(t, m.Lower[0], p)
			}
			stubs, err := task.Missing(m, mounts)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range tc.made {
				put(t, m.Upper, p)
			}
			if tc.change != nil {
				tc.change(t, m.Upper)
			}
			if err := stubs.Remove(); err != nil {
				t.Fatal(err)
			}
			if got := leftIn(t, m.Upper); !slices.Equal(got, tc.want) {
				t.Errorf("left %q, want %q", got, tc.want)
			}
		})
	}
}

// TestStubsBelowWhiteout: what a layer deleted is not there, whatever lies below it.
func TestStubsBelowWhiteout(t *testing.T) {
	t.Parallel()
	m := mount.Mount{Type: "overlay", Upper: t.TempDir(), Lower: []string{t.TempDir(), t.TempDir()}}
	if err := unix.Mknod(filepath.Join(m.Lower[0], "run"), unix.S_IFCHR, 0); err != nil {
		t.Skip("making a whiteout:", err)
	}
	put(t, m.Lower[1], "run/secrets/k")
	stubs, err := task.Missing(m, mounts)
	if err != nil {
		t.Fatal(err)
	}
	put(t, m.Upper, "run/secrets/k")
	if err := stubs.Remove(); err != nil {
		t.Fatal(err)
	}
	if got := leftIn(t, m.Upper); len(got) > 0 {
		t.Errorf("left %q of what was made over a whiteout", got)
	}
}

// TestStubsOfBind: without an overlay nothing is copied up, and what was there stays.
func TestStubsOfBind(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	put(t, root, "etc/")
	stubs, err := task.Missing(mount.Mount{Type: "bind", Source: root}, mounts)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{"etc/hosts", "srv/data/", "run/secrets/k", "run/file"} {
		put(t, root, p)
	}
	if err := os.WriteFile(filepath.Join(root, "etc/hostname"), []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := stubs.Remove(); err != nil {
		t.Fatal(err)
	}
	if got, want := leftIn(t, root), []string{"etc", "etc/hostname", "run", "run/file"}; !slices.Equal(got, want) {
		t.Errorf("left %q, want %q", got, want)
	}
}
