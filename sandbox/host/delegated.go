package host

import (
	"bytes"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// inUserNamespace reports whether this process is in a user namespace that is not the
// first one: that one has all ids, mapped to themselves.
func inUserNamespace() bool {
	b, err := ReadFile("/proc/self/uid_map")
	if err != nil {
		return false // a kernel without
	}
	fields := bytes.Fields(b)
	return len(fields) < 3 || string(fields[2]) != "4294967295"
}

// delegated leaves of the hierarchies those in which somebody without rights over the
// host's may make groups, each from the topmost group on that was handed over, as
// systemd hands one to the manager of a user's services. own is /proc/self/cgroup.
func delegated(cg Cgroup, own []byte, writable func(dir string) bool) Cgroup {
	kept := Cgroup{Delegated: true}
	for _, h := range cg.Hierarchies {
		group, ok := groupIn(own, h)
		if !ok {
			continue
		}
		top := ""
		for ; writable(h.Mount + group); group = path.Dir(group) {
			if top = h.Mount + group; group == "/" {
				break
			}
		}
		if top == "" {
			continue
		}
		h.Mount = top
		if h.V2 && cg.Mode == CgroupV2 {
			h.Controllers = readControllers(top)
		}
		kept.Hierarchies = append(kept.Hierarchies, h)
	}
	if len(kept.Hierarchies) > 0 {
		kept.Mode = cg.Mode
	}
	return kept
}

// groupIn is the group of a process in a hierarchy, from a file as /proc/self/cgroup
// (cgroups(7)).
func groupIn(own []byte, h Hierarchy) (string, bool) {
	for line := range bytes.Lines(own) {
		fields := strings.SplitN(strings.TrimSpace(string(line)), ":", 3)
		if len(fields) != 3 {
			continue
		}
		if h.V2 && fields[0] == "0" || !h.V2 && strings.TrimPrefix(fields[1], "name=") == h.Name {
			return fields[2], true
		}
	}
	return "", false
}

// mayMakeGroups reports whether this process may make groups in a directory, and put
// itself there.
func mayMakeGroups(dir string) bool {
	return unix.Access(dir, unix.W_OK|unix.X_OK) == nil && unix.Access(dir+"/cgroup.procs", unix.W_OK) == nil
}
