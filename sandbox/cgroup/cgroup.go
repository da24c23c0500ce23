// Package cgroup makes, limits, measures and removes control groups, in v1,
// hybrid and v2 mode alike.
//
// It writes the kernel's files itself: a container start pays for everything
// that is linked into the runtime, and nothing of systemd's or dbus's is
// needed here.
package cgroup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/internal/process"
	"cove/sandbox/host"
)

// Group is one container's control group, in all hierarchies of the host.
type Group struct {
	host host.Cgroup
	path string
	// below are paths below path, by the names of hierarchies: see Below.
	below map[string]string
	// moved are paths in place of path, by the names of hierarchies: see Follow.
	moved map[string]string
	// first is a process whose pid namespace tells who is in the group where no
	// hierarchy does: see Led.
	first int
}

// Led names the container's first process, by whose pid namespace its processes are
// found where this user was delegated no control group.
func (g *Group) Led(pid int) *Group {
	led := *g
	led.first = pid
	return &led
}

// Create makes the group of a name, as "/cove/<id>" below the top of each mounted
// hierarchy, with limits r (nil: none). For who was delegated none it is a name alone,
// and limits are errdefs.ErrUnsupported. An existing group without processes is
// taken over; ErrConflict for one with processes, and for one that is frozen,
// where a process would stop before it does anything.
func Create(h host.Cgroup, name string, r *specs.LinuxResources) (*Group, error) {
	if h.Mode == host.CgroupNone && !h.Delegated {
		return nil, errdefs.Errorf(errdefs.ErrUnsupported, "cgroup: no control groups are mounted on this host")
	}
	g := Load(h, name)
	if g.path == "/" {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "cgroup: path %q: want a group below the top", name)
	}
	existed := false
	for i := range h.Hierarchies {
		made, err := g.mkdir(&h.Hierarchies[i])
		if err != nil {
			_ = g.Delete(context.Background())
			return nil, err
		}
		existed = existed || !made
	}
	if existed {
		if pids, err := g.Procs(); err == nil && len(pids) > 0 {
			return nil, errdefs.Errorf(errdefs.ErrConflict, "cgroup: %s: the container's cgroup is not empty: %d processes are in it already", g.path, len(pids))
		}
	}
	err := g.refuseFrozen()
	if err == nil && r != nil {
		err = g.apply(r, true)
	}
	if err != nil {
		if !existed {
			_ = g.Delete(context.Background()) // the error is the one that matters
		}
		return nil, err
	}
	return g, nil
}

// Load names a group that exists.
func Load(h host.Cgroup, name string) *Group {
	return &Group{host: h, path: path.Clean("/" + name)}
}

// Parent is the group above.
func (g *Group) Parent() *Group { return Load(g.host, path.Dir(g.path)) }

// Path returns the group's path below the top of each hierarchy.
func (g *Group) Path() string { return g.path }

func (g *Group) dir(h *host.Hierarchy) string {
	if to, ok := g.moved[h.Name]; ok {
		return filepath.Join(h.Mount, to)
	}
	return filepath.Join(h.Mount, g.path, g.below[h.Name])
}

// Dir returns the group's directory in a hierarchy, named as host.Hierarchy.Name.
func (g *Group) Dir(hierarchy string) (string, error) {
	for i := range g.host.Hierarchies {
		if h := &g.host.Hierarchies[i]; h.Name == hierarchy {
			return g.dir(h), nil
		}
	}
	return "", errdefs.Errorf(errdefs.ErrUnsupported, "cgroup: no hierarchy %q is mounted", hierarchy)
}

// OpenTasks opens the group's list of tasks in a v1 hierarchy for writing.
func (g *Group) OpenTasks(hierarchy string) (int, error) {
	dir, err := g.Dir(hierarchy)
	if err != nil {
		return -1, err
	}
	fd, err := unix.Open(dir+"/tasks", unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("cgroup: %s/tasks: %w", dir, err)
	}
	return fd, nil
}

