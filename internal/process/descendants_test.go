package process

import (
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
