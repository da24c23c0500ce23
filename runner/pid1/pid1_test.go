package pid1

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestMain is the init, too: it waits for every child of its process, so each case
// has a process of its own.
func TestMain(m *testing.M) {
	if os.Getenv("PID1_TEST") != "" {
		os.Exit(Main(os.Args[1:], os.Stderr))
	}
	os.Exit(m.Run())
}

func TestMainEndsAsTheProgram(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"--", "sh", "-c", "exit 3"}, 3, ""},
		{[]string{"true"}, 0, ""},
		{[]string{"sh", "-c", "kill -9 $$"}, 137, ""},
		{[]string{"sh", "-c", "kill -TERM $PPID; sleep 10"}, 143, ""}, // handed on
		{[]string{"sh", "-c", "(sleep 0.05 &); sleep 0.2; exit 4"}, 4, ""},
		{[]string{"--", "/does/not/exist"}, 127, `exec "/does/not/exist"`},
		{[]string{"no-such-program"}, 127, `exec "no-such-program"`},
		{[]string{"/etc/passwd"}, 126, "permission denied"},
		{[]string{"--"}, 125, "no program"},
		{nil, 125, "no program"},
	} {
		t.Run(strings.Join(tc.args, " "), func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(os.Args[0], tc.args...)
			cmd.Env = append(os.Environ(), "PID1_TEST=1")
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			_ = cmd.Run()
			if code := cmd.ProcessState.ExitCode(); code != tc.code || !strings.Contains(stderr.String(), tc.says) {
				t.Errorf("%d, want %d; %s", code, tc.code, stderr.String())
			}
		})
	}
}