// CloneFD opens the directory that a process can be cloned into: that of v2,
// alone or beside v1. It is -1 on a host without.
func (g *Group) CloneFD() (int, error) {
	last := len(g.host.Hierarchies) - 1
	if last < 0 || !g.host.Hierarchies[last].V2 {
		return -1, nil
	}
	dir := g.dir(&g.host.Hierarchies[last])
	fd, err := unix.Open(dir, unix.O_DIRECTORY|unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("cgroup: %s: %w", dir, err)
	}
	return fd, nil
}

// mkdir makes the group in one hierarchy; false if it was there.
func (g *Group) mkdir(h *host.Hierarchy) (bool, error) {
	dir := g.dir(h)
	err := unix.Mkdir(dir, 0o755)
	// Again: a parent that is empty may be removed between the two.
	for tries := 0; errors.Is(err, unix.ENOENT) && tries < 10; tries++ {
		if err = g.mkParents(h); err == nil {
			err = unix.Mkdir(dir, 0o755)
		}
	}
	if err != nil && !errors.Is(err, unix.EEXIST) {
		return false, fmt.Errorf("cgroup: making %s: %w", dir, err)
	}
	made := err == nil
	if h.V2 && g.host.Mode == host.CgroupV2 {
		// An ancestor made by someone else may not pass its controllers on.
		if err := delegate(h, path.Dir(g.path)); err != nil {
			return made, err
		}
	}
	if made && slices.Contains(h.Controllers, "cpuset") && !h.V2 {
		return made, inheritCpuset(h.Mount, g.path)
	}
	return made, nil
}

func (g *Group) mkParents(h *host.Hierarchy) error {
	dir := h.Mount
	for part := range strings.SplitSeq(path.Dir(g.path)[1:], "/") {
		dir = filepath.Join(dir, part)
		if err := unix.Mkdir(dir, 0o755); err != nil && err != unix.EEXIST {
			return err
		}
	}
	return nil
}

// delegate passes all controllers down to the children of the group at name.
func delegate(h *host.Hierarchy, name string) error {
	dir := h.Mount
	parts := strings.Split(strings.Trim(name, "/"), "/")
	for i := -1; i < len(parts); i++ {
		if i >= 0 {
			dir = filepath.Join(dir, parts[i])
		}
		have, err := os.ReadFile(dir + "/cgroup.subtree_control")
		if err != nil {
			return fmt.Errorf("cgroup: %w", err)
		}
		enabled := strings.Fields(string(have))
		for _, c := range h.Controllers {
			if slices.Contains(enabled, c) {
				continue
			}
			// One that cannot be enabled (threaded, in use elsewhere) is missed
			// only by who sets its limit, and that says so.
			_ = writeFile(dir, "cgroup.subtree_control", "+"+c)
		}
	}
	return nil
}

