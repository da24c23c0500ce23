package process

import (
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// sleeping is a shell that runs a script, which says when it is ready.
func sleeping(t *testing.T, script string) (pid int) {
	t.Helper()
	cmd := exec.Command("sh", "-c", script+"\necho ready; while :; do sleep 100; done")
	cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = unix.Kill(-cmd.Process.Pid, unix.SIGKILL)
		_ = cmd.Wait()
	})
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	return cmd.Process.Pid
}

func TestDescendants(t *testing.T) {
	t.Parallel()
	pid := sleeping(t, "sh -c 'sleep 100 & sleep 100; :' & sleep 100 &")
	var found []int
	for deadline := time.Now().Add(10 * time.Second); len(found) < 5 && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		found = Descendants(pid, everyone(t))
	}
	// The shell, its child with two sleeps, a sleep, and the one of its loop.
	if len(found) < 5 || found[0] != pid || slices.Contains(found, 1) {
		t.Errorf("%v", found)
	}
	if alone := Descendants(pid, nil); !slices.Equal(alone, []int{pid}) {
		t.Errorf("among nobody: %v", alone)
	}
}

// everyone are the processes of this machine.
func everyone(t *testing.T) []int {
	t.Helper()
	out, err := exec.Command("ls", "/proc").Output()
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for name := range strings.FieldsSeq(string(out)) {
		if pid, err := strconv.Atoi(name); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// The processes of a pid namespace are found by its first one, and of another process
// those that it started.
func TestTogether(t *testing.T) {
	t.Parallel()
	if pids, err := Together(1 << 22); len(pids) != 0 || err != nil {
		t.Errorf("of one that is not there: %v, %v", pids, err)
	}
	pid := sleeping(t, "sleep 1000 & sleep 1000 &")
	eventually(t, "its children", func() bool {
		pids, err := Together(pid)
		return err == nil && len(pids) == 4 && slices.Contains(pids, pid)
	})
	if os.Geteuid() != 0 {
		t.Skip("needs root: makes a pid namespace")
	}
	cmd := exec.Command("unshare", "--pid", "--fork", "--kill-child", "sh", "-c", "sleep 1000 & setsid sleep 1000 & wait")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	eventually(t, "a namespace of three", func() bool {
		for _, child := range Descendants(cmd.Process.Pid, everyone(t)) {
			if pids, err := Together(child); child != cmd.Process.Pid && err == nil && len(pids) == 3 && pids[0] == child {
				return true
			}
		}
		return false
	})
}
