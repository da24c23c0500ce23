package cgroup

import (
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/sandbox/host"
)

// Below is the group as a process sees it that starts in groups below it. They have
// to exist. In v1 paths names them by controller, and by "" for all controllers; v2
// has one hierarchy, so that only "" is meant there. A path that leads out of the
// group, or a controller that is not there, is errdefs.ErrInvalid, and a group that
// is not there errdefs.ErrNotFound.
func (g *Group) Below(paths map[string]string) (*Group, error) {
	sub := &Group{host: g.host, path: g.path, below: map[string]string{}}
	for controller, name := range paths {
		if slices.Contains(strings.Split(name, "/"), "..") {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "cgroup: bad path: %s is not a sub cgroup path of the container's", name)
		}
		if controller != "" && g.host.Mode == host.CgroupV2 {
			return nil, errdefs.Errorf(errdefs.ErrInvalid,
				"cgroup: no controller of v2 has a group of its own: want the path alone, not %s:%s", controller, name)
		}
		found := false
		for i := range g.host.Hierarchies {
			h := &g.host.Hierarchies[i]
			if controller != "" && !slices.Contains(h.Controllers, controller) && h.Name != controller {
				continue
			}
			found = true
			sub.below[h.Name] = name
			var st unix.Stat_t
			switch err := unix.Stat(sub.dir(h), &st); {
			case err == nil:
			case h.V2 && g.host.Mode != host.CgroupV2 && controller == "":
				delete(sub.below, h.Name) // it holds no controller, and nobody made the group there
			default:
				return nil, errdefs.Errorf(host.ErrKind(err),
					"cgroup: adding pid of the new process to %s/cgroup.procs: %w", sub.dir(h), err)
			}
		}
		if !found {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "cgroup: unknown controller %q: this host has none of that name", controller)
		}
	}
	return sub, nil
}
