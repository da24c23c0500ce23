package process

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func sleeper(t *testing.T) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("sleep", "100")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return cmd
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("did not come about: " + what)
		}
	}
}

func TestIdentity(t *testing.T) {
	t.Parallel()
	cmd := sleeper(t)
	pid := cmd.Process.Pid
	id := Identity(pid)
	if found, ok := Find(id); !ok || found != pid || id == Self() {
		t.Errorf("Find(%q) = %d, %v", id, found, ok)
	}
	if _, ok := Find(id + "0"); ok {
		t.Error("a process that started at another time was taken for it")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	// Not collected yet: a zombie is no process that does anything.
	eventually(t, "it has ended", func() bool { return !Running(pid) })
	if Identity(pid) != "" || State(pid) != 'Z' {
		t.Errorf("of a zombie: %q, state %c", Identity(pid), State(pid))
	}
	if _, ok := Find(id); ok {
		t.Error("a zombie was found")
	}
	if strings.ContainsAny(Tag(), " -/") || TagEnded(Tag()) || !TagEnded(strings.ReplaceAll(id, " ", ".")) || !TagEnded("x") {
		t.Errorf("the tag %q of a process that runs, or one of another that does not", Tag())
	}
	for _, nobody := range []string{"", "x", "1", "0 0"} {
		if _, ok := Find(nobody); ok {
			t.Errorf("Find(%q) found something", nobody)
		}
	}
}

func TestStopped(t *testing.T) {
	t.Parallel()
	pid := sleeper(t).Process.Pid
	if Stopped(pid) {
		t.Error("it runs")
	}
	if err := unix.Kill(pid, unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is stopped", func() bool { return Stopped(pid) })
	if !Running(pid) || Name(pid) != "sleep" {
		t.Errorf("running %v, name %q", Running(pid), Name(pid))
	}
	if err := unix.Kill(pid, unix.SIGCONT); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it goes on", func() bool { return !Stopped(pid) })
	if Stopped(os.Getpid()) || State(os.Getpid()) == 0 || Name(1<<30) != "" || Running(1<<30) {
		t.Error("of itself, or of nobody")
	}
}
