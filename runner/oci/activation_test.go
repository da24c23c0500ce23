package oci

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// TestActivatedCommand is the command of TestActivated, in a process of its own.
func TestActivatedCommand(t *testing.T) {
	args := os.Getenv("COVE_TEST_ACTIVATED")
	if args == "" {
		t.Skip("only for TestActivated")
	}
	os.Exit(Main(context.Background(), strings.Split(args, "\n"), os.Stdin, os.Stdout, os.Stderr))
}

// TestActivated: sockets that systemd has opened for the command are the container's, before
// those of --preserve-fds, and not those of another process (runc#231).
func TestActivated(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "sh", "-c", `echo "$LISTEN_FDS $LISTEN_PID $LISTEN_FDNAMES"; cat <&3; cat <&4; cat <&5; cat <&6`)
	f.write()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, name := range []string{"a", "b", "c"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for pid, want := range map[string]string{"$$": "2 1 x:y\na\nb\nc\n", "1": "  \na\n"} {
		id := idOf(t) + strings.Trim(pid, "$")
		script := "export LISTEN_FDS=2 LISTEN_FDNAMES=x:y LISTEN_PID=" + pid + `; exec 3<a 4<b 5<c; exec "$0" -test.run '^TestActivatedCommand$'`
		cmd := exec.CommandContext(t.Context(), "sh", "-c", script, self)
		args := []string{"--root", f.root, "run", "--preserve-fds", "1", "-b", f.bundle, id}
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "COVE_TEST_ACTIVATED="+strings.Join(args, "\n"))
		out, _ := cmd.Output() // the last descriptor is nobody's
		if string(out) != want {
			t.Errorf("LISTEN_PID=%s: %q, want %q", pid, out, want)
		}
	}
}

// TestNotifySocket: a service is told of as ready when its container's process says so, with
// that process, unless the command stays its parent (sd_notify(3)).
func TestNotifySocket(t *testing.T) {
	t.Parallel()
	const script = `test -S "$NOTIFY_SOCKET" && echo "$NOTIFY_SOCKET" >/part && mv /part /said; exec sleep 1000`
	f := newFixture(t, "sh", "-c", script)
	f.write()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "s")
	supervisor, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer supervisor.Close()
	id := idOf(t)
	t.Cleanup(func() { f.call("delete", "--force", id) })
	command := func(args ...string) *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), self, "-test.run", "^TestActivatedCommand$")
		cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+path,
			"COVE_TEST_ACTIVATED="+strings.Join(append([]string{"--root", f.root}, args...), "\n"))
		return cmd
	}
	if err := command("create", "-b", f.bundle, id).Run(); err != nil { // its output is the container's, too
		t.Fatal(err)
	}
	start := command("start", id)
	if err := start.Start(); err != nil {
		t.Fatal(err)
	}
	said := filepath.Join(f.bundle, "rootfs/said")
	waitFor(t, "the socket in the container", func() bool { _, err := os.Stat(said); return err == nil })
	if text, err := os.ReadFile(said); err != nil || string(text) != "/run/notify/notify.sock\n" {
		t.Errorf("%q, %v", text, err)
	}
	// What the process would do, at the same socket.
	inside, err := net.Dial("unixgram", filepath.Join(f.root, id, "notify/notify.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer inside.Close()
	if _, err := inside.Write([]byte("READY=1")); err != nil {
		t.Fatal(err)
	}
	if err := start.Wait(); err != nil {
		t.Errorf("start: %v", err)
	}
	var st specs.State
	if err := json.Unmarshal([]byte(f.must("state", id)), &st); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 100)
	n, err := supervisor.Read(buf)
	if want := fmt.Sprintf("READY=1\nMAINPID=%d\n", st.Pid); err != nil || string(buf[:n]) != want {
		t.Errorf("%q, %v, want %q", buf[:n], err, want)
	}
	f.must("delete", "--force", id)
}

// TestNoPivot: a root that covers the host's is the only one that the container sees, and
// nobody gets at the proc below it by a namespace of users (runc's test of --no-pivot).
func TestNoPivot(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "sh", "-c", "ls -d /etc/hostname /../bin/busybox 2>/dev/null; grep -c ' / ' /proc/self/mounts; "+
		"unshare -mrpf sh -c 'mount -t proc none /proc' 2>&1")
	f.links("ls", "grep", "unshare", "mount")
	f.write()
	id := idOf(t)
	_, out, errs := f.call("run", "--no-pivot", "-b", f.bundle, id)
	if want := "/../bin/busybox\n1\n"; !strings.HasPrefix(out, want) || !strings.Contains(out, "ermi") {
		t.Errorf("%q %q", out, errs)
	}
	f.started("exec sleep 100")
	f.must("delete", "--force", id)
	f.must("create", "--no-pivot", "--no-new-keyring", "-b", f.bundle, id)
	f.must("start", id) // with the plan that create had
	f.must("exec", id, "true")
}
