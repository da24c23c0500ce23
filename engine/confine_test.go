package engine

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"cove/builder"
	"cove/engine/runspec"
	"cove/internal/ids"
	"cove/layers/mount"
	"cove/runner"
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
	c, err := e.Create(t.Context(), CreateOptions{Options: runspec.Options{
		Image: "busybox", Command: []string{"sleep", "100"}, Network: "none", User: user,
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	_, err = c.Exec(t.Context(), runner.ExecConfig{Args: []string{"sh", "-c", groups}, User: user}, runner.Streams{Stdout: &out})
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
	err = executor{e}.Exec(t.Context(), builder.ExecRequest{
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
			runspec.Options{Volumes: []runspec.Volume{{Source: dir, Target: "/p", ReadOnly: true, Propagation: "rslave"}}},
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
			runspec.Options{ReadOnly: true, Volumes: []runspec.Volume{{Source: filepath.Join(dir, "hosts"), Target: "/etc/hosts"}}},
			"/etc/hosts",
			true,
		},
		"/sys": {
			runspec.Options{ReadOnly: true, Security: runspec.Security{Privileged: true}},
			"/sys/kernel/uevent_seqnum; touch /sys/x",
			false,
		},
		"/sys/fs/cgroup": {
			runspec.Options{ReadOnly: true, Security: runspec.Security{Privileged: true}},
			"/sys/fs/cgroup/f",
			false,
		},
		"a volume below a read-only": {
			runspec.Options{Volumes: append(ro, runspec.Volume{Source: "vol2", Target: "/p/below"})},
			"/p/below/f",
			true,
		},
		"a tmpfs in a read-only root": {
			runspec.Options{ReadOnly: true, Tmpfs: []runspec.Tmpfs{{Target: "/run"}}},
			"/run/f",
			true,
		},
		"/dev/shm": {runspec.Options{ReadOnly: true}, "/dev/shm/f", true},
		"a read-only tmpfs": {
			runspec.Options{Tmpfs: []runspec.Tmpfs{{Target: "/run", Options: []string{"ro"}}}},
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
			o := runspec.Options{Resources: runspec.Resources{Memory: 24 << 20}}
			out, status, err := run(t, e, o, "sh", "-c", script)
			if err != nil || status.Code != want || !status.OOMKilled {
				t.Errorf("%+v, %v, %q", status, err, out)
			}
		})
	}
	_, status, err := run(t, e, runspec.Options{}, "sh", "-c", "exit 137")
	if err != nil || status.OOMKilled {
		t.Errorf("137 of one's own: %+v, %v", status, err)
	}
}
