package state

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"cove/errdefs"
)

const config = `{"ociVersion":"1.0.2","process":{"args":["sleep"],"cwd":"/"},"root":{"path":"rootfs"},"annotations":{"a":"b"}}`

// saved is a container whose process runs until the test ends.
func saved(t *testing.T, s Store, id string) (*Container, *exec.Cmd) {
	t.Helper()
	c, err := s.Reserve(id)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sleep", "100")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	c.Bundle, c.Cgroup, c.Config = "/bundle", "/no/such/group", []byte(config)
	c.SetPid(cmd.Process.Pid)
	if err := errors.Join(c.SaveSpec(), c.Save()); err != nil {
		t.Fatal(err)
	}
	return c, cmd
}

func TestSaveAndLoad(t *testing.T) {
	t.Parallel()
	s := Store{Root: filepath.Join(t.TempDir(), "not/yet")}
	if all, err := s.All(); len(all) != 0 || err != nil {
		t.Errorf("%v, %v", all, err)
	}
	_, cmd := saved(t, s, "box")
	c, err := s.Load("box")
	if err != nil {
		t.Fatal(err)
	}
	if c.ID != "box" || c.Pid != cmd.Process.Pid || c.Bundle != "/bundle" || time.Since(c.Created) > time.Minute {
		t.Errorf("%+v", c)
	}
	// The spec is as it was compiled: absolute, and with the group that was made.
	if c.Spec.Root.Path != "/bundle/rootfs" || c.Spec.Linux.CgroupsPath != "/no/such/group" {
		t.Errorf("%+v %+v", c.Spec.Root, c.Spec.Linux)
	}
	if st := c.OCI(Running); st.Pid != c.Pid || st.ID != "box" || st.Annotations["a"] != "b" {
		t.Errorf("%+v", st)
	}
	if st := c.OCI(Stopped); st.Pid != 0 {
		t.Errorf("stopped, with a process: %+v", st)
	}
	if _, err := s.Reserve("box"); !errors.Is(err, errdefs.ErrExists) {
		t.Errorf("twice: %v", err)
	}
	if err := os.WriteFile(filepath.Join(s.Root, "broken"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	all, err := s.All()
	if err != nil || len(all) != 1 || all[0].ID != "box" {
		t.Errorf("%v, %v", all, err)
	}
	if err := c.Remove(); err != nil {
		t.Error(err)
	}
	if _, err := s.Load("box"); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("removed: %v", err)
	}
}

// TestIDs keeps containers in their directory.
func TestIDs(t *testing.T) {
	t.Parallel()
	s := Store{Root: t.TempDir()}
	for id, fine := range map[string]bool{
		"a": true, "A-1_b+c.d": true, "": false, ".": false, "..": false, ".a": false, "a/b": false, "a b": false, "ä": false,
	} {
		_, err := s.Reserve(id)
		if fine != (err == nil) || !fine && !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("%q: %v", id, err)
		}
		if err := s.Discard(id); fine != (err == nil) {
			t.Errorf("discarding %q: %v", id, err)
		}
	}
	if entries, err := os.ReadDir(s.Root); err != nil || len(entries) != 0 {
		t.Errorf("%v, %v", entries, err)
	}
}

// TestDiscardEndsWhatWaits ends a process at the gate of a directory, which nobody starts any more,
// and none that is at another's.
func TestDiscardEndsWhatWaits(t *testing.T) {
	t.Parallel()
	s := Store{Root: t.TempDir()}
	waits := func(id string) *exec.Cmd {
		c, err := s.Reserve(id)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(c.dir, "exec.fifo")
		if err := unix.Mkfifo(name, 0o600); err != nil {
			t.Fatal(err)
		}
		gate, err := os.OpenFile(name, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer gate.Close()
		cmd := exec.Command("sleep", "100")
		cmd.Stdin = gate
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
		return cmd
	}
	left, other := waits("left"), waits("other")
	if err := s.Discard("left"); err != nil {
		t.Fatal(err)
	}
	if state, err := left.Process.Wait(); err != nil || state.Sys().(syscall.WaitStatus).Signal() != unix.SIGKILL {
		t.Errorf("what waited ended with %v, %v", state, err)
	}
	if err := other.Process.Signal(unix.Signal(0)); err != nil {
		t.Errorf("what waits elsewhere: %v", err)
	}
}

// TestStatus follows a process, whose pid another may have later.
func TestStatus(t *testing.T) {
	t.Parallel()
	c, cmd := saved(t, Store{Root: t.TempDir()}, "box")
	var got []specs.ContainerState
	got = append(got, c.Status())
	c.Started = true
	got = append(got, c.Status())
	born := c.Birth
	c.Birth = "1"
	got = append(got, c.Status())
	c.Birth = born
	if err := c.Signal(unix.SIGTERM); err != nil {
		t.Error(err)
	}
	for deadline := time.Now().Add(10 * time.Second); c.Status() != Stopped && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	got = append(got, c.Status()) // nobody has waited for it yet: a zombie
	if want := []specs.ContainerState{Created, Running, Stopped, Stopped}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if err := c.Signal(unix.SIGTERM); !errors.Is(err, errdefs.ErrConflict) {
		t.Errorf("signalled again: %v", err)
	}
	if err := c.KillWait(t.Context()); err != nil {
		t.Errorf("killing what has ended: %v", err)
	}
	_ = cmd.Wait()
	if err := c.KillWait(t.Context()); err != nil {
		t.Errorf("killing what is gone: %v", err)
	}
}

func TestKillWait(t *testing.T) {
	t.Parallel()
	c, _ := saved(t, Store{Root: t.TempDir()}, "box")
	if err := c.KillWait(t.Context()); err != nil || c.Status() != Stopped {
		t.Errorf("%v, %s", err, c.Status())
	}
}

// TestFindProgram looks in the root of the container's process, here the test's own.
func TestFindProgram(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "tool"), nil, 0o755); err != nil {
		t.Fatal(err)
	}
	c := &Container{Pid: os.Getpid(), Spec: &specs.Spec{}}
	for _, tt := range []struct {
		program, path, cwd string
		fine               bool
	}{
		{dir + "/tool", "", "/", true},
		{dir + "/nosuch", "", "/", false},
		{dir + "/tool/below", "", "/", false},
		{"./tool", "", dir, true},
		{"./tool", "", "/", false},
		{"tool", "/nosuch:" + dir, "/", true},
		{"tool", "/nosuch", "/", false},
		{"tool", "", dir, false},
		{"tool", ":/x", dir, true},
		{"sh", "", "/", true},
	} {
		c.Spec.Process = &specs.Process{Args: []string{tt.program}, Cwd: tt.cwd}
		if tt.path != "" {
			c.Spec.Process.Env = []string{"HOME=/", "PATH=" + tt.path}
		}
		if err := c.FindProgram(); (err == nil) != tt.fine || err != nil && !errors.Is(err, errdefs.ErrNotFound) {
			t.Errorf("%+v: %v", tt, err)
		}
	}
	c.Pid = 1 << 30
	if err := c.FindProgram(); err != nil {
		t.Errorf("a process that has ended: %v", err)
	}
}
