package runner

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"cove/errdefs"
	"cove/internal/ids"
	"cove/internal/process"
	"cove/runner/record"
	"cove/runner/task"
	"cove/sandbox/cgroup"
	"cove/sandbox/host"
	"cove/volume"
)

// leftoverAge is how old an empty control group must be before it is removed: a
// younger one may belong to a container that is being made.
const leftoverAge = time.Minute

// Clean removes what killed processes left behind: states that are not true any
// more, half-made records and volumes, names of removed containers, sockets, control groups,
// addresses, interfaces and firewall rules. It returns what it removed, one line
// each.
func (r *Runner) Clean(ctx context.Context) (removed []string, err error) {
	for _, clean := range []func(context.Context) ([]string, error){
		r.cleanStates, r.cleanRuns, r.cleanHalves, r.cleanSockets, r.cleanGroups,
	} {
		some, err := clean(ctx)
		removed = append(removed, some...)
		if err != nil {
			return removed, err
		}
	}
	names, err := record.CleanNames(r.opts.Root)
	for _, name := range names {
		removed = append(removed, "name "+name)
	}
	if err != nil {
		return removed, err
	}
	volumes, err := volume.Open(r.opts.Root).Clean()
	removed = append(removed, volumes...)
	if err != nil {
		return removed, err
	}
	net, err := r.net.Clean()
	return append(removed, net...), err
}

// cleanStates reconciles every container.
func (r *Runner) cleanStates(ctx context.Context) (removed []string, err error) {
	all, err := r.All(ctx)
	if err != nil {
		return nil, err
	}
	for _, c := range all {
		before, err := c.record().State()
		if err != nil || c.Broken() != nil {
			continue // removed meanwhile, or corrupt, which Remove with force ends
		}
		after, err := c.State(ctx)
		if err != nil && !errors.Is(err, errdefs.ErrNotFound) && !unknowable(err) {
			return removed, err
		}
		if before.Alive() && !after.Alive() {
			removed = append(removed, "container "+c.Name()+": "+after.Error)
		}
	}
	return removed, nil
}

// cleanRuns removes what a killed Run has left: its process died with it.
func (r *Runner) cleanRuns(ctx context.Context) (removed []string, err error) {
	entries, err := os.ReadDir(r.opts.Run)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	for _, e := range entries {
		name, ok := strings.CutPrefix(e.Name(), runPrefix)
		tag, id, _ := strings.Cut(name, "-")
		if !ok || !process.TagEnded(tag) {
			continue
		}
		if id != "" {
			err = errors.Join(err, task.Sweep(ctx, "run "+id, task.Groups+"/"+id))
		}
		err = errors.Join(err, os.RemoveAll(filepath.Join(r.opts.Run, e.Name())))
		removed = append(removed, "files of "+e.Name())
	}
	return removed, err
}

// cleanHalves removes records whose making or removal was cut short.
func (r *Runner) cleanHalves(context.Context) (removed []string, err error) {
	base := record.Containers(r.opts.Root)
	entries, err := os.ReadDir(base)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	for _, e := range entries {
		if tag, half := record.Half(e.Name()); !half || !process.TagEnded(tag) {
			continue
		}
		err = errors.Join(err, os.RemoveAll(filepath.Join(base, e.Name())))
		removed = append(removed, "record "+e.Name())
	}
	return removed, err
}

// cleanSockets removes those of monitors that were killed.
func (r *Runner) cleanSockets(context.Context) (removed []string, err error) {
	dir := filepath.Dir(record.Of(r.opts.Root, "x").Socket(r.opts.Run))
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	for _, e := range entries {
		id := strings.TrimSuffix(e.Name(), ".sock")
		if d := record.Of(r.opts.Root, id); d.Held(record.ControlLock) || d.Held(record.MonitorLock) {
			continue // it is about to start, or runs
		}
		if rerr := os.Remove(filepath.Join(dir, e.Name())); !errors.Is(rerr, os.ErrNotExist) {
			err = errors.Join(err, rerr)
		}
		removed = append(removed, "socket of container "+ids.Short(id))
	}
	return removed, err
}

// cleanGroups removes empty control groups below /cove, and that one too when
// nothing is left in it. Those of another root's containers are not empty for
// long.
func (r *Runner) cleanGroups(ctx context.Context) (removed []string, err error) {
	features, err := host.Detect()
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for _, h := range features.Cgroup.Hierarchies {
		entries, rerr := os.ReadDir(filepath.Join(h.Mount, task.Groups))
		if rerr != nil {
			continue // no container has used this hierarchy
		}
		for _, e := range entries {
			info, ierr := e.Info()
			if !e.IsDir() || ierr != nil || seen[e.Name()] || time.Since(info.ModTime()) < leftoverAge {
				continue
			}
			seen[e.Name()] = true
			g := cgroup.Load(features.Cgroup, task.Groups+"/"+e.Name())
			if pids, perr := g.Procs(); perr != nil || len(pids) > 0 {
				continue
			}
			err = errors.Join(err, g.Delete(ctx))
			removed = append(removed, "cgroup "+g.Path())
		}
	}
	return removed, errors.Join(err, cgroup.Load(features.Cgroup, task.Groups).DeleteEmpty())
}
