package buildkit

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	control "github.com/moby/buildkit/api/services/control"
	"github.com/moby/buildkit/solver/pb"

	"cove/engine"
	"cove/engine/api/buildkit/frontend"
	"cove/engine/api/buildkit/peer"
	"cove/engine/builds"
	"cove/errdefs"
)

// inputs are the results that a client hands on as inputs of a solve in a job. Their
// files stay until that job ends, too.
func (js *jobs) inputs(j *job, defs map[string]*pb.Definition) (map[string]*solved, error) {
	on := map[string]*solved{}
	for name, def := range defs {
		if def == nil {
			continue
		}
		id := frontend.ResultOf(def)
		if id == "" {
			return nil, frontend.RefuseLLB("input " + name)
		}
		v, err := js.solved(id)
		if err != nil {
			return nil, err
		}
		if err := j.hold(v.job); err != nil {
			return nil, err
		}
		on[name] = v
	}
	return on, nil
}

// solved finds a result, whichever job it is of.
func (js *jobs) solved(id string) (*solved, error) {
	js.mu.Lock()
	all := slices.Collect(maps.Values(js.byRef))
	js.mu.Unlock()
	for _, j := range all {
		if v, err := j.result(id); err == nil {
			return v, nil
		}
	}
	return nil, errdefs.Errorf(errdefs.ErrNotFound, "no build has a result %q: it has ended", id)
}

// hold keeps the files of another job, and of those that it is built on, until this one ends.
func (j *job) hold(other *job) error {
	other.mu.Lock()
	all := append(slices.Clone(other.held), other)
	other.mu.Unlock()
	for _, one := range all {
		if one == j {
			continue
		}
		one.mu.Lock()
		ended := one.uses == 0
		if !ended {
			one.uses++
		}
		one.mu.Unlock()
		if ended {
			return errdefs.Errorf(errdefs.ErrNotFound, "build %s has ended, and its files are gone", one.ref)
		}
		j.mu.Lock()
		j.held = append(j.held, one)
		j.mu.Unlock()
	}
	return nil
}

// release removes what the client sent when nobody uses it any more.
func (j *job) release() {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.uses--; j.uses > 0 {
		return
	}
	for _, dir := range j.folders {
		_ = os.RemoveAll(dir) // what cannot be removed goes with the next prune
	}
	for _, dir := range j.kept {
		_ = dir.Close() // likewise
	}
}

// folder makes a folder for files that the client sends, which goes with the job.
func (j *job) folder(e *engine.Engine) (string, error) {
	dir, err := builds.TempDir(e)
	if err != nil {
		return "", err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.folders = append(j.folders, dir)
	return dir, nil
}

// complete adds what stands in the request of the build.
func (v *solved) complete(req *control.SolveRequest) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.request.Complete(req)
}

// options has the client send its files, once, and is the build that they are for. What
// comes on standard input can be had once alone.
func (w *work) options(ctx context.Context) (builds.Options, error) {
	v := w.solved
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.got {
		for _, fetch := range []func(context.Context) error{w.fetch, w.fetchNamed} {
			if err := fetch(ctx); err != nil {
				return builds.Options{}, err
			}
		}
		v.got = !peer.IsUpload(v.request.Context)
	}
	o := v.request.Options
	o.Contexts = maps.Clone(o.Contexts)
	o.CacheFrom, o.CacheTo = w.peer.Caches(o.CacheFrom), w.peer.Caches(o.CacheTo)
	o.Progress, o.Finder = w.job.status.Event, w.peer
	return o, nil
}

// behind is the work on a result that this one is built on. Its client may have gone
// when its files are here: what else it has, the client of this one is asked for.
func (w *work) behind(ctx context.Context, v *solved) (*work, error) {
	if peer.IsUpload(v.request.Context) {
		return nil, errdefs.Errorf(errdefs.ErrUnsupported, "its own context comes on standard input, which is read once: "+
			"give it a directory")
	}
	v.mu.Lock()
	got := v.got
	v.mu.Unlock()
	other := &work{w.server, v.job, v, v.request, w.peer, ""}
	if p, err := w.server.peer(ctx, v.job.session, !got); err == nil {
		other.peer = p
	} else if !got {
		return nil, err
	}
	if got {
		return other, nil
	}
	var err error
	other.temp, err = v.job.folder(w.server.cfg.Engine)
	return other, err
}

// chain is the build, and behind it those whose results its contexts are, each by a name
// of its own and for the cache alone.
func (w *work) chain(ctx context.Context) ([]builds.Options, error) {
	all, names := make([]builds.Options, 1), map[*solved]string{}
	var add func(w *work) (builds.Options, error)
	add = func(w *work) (builds.Options, error) {
		o, err := w.options(ctx)
		if err != nil {
			return o, err
		}
		for _, name := range slices.Sorted(maps.Keys(w.request.Named)) {
			key, ok := strings.CutPrefix(w.request.Named[name], "input:")
			if !ok {
				continue
			}
			on := w.solved.on[key]
			if names[on] == "" {
				names[on] = unused(name, names)
				other, err := w.behind(ctx, on)
				if err != nil {
					return o, fmt.Errorf("context %s: %w", name, err)
				}
				made, err := add(other)
				if err != nil {
					return o, err
				}
				made.Name, made.Names, made.CacheTo = names[on], nil, nil
				made.Outputs, made.Attest = []builds.Output{{Type: builds.CacheOnly}}, builds.Options{}.Attest
				all = append(all, made)
			}
			o.Contexts[name] = "target:" + names[on]
		}
		return o, nil
	}
	first, err := add(w)
	all[0] = first
	return all, err
}

// unused is a name, or one like it that nobody has yet.
func unused(name string, names map[*solved]string) string {
	taken := slices.Collect(maps.Values(names))
	for candidate, n := name, 2; ; n++ {
		if !slices.Contains(taken, candidate) {
			return candidate
		}
		candidate = fmt.Sprintf("%s-%d", name, n)
	}
}
