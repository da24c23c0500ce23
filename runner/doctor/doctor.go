// Package doctor proves that nothing of a root's containers is left behind: no mount,
// control group, interface, rule, address, lock or process without a container that
// answers for it. It reads what the kernel has, and changes nothing.
package doctor

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"cove/internal/ids"
	"cove/internal/process"
	"cove/network/audit"
	"cove/network/namespace"
	"cove/runner/record"
	"cove/runner/sources"
	"cove/runner/task"
	"cove/sandbox/cgroup"
	"cove/sandbox/host"
)

// Report is what was looked at, by kind, and what of it is orphaned, a line each.
type Report struct {
	Seen    []Count
	Orphans []string
}

// Count is how many of a kind were looked at.
type Count struct {
	Kind string
	N    int
}

// examination is one look at a root.
type examination struct {
	root  string
	known map[string]record.Dir // the containers
	Report
}

// lives reports whether a container has a monitor, or somebody starts it now.
func (x *examination) lives(id string) bool {
	d := record.Of(x.root, id)
	return d.Held(record.MonitorLock) || d.Held(record.ControlLock)
}

// Examine looks at a root.
func Examine(root string) (Report, error) {
	x := &examination{root: root, known: map[string]record.Dir{}}
	for _, look := range []func() error{x.containers, x.mounts, x.groups, x.network, x.processes, x.halves} {
		if err := look(); err != nil {
			return x.Report, err
		}
	}
	return x.Report, nil
}

func (x *examination) orphan(format string, args ...any) {
	x.Orphans = append(x.Orphans, fmt.Sprintf(format, args...))
}

func (x *examination) saw(kind string, n int) { x.Seen = append(x.Seen, Count{kind, n}) }

// containers compares each state with the locks that make it true.
func (x *examination) containers() error {
	locks := 0
	for _, id := range x.names(record.Containers(x.root)) {
		if !ids.Valid(id) {
			continue
		}
		d := record.Of(x.root, id)
		st, err := d.State()
		if err != nil {
			continue // removed meanwhile; what is corrupt is not left behind
		}
		x.known[id] = d
		for _, name := range []record.LockName{
			record.MonitorLock, record.ControlLock, record.RestartLock, record.ReconcileLock,
		} {
			if !d.Held(name) {
				continue
			}
			locks++
			// The last threads of a process that was killed hold a lock a moment longer.
			if _, ok := process.Find(d.Holder(name)); !ok && !x.soon(func() bool { return !d.Held(name) }) {
				x.orphan("lock %s of container %s: no process answers for it", name, ids.Short(id))
			}
		}
		if now, err := d.State(); err == nil && now.SameMoment(st) && st.Alive() && !d.Held(record.MonitorLock) {
			x.orphan("container %s: it is recorded as %s, and its monitor is gone", ids.Short(id), st.Status)
		}
	}
	x.saw("containers", len(x.known))
	x.saw("locks", locks)
	return nil
}

// soon waits a moment for what is on its way.
func (x *examination) soon(ok func() bool) bool {
	for end := time.Now().Add(time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if ok() {
			return true
		}
	}
	return false
}

// mounts looks for what is mounted in the root: only volumes of containers that live
// are, and what an administrator put there, above them.
func (x *examination) mounts() error {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return fmt.Errorf("doctor: %w", err)
	}
	defer f.Close()
	seen := 0
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 5 {
			continue
		}
		rel, ok := strings.CutPrefix(fields[4], x.root+"/")
		if !ok {
			continue
		}
		seen++
		parts := strings.Split(rel, "/")
		switch {
		case len(parts) < 2 || parts[0] != "volumes" && parts[0] != "containers" && parts[0] != "snapshots":
		case parts[0] == "volumes" && x.soon(func() bool { return x.has(parts[1]) || !sources.Mounted(fields[4]) }):
		default:
			x.orphan("mount %s: no container that runs has it", fields[4])
		}
	}
	x.saw("mounts", seen)
	return nil
}

