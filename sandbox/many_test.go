package sandbox_test

import (
	"os"
	"strings"
	"sync"
	"testing"

	"cove/layers/mount"
	"cove/sandbox"
	"cove/sandbox/cgroup"
	"cove/sandbox/plan"
)

// TestMany starts 64 containers at once and looks what they leave behind.
func TestMany(t *testing.T) {
	root := mount.Mount{Type: "bind", Source: rootfs(t)}
	h := features(t)
	fdsBefore := descriptors(t)
	groups := make([]*cgroup.Group, 64)
	for i := range groups {
		groups[i] = groupNamed(t, i)
	}
	var all sync.WaitGroup
	for i := range groups {
		all.Go(func() {
			spec := contained("true")
			p, err := plan.Compile(spec, h)
			if err != nil {
				t.Error(err)
				return
			}
			proc, err := sandbox.Create(t.Context(), sandbox.Request{Plan: p, Spec: spec, Root: root, Cgroup: groups[i]})
			if err != nil {
				t.Error(err)
				return
			}
			defer proc.PidFD().Close()
			if err := proc.Start(); err != nil {
				t.Error(err)
			}
			if status, err := proc.Wait(t.Context()); err != nil || status.ExitCode() != 0 {
				t.Error(status, err)
			}
		})
	}
	all.Wait()
	for _, g := range groups {
		if err := g.Delete(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if after := descriptors(t); after > fdsBefore {
		t.Errorf("%d descriptors before, %d after", fdsBefore, after)
	}
	if left := hostMounts(t, root.Source); len(left) > 0 {
		t.Errorf("mounts are left: %q", left)
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// hostMounts are those of the host that show a directory, or are in it. Of others, which come
// and go with other programs, nobody can tell whose they are.
func hostMounts(t *testing.T, dir string) []string {
	t.Helper()
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for line := range strings.Lines(string(b)) {
		if strings.Contains(line, dir) {
			found = append(found, line)
		}
	}
	return found
}