// inheritCpuset fills an empty cpuset from the group above, and that from its
// own if it must: no process may enter one without processors.
func inheritCpuset(mount, name string) error {
	for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
		above := filepath.Join(mount, path.Dir(name))
		value, err := readLine(above, file)
		if err == nil && value == "" && path.Dir(name) != "/" {
			if err = inheritCpuset(mount, path.Dir(name)); err == nil {
				value, err = readLine(above, file)
			}
		}
		if err == nil {
			err = writeFile(filepath.Join(mount, name), file, value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Add moves process pid into the group.
func (g *Group) Add(pid int) error {
	for i := range g.host.Hierarchies {
		if err := writeFile(g.dir(&g.host.Hierarchies[i]), "cgroup.procs", strconv.Itoa(pid)); err != nil {
			return err
		}
	}
	return nil
}

// find returns the group's directory where controller is; "" if it is nowhere.
func (g *Group) find(controller string) string {
	for i := range g.host.Hierarchies {
		if h := &g.host.Hierarchies[i]; slices.Contains(h.Controllers, controller) {
			return g.dir(h)
		}
	}
	return ""
}

// Procs lists the pids in the group and the groups below it.
func (g *Group) Procs() ([]int, error) {
	if len(g.host.Hierarchies) == 0 && g.first > 0 {
		return process.Together(g.first)
	}
	seen := map[int]bool{}
	for i := range g.host.Hierarchies {
		if err := procsBelow(g.dir(&g.host.Hierarchies[i]), seen); err != nil {
			return nil, err
		}
	}
	pids := make([]int, 0, len(seen))
	for pid := range seen {
		pids = append(pids, pid)
	}
	slices.Sort(pids)
	return pids, nil
}

func procsBelow(dir string, seen map[int]bool) error {
	b, err := host.ReadFile(dir + "/cgroup.procs")
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ENODEV) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cgroup: %w", err)
	}
	for _, field := range strings.Fields(string(b)) {
		if pid, err := strconv.Atoi(field); err == nil && pid > 0 {
			seen[pid] = true
		}
	}
	below, err := children(dir)
	if err != nil {
		return err
	}
	for _, child := range below {
		if err := procsBelow(child, seen); err != nil {
			return err
		}
	}
	return nil
}

// children lists the groups right below dir. A directory counts its
// directories in its links, which saves reading most.
func children(dir string) ([]string, error) {
	var st unix.Stat_t
	err := unix.Lstat(dir, &st)
	if err == nil && st.Nlink == 2 {
		return nil, nil
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cgroup: %w", err)
	}
	var out []string
	for _, e := range entries {
		if e.IsDir() {
			out = append(out, filepath.Join(dir, e.Name()))
		}
	}
	return out, nil
}

// Delete removes the empty group with the groups below it; a group that is not
// there is no error. The kernel lets go of a group a moment after its last
// process, so it is tried for a while.
func (g *Group) Delete(ctx context.Context) error {
	var errs []error
	for i := range g.host.Hierarchies {
		errs = append(errs, removeTree(ctx, g.dir(&g.host.Hierarchies[i])))
	}
	return errors.Join(errs...)
}

// DeleteEmpty removes the group where nothing is in or below it, without
// waiting; it is for the groups above those of containers.
func (g *Group) DeleteEmpty() error {
	for i := range g.host.Hierarchies {
		err := unix.Rmdir(g.dir(&g.host.Hierarchies[i]))
		if err != nil && err != unix.ENOENT && err != unix.EBUSY {
			return fmt.Errorf("cgroup: removing %s: %w", g.path, err)
		}
	}
	return nil
}

func removeTree(ctx context.Context, dir string) error {
	below, err := children(dir)
	if err != nil {
		return err
	}
	for _, child := range below {
		if err := removeTree(ctx, child); err != nil {
			return err
		}
	}
	delay := 500 * time.Microsecond
	for {
		err := unix.Rmdir(dir)
		if err == nil || err == unix.ENOENT {
			return nil
		}
		if err != unix.EBUSY || delay > 200*time.Millisecond {
			return fmt.Errorf("cgroup: removing %s: %w", dir, err)
		}
		if err := sleep(ctx, delay); err != nil {
			return err
		}
		delay *= 2
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// writeFile writes values to one of the kernel's files, each whole and in one
// call.
func writeFile(dir, name string, values ...string) error {
	fd, err := unix.Open(dir+"/"+name, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("cgroup: writing %q to %s/%s: %w", values, dir, name, err)
	}
	defer unix.Close(fd)
	for _, value := range values {
		if _, err := unix.Write(fd, []byte(value)); err != nil {
			return fmt.Errorf("cgroup: writing %q to %s/%s: %w", value, dir, name, err)
		}
	}
	return nil
}

func readLine(dir, name string) (string, error) {
	b, err := host.ReadFile(dir + "/" + name)
	if err != nil {
		return "", fmt.Errorf("cgroup: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}
