package runner

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"cove/errdefs"
	"cove/runner/record"
	"cove/runner/task"
	"cove/sandbox/cgroup"
	"cove/sandbox/host"
)

// settled is how old something half made must be before it is taken for
// left over rather than on its way.
const settled = time.Minute

// Clean removes what killed processes left behind: states that are not true any
// more, half-made records, control groups, addresses, interfaces and firewall
// rules. It returns what it removed, one line each.
func (r *Runner) Clean(ctx context.Context) ([]string, error) {
	var removed []string
	all, err := r.All(ctx)
	if err != nil {
		return nil, err
	}
	for _, c := range all {
		before, err := c.dir.State()
		if err != nil {
			continue // removed meanwhile, or for Remove with force
		}
		after, err := c.State(ctx)
		if err != nil && !errors.Is(err, errdefs.ErrNotFound) {
			return removed, err
		}
		if alive(before) && !alive(after) {
			removed = append(removed, "container "+c.name+": "+after.Error)
		}
	}
	halves, err := r.cleanHalves()
	removed = append(removed, halves...)
	if err != nil {
		return removed, err
	}
	groups, err := r.cleanGroups(ctx)
	removed = append(removed, groups...)
	if err != nil {
		return removed, err
	}
	net, err := r.net.Clean()
	return append(removed, net...), err
}

// cleanHalves removes records whose making or removal was cut short.
func (r *Runner) cleanHalves() (removed []string, err error) {
	base := record.Containers(r.opts.Root)
	entries, err := os.ReadDir(base)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	for _, e := range entries {
		half := strings.HasPrefix(e.Name(), ".creating-") || strings.HasPrefix(e.Name(), ".removing-")
		info, ierr := e.Info()
		if !half || ierr != nil || time.Since(info.ModTime()) < settled {
			continue
		}
		err = errors.Join(err, os.RemoveAll(filepath.Join(base, e.Name())))
		removed = append(removed, "record "+e.Name())
	}
	return removed, err
}

// cleanGroups removes empty control groups below /cove, and that one too when
// nothing is left in it. Those of another root's containers are not empty.
func (r *Runner) cleanGroups(ctx context.Context) (removed []string, err error) {
	features, err := host.Detect()
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for _, h := range features.Cgroup.Hierarchies {
		entries, rerr := os.ReadDir(filepath.Join(h.Mount, task.Groups))
		if rerr != nil {
			continue // no container ever ran in this one
		}
		for _, e := range entries {
			info, ierr := e.Info()
			if !e.IsDir() || ierr != nil || seen[e.Name()] || time.Since(info.ModTime()) < settled {
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
