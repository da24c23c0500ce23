package cgroup

import (
	"fmt"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"cove/sandbox/host"
)

// Follow is the group as a process has it that has left it: a container that may write to
// control groups can move to others, as an init or a builder in it does. In each hierarchy
// where the group is gone, or is one of version 2, which takes no process beside groups below
// it, the group is that of the process. It is false if nothing is other than it was.
func (g *Group) Follow(pid int) (*Group, bool) {
	text, err := host.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		return g, false
	}
	followed := *g
	followed.moved = map[string]string{}
	for i := range g.host.Hierarchies {
		h := &g.host.Hierarchies[i]
		to, ok := groupIn(string(text), h)
		if !ok || to == path.Join(g.path, g.below[h.Name]) {
			continue
		}
		var st unix.Stat_t
		if h.V2 || unix.Stat(g.dir(h), &st) == unix.ENOENT {
			followed.moved[h.Name] = to
		}
	}
	return &followed, len(followed.moved) > 0
}

// groupIn finds a hierarchy among the lines of /proc/PID/cgroup, as "4:cpu,cpuacct:/group".
func groupIn(text string, h *host.Hierarchy) (string, bool) {
	for line := range strings.Lines(text) {
		_, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
		controllers, group, ok := strings.Cut(rest, ":")
		if !ok || h.V2 != (controllers == "") {
			continue
		}
		if h.V2 || controllers == strings.Join(h.Controllers, ",") || controllers == "name="+h.Name {
			return group, true
		}
	}
	return "", false
}
