package e2e

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func baseImage(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: baseimage NAME")
	}
	body, err := rootfsTar()
	ts.Check(err)
	path := ts.MkAbs("rootfs.tar")
	ts.Check(os.WriteFile(path, body, 0o644))
	ts.Check(ts.Exec("cove", "import", path, args[0]))
}

func exitCode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N COMMAND…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%s: %v", args[1], err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

func eventually(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: eventually COMMAND…")
	}
	deadline := time.Now().Add(20 * time.Second)
	for {
		err := ts.Exec(args[0], args[1:]...)
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("still failing after 20 s: %v", err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// corrupt flips one byte in the middle of every file larger than the given
// size under a directory.
func corrupt(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: corrupt DIR LARGER-THAN")
	}
	limit, err := strconv.Atoi(args[1])
	ts.Check(err)
	hit := 0
	ts.Check(filepath.WalkDir(ts.MkAbs(args[0]), func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		body, err := os.ReadFile(path)
		if err != nil || len(body) <= limit {
			return err
		}
		hit++
		body[len(body)/2] ^= 1
		return errors.Join(os.Chmod(path, 0o644), os.WriteFile(path, body, 0o644))
	}))
	if hit == 0 {
		ts.Fatalf("no file larger than %d under %s", limit, args[0])
	}
}

// nothingLeft looks for what this story's containers should have taken along.
func nothingLeft(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: nothing-left")
	}
	work := ts.Getenv("WORK")
	left := leftovers(ts, work)
	// A monitor may still be on its way out, and the containers of other tests
	// come and go: what is left is what stays.
	for begun := time.Now(); len(left) > 0 && time.Since(begun) < 10*time.Second; {
		time.Sleep(50 * time.Millisecond)
		now := leftovers(ts, work)
		left = slices.DeleteFunc(left, func(what string) bool { return !slices.Contains(now, what) })
	}
	if len(left) > 0 {
		ts.Fatalf("left behind:\n%s", strings.Join(left, "\n"))
	}
	// So is what doctor sees: another test's control group is empty before its first
	// container is in it.
	err := ts.Exec("cove", "doctor")
	for begun := time.Now(); err != nil && time.Since(begun) < 10*time.Second; {
		time.Sleep(200 * time.Millisecond)
		err = ts.Exec("cove", "doctor")
	}
	ts.Check(err)
}

// leftovers are mounts and processes of a story, and the cgroups of containers
// that hold no process.
func leftovers(ts *testscript.TestScript, work string) (left []string) {
	mounts, err := os.ReadFile("/proc/self/mounts")
	ts.Check(err)
	for line := range strings.Lines(string(mounts)) {
		if strings.Contains(line, work) {
			left = append(left, "mount "+strings.TrimSpace(line))
		}
	}
	cmdlines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	ts.Check(err)
	for _, name := range cmdlines {
		cmdline, err := os.ReadFile(name)
		if err == nil && strings.Contains(string(cmdline), "cove-runtime") && strings.Contains(string(cmdline), work) {
			left = append(left, "process "+strings.ReplaceAll(string(cmdline), "\x00", " "))
		}
	}
	id := strings.Repeat("[0-9a-f]", 64)
	unified, err := filepath.Glob("/sys/fs/cgroup/cove/" + id)
	ts.Check(err)
	groups, err := filepath.Glob("/sys/fs/cgroup/*/cove/" + id)
	ts.Check(err)
	for _, dir := range append(groups, unified...) {
		if procs, err := os.ReadFile(filepath.Join(dir, "cgroup.procs")); err == nil && len(procs) == 0 {
			left = append(left, dir)
		}
	}
	return left
}
