package engine

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"cove/engine/runspec"
	"cove/errdefs"
	"cove/runner/record"
)

// TestVolumesFrom gives a container what another has: paths, volumes with and
// without a name, as writable as they were unless less is asked for.
func TestVolumesFrom(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	dir := t.TempDir()
	first := left(t, e, runspec.Options{Volumes: []runspec.Volume{
		{Source: "shared", Target: "/named"},
		{Target: "/anonymous"},
		{Source: dir, Target: "/path", ReadOnly: true},
	}}, "sh", "-c", "echo 1 > /named/x; echo 2 > /anonymous/x; exec sleep 100")
	const look = "until [ -e /anonymous/x ]; do sleep 0.05; done; cat /named/x /anonymous/x; echo n > /named/y; echo n > /path/y"
	out, _, err := run(t, e, runspec.Options{VolumesFrom: []string{first.ID()}}, "sh", "-c", look)
	// What goes to stderr may come between.
	if err != nil || !strings.Contains(out, "1\n") || !strings.Contains(out, "2\n") || strings.Count(out, "Read-only") != 1 {
		t.Errorf("%q, %v", out, err)
	}
	out, _, err = run(t, e, runspec.Options{VolumesFrom: []string{first.ID() + ":ro"}}, "sh", "-c", look)
	if err != nil || strings.Count(out, "Read-only") != 2 {
		t.Errorf("read-only: %q, %v", out, err)
	}
	o := runspec.Options{
		VolumesFrom: []string{first.ID()}, Volumes: []runspec.Volume{{Source: "other", Target: "/named"}},
	}
	if out, _, err = run(t, e, o, "ls", "/named"); err != nil || out != "" {
		t.Errorf("a mount of its own: %q, %v", out, err)
	}
	// The ends of those with --rm took nothing of the first's with them.
	if out, _, err = run(t, e, runspec.Options{VolumesFrom: []string{first.ID()}}, "cat", "/anonymous/x"); out != "2\n" {
		t.Errorf("afterwards: %q, %v", out, err)
	}
	for from, kind := range map[string]error{"nobody": errdefs.ErrNotFound, first.ID() + ":rx": errdefs.ErrInvalid} {
		if _, _, err := run(t, e, runspec.Options{VolumesFrom: []string{from}}, "true"); !errors.Is(err, kind) {
			t.Errorf("from %s: %v", from, err)
		}
	}
}

// TestMountsRefused: what is missing, and two mounts at one place.
func TestMountsRefused(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	missing := filepath.Join(t.TempDir(), "missing")
	_, _, err := run(t, e, runspec.Options{Volumes: []runspec.Volume{{Source: missing, Target: "/x", Mount: true}}}, "true")
	if !errors.Is(err, errdefs.ErrInvalid) || !strings.Contains(err.Error(), "bind source path does not exist") {
		t.Errorf("a path that is not there: %v", err)
	}
	if _, err := os.Lstat(missing); err == nil {
		t.Error("it was made")
	}
	for _, o := range []runspec.Options{
		{Volumes: []runspec.Volume{{Target: "/x"}, {Source: "data", Target: "/x/"}}},
		{Volumes: []runspec.Volume{{Source: "data", Target: "/x"}}, Tmpfs: []record.Tmpfs{{Target: "//x"}}},
	} {
		_, _, err := run(t, e, o, "true")
		if !errors.Is(err, errdefs.ErrInvalid) || !strings.Contains(err.Error(), "Duplicate mount point: /x") {
			t.Errorf("two at one place: %v", err)
		}
	}
	anonymous := runspec.Options{Volumes: []runspec.Volume{{Target: "/x"}}, Tmpfs: []record.Tmpfs{{Target: "//x"}}}
	if out, _, err := run(t, e, anonymous, "stat", "-f", "-c", "%T", "/x"); err != nil || out != "tmpfs\n" {
		t.Errorf("a tmpfs in the place of a volume that nobody named: %q, %v", out, err)
	}
	if all, err := e.Volumes(t.Context(), nil); err != nil || len(all) != 0 {
		t.Errorf("volumes were left: %+v, %v", all, err)
	}
}

// TestPropagation mounts in a container, below a bind: the host has it where the bind is shared.
func TestPropagation(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	for how, shared := range map[string]bool{"rshared": true, "shared": true, "rslave": false, "rprivate": false, "": false} {
		dir := t.TempDir()
		if err := unix.Mount("tmpfs", dir, "tmpfs", 0, ""); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
		if err := unix.Mount("", dir, "", unix.MS_SHARED, ""); err != nil {
			t.Fatal(err)
		}
		in := filepath.Join(dir, "in")
		if err := os.Mkdir(in, 0o755); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = unix.Unmount(in, unix.MNT_DETACH) })
		o := runspec.Options{
			Security: record.Security{Privileged: true},
			Volumes:  []runspec.Volume{{Source: dir, Target: "/m", Propagation: how}},
		}
		if out, _, err := run(t, e, o, "sh", "-c", "mount -t tmpfs none /m/in && echo > /m/in/f && ls /m/in"); err != nil || out != "f\n" {
			t.Fatalf("%q: %q, %v", how, out, err)
		}
		if _, err := os.Stat(in + "/f"); (err == nil) != shared {
			t.Errorf("%q: on the host: %v", how, err)
		}
	}
}

// TestRecursion mounts a path of the host that has a mount below it.
func TestRecursion(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	dir := t.TempDir()
	below := filepath.Join(dir, "below")
	if err := os.Mkdir(below, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", below, "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(below, unix.MNT_DETACH) })
	if err := os.WriteFile(filepath.Join(below, "f"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		v    runspec.Volume
		want string
	}{
		{runspec.Volume{}, "top below f g\n"},
		{runspec.Volume{NonRecursive: true}, "top below g\n"},
		{runspec.Volume{ReadOnly: true}, "below f\n"},
		{runspec.Volume{ReadOnly: true, WritableBelow: true}, "below f g\n"},
	} {
		tc.v.Source, tc.v.Target = dir, "/m"
		const script = `exec 2>/dev/null; touch /m/top && echo -n "top "; touch /m/below/g; echo -n below; ` +
			`for f in f g; do [ -e /m/below/$f ] && echo -n " $f"; done; echo; rm -f /m/below/g /m/top`
		if out, _, err := run(t, e, runspec.Options{Volumes: []runspec.Volume{tc.v}}, "sh", "-c", script); err != nil || out != tc.want {
			t.Errorf("%+v: %q, want %q, %v", tc.v, out, tc.want, err)
		}
	}
}
