package doctor

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cove/internal/ids"
	"cove/internal/process"
	"cove/runner/record"
	"cove/runner/task"
	"cove/sandbox/host"
)

// TestHalves finds what killed commands left, and leaves what others are making.
func TestHalves(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	ended := strings.Replace(process.Tag(), ".", "7.", 1) // a process of another start
	err := errors.Join(
		os.MkdirAll(filepath.Join(record.Containers(root), ".creating-"+process.Tag()+"-abc"), 0o700),
		os.MkdirAll(filepath.Join(record.Containers(root), ".creating-"+ended+"-abc"), 0o700),
		os.MkdirAll(filepath.Join(root, "volumes", ".making-"+ended+"-1"), 0o700),
		os.MkdirAll(filepath.Join(root, "volumes", "data"), 0o700),
	)
	if err != nil {
		t.Fatal(err)
	}
	x := &examination{root: root}
	if err := x.halves(); err != nil || len(x.Orphans) != 2 {
		t.Errorf("%q, %v", x.Orphans, err)
	}
}

// TestStates: a state that says running beside a lock that is free is told.
func TestStates(t *testing.T) {
	t.Parallel()
	root, id := t.TempDir(), strings.Repeat("ab", 32)
	dir := record.Of(root, id)
	err := errors.Join(os.MkdirAll(string(dir), 0o700), dir.SetState(record.State{Status: record.Running, Pid: 1}, false))
	if err != nil {
		t.Fatal(err)
	}
	x := &examination{root: root, known: map[string]record.Dir{}}
	if err := x.containers(); err != nil || len(x.Orphans) != 1 || !strings.Contains(x.Orphans[0], "its monitor is gone") {
		t.Errorf("%q, %v", x.Orphans, err)
	}
	lock, err := dir.Lock(t.Context(), record.MonitorLock, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer record.Unlock(lock)
	x.Orphans = nil
	if err := x.containers(); err != nil || len(x.Orphans) != 0 || !x.lives(id) {
		t.Errorf("with a monitor: %q, %v", x.Orphans, err)
	}
}

// TestParentGroups: a control group that has others below it is no orphan, however old;
// one that has none is.
func TestParentGroups(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root: control groups")
	}
	features, err := host.Detect()
	if err != nil {
		t.Fatal(err)
	}
	parent := filepath.Join(features.Cgroup.Hierarchies[0].Mount, task.Groups, "parent-"+ids.New()[:8])
	child := filepath.Join(parent, "child")
	if err := os.MkdirAll(child, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = os.Remove(child), os.Remove(parent) })
	told := func() bool {
		old := time.Now().Add(-time.Hour)
		if err := os.Chtimes(parent, old, old); err != nil {
			t.Fatal(err)
		}
		x := &examination{root: t.TempDir()}
		if err := x.groups(); err != nil {
			t.Error(err)
		}
		return strings.Contains(strings.Join(x.Orphans, "\n"), ids.Short(filepath.Base(parent)))
	}
	if told() {
		t.Error("a parent of others is called left behind")
	}
	if err := os.Remove(child); err != nil {
		t.Fatal(err)
	}
	if !told() {
		t.Error("an empty group of nobody is not told")
	}
}
