package oci

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
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