// has reports whether a container that lives has a volume.
func (x *examination) has(name string) bool {
	used, err := record.VolumesOfTheLiving(x.root, "")
	return err != nil || used[name]
}

// hasGroups says that a control group has others below it, as one has that is the parent of
// a container's.
func hasGroups(dir string) bool {
	entries, err := os.ReadDir(dir)
	return err != nil || slices.ContainsFunc(entries, fs.DirEntry.IsDir)
}

// young is how old an empty control group of nobody must be: a container that is being
// made has one.
const young = time.Minute

func (x *examination) groups() error {
	features, err := host.Detect()
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, h := range features.Cgroup.Hierarchies {
		dir := filepath.Join(h.Mount, task.Groups)
		for _, id := range x.names(dir) {
			info, err := os.Stat(filepath.Join(dir, id))
			if err != nil || !info.IsDir() || seen[id] {
				continue
			}
			pids, err := cgroup.Load(features.Cgroup, task.Groups+"/"+id).Procs()
			if err != nil {
				continue
			}
			_, ours := x.known[id]
			switch {
			case ours && !x.lives(id):
				x.orphan("control group %s/%s: its container does not run, and %d processes are in it", task.Groups,
					ids.Short(id), len(pids))
			case !ours && len(pids) == 0 && time.Since(info.ModTime()) > young && !hasGroups(filepath.Join(dir, id)):
				x.orphan("control group %s/%s: it is empty, and of no container here", task.Groups, ids.Short(id))
			}
			seen[id] = true
		}
	}
	x.saw("control groups", len(seen))
	return nil
}

func (x *examination) network() error {
	if !namespace.Ours() {
		return nil // without root each container's network goes with it
	}
	r, err := audit.Examine(x.root, x.lives)
	if err == nil && len(r.Orphans) > 0 {
		// A container that has ended just now tells so before it gives back its address.
		x.soon(func() bool {
			r, err = audit.Examine(x.root, x.lives)
			return err != nil || len(r.Orphans) == 0
		})
	}
	x.saw("interfaces", r.Interfaces)
	x.saw("rules", r.Rules)
	x.saw("addresses", r.Addrs)
	x.Orphans = append(x.Orphans, r.Orphans...)
	return err
}

// processes looks for monitors of the root whose container is gone, or has another.
func (x *examination) processes() error {
	seen := 0
	base := record.Containers(x.root) + "/"
	for _, name := range x.names("/proc") {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		cmdline, err := os.ReadFile("/proc/" + name + "/cmdline")
		if err != nil {
			continue
		}
		args := strings.Split(strings.TrimSuffix(string(cmdline), "\x00"), "\x00")
		if len(args) < 5 || args[1] != "monitor" || !strings.HasPrefix(args[4], base) {
			continue
		}
		seen++
		d := record.Dir(args[4])
		if _, err := os.Stat(string(d)); errors.Is(err, fs.ErrNotExist) &&
			!x.soon(func() bool { return !process.Running(pid) }) {
			x.orphan("process %d: it is the monitor of container %s, which is gone", pid, ids.Short(d.ID()))
		}
	}
	x.saw("monitors", seen)
	return nil
}

// halves looks for what killed commands left half made or half removed.
func (x *examination) halves() error {
	for _, dir := range []string{record.Containers(x.root), filepath.Join(x.root, "volumes")} {
		for _, name := range x.names(dir) {
			for _, prefix := range []string{".creating-", ".making-", ".removing-"} {
				rest, ok := strings.CutPrefix(name, prefix)
				tag, _, _ := strings.Cut(rest, "-")
				if ok && process.TagEnded(tag) {
					x.orphan("directory %s: the process that made or removed it has ended", filepath.Join(dir, name))
				}
			}
		}
	}
	return nil
}

// names are the entries of a directory; one that is not there has none.
func (x *examination) names(dir string) (all []string) {
	entries, _ := os.ReadDir(dir) // what cannot be read holds nothing of ours
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}
