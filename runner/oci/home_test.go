package oci

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// TestHome is the HOME that a process has which was given none: its user's, as of the
// container's own accounts; of an exec as they are then.
func TestHome(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "sh", "-c", `echo "$HOME"; exec sleep 1000`)
	passwd := filepath.Join(f.bundle, "rootfs/etc/passwd")
	write := func(text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(passwd), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(passwd, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("root:x:0:0::/home/of/root:/bin/sh\napp:x:7:7::/srv:/bin/sh\n")
	id := fmt.Sprintf("c-home-%d", os.Getpid())
	t.Cleanup(func() { f.call("delete", "--force", id) })
	f.write()
	f.must("create", "-b", f.bundle, id)
	f.must("start", id)
	for user, want := range map[string]string{"0": "/home/of/root\n", "7": "/srv\n", "8": "/\n"} {
		if code, out, errs := f.call("exec", "--user", user, "-e", "HOME=", id, "sh", "-c", `echo "$HOME"`); code != 0 || out != want {
			t.Errorf("exec as %s: %d %q %q, want %q", user, code, out, errs, want)
		}
	}
	if _, out, _ := f.call("exec", "-e", "HOME=/mine", id, "sh", "-c", `echo "$HOME"`); out != "/mine\n" {
		t.Errorf("exec with a HOME of its own: %q", out)
	}

	f.spec.Process.Args = []string{"sh", "-c", `echo "$HOME"`}
	for env, want := range map[string]string{"A=b": "/home/of/root\n", "HOME=": "/home/of/root\n", "HOME=/tmp": "/tmp\n"} {
		f.spec.Process.Env = []string{"PATH=/bin", env}
		f.write()
		if code, out, errs := f.call("run", "-b", f.bundle, id+"-run"); code != 0 || out != want {
			t.Errorf("run with %s: %d %q %q, want %q", env, code, out, errs, want)
		}
	}
}
