package builder

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"cove/builder/buildctx"
	"cove/builder/command"
	"cove/builder/dockerfile"
	"cove/builder/dockerfile/bases"
	"cove/builder/dockerfile/sourcedate"
	"cove/builder/dockerfile/values"
	"cove/builder/epoch"
	"cove/builder/event"
	"cove/builder/export"
	"cove/builder/fetch"
	"cove/builder/lockfile"
	"cove/builder/plan"
	"cove/builder/source"
	"cove/content"
	"cove/errdefs"
	"cove/internal/platforms"
	"cove/layers"
)

// part is one request of a build.
type part struct {
	req   Request
	files *source.Context
	graph *plan.Graph // of all its platforms
	made  export.Build
	plain []layers.Layer // of its images, as the steps made them
}

// job is a build of one or more requests.
type job struct {
	parts  []*part
	lease  content.Lease
	report *event.Reporter
	// lock is that of the build, or one that only remembers.
	lock *lockfile.Lock
	// started is when the build began, solved the graph that was solved last.
	started time.Time
	solved  *plan.Graph
	caches  []func() error // export them
	stops   []func()       // what goes on beside
	fetch   bool           // layers that only a cache elsewhere has, though nobody here reads them
	// trees are the contexts that have names, by those that the graphs use. The one
	// without a name is that of the first part.
	trees map[string]*buildctx.Tree

	mu     sync.Mutex
	plans  map[string]func() (*plan.Graph, error)
	bases  map[string]func() (Base, error)
	naming map[string]string // contexts by what they hold, for RenameContexts
	origin map[string]named
}

// named says where a context that has a name comes from.
type named struct {
	part *part
	name string // as the part's Dockerfile calls it, "" for its main one
}

// close loses nothing that matters: what a stat cache could not save costs time.
func (j *job) close() {
	for _, p := range j.parts {
		if p.files != nil {
			_ = p.files.Close()
		}
	}
}

// once returns the function that is kept under a key, made of do at first.
func once[T any](j *job, in *map[string]func() (T, error), key string, do func() (T, error)) func() (T, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if *in == nil {
		*in = map[string]func() (T, error){}
	}
	f, ok := (*in)[key]
	if !ok {
		f = sync.OnceValues(do)
		(*in)[key] = f
	}
	return f
}

// open opens the contexts of all requests, the same one once.
func (b *Builder) open(ctx context.Context, j *job) error {
	opened := map[string]*source.Context{}
	for _, p := range j.parts {
		key := p.req.Context + "\x00" + p.req.Dockerfile
		if files, ok := opened[key]; ok && p.req.Dockerfile != "-" && p.req.Received == nil {
			p.files = files.Share()
		} else if files, err := source.Open(ctx, b.from(j, p.req, p.req.Context)); err != nil {
			return about(p, err)
		} else {
			p.files, opened[key] = files, files
		}
		if err := b.findEpoch(ctx, j, p); err != nil {
			return about(p, err)
		}
	}
	return nil
}

// findEpoch finds the time that the arguments or the Dockerfile name, if the request has none.
func (b *Builder) findEpoch(ctx context.Context, j *job, p *part) (err error) {
	host := hostNetwork(p.req)
	from := epoch.Sources{
		Dockerfile: sourcedate.Dockerfile{Name: p.files.Name, Text: p.files.Dockerfile, Args: p.req.BuildArgs},
		Main:       p.files, HTTP: fetch.Client(host), State: b.cfg.Root,
		Git: fetch.Git{Guarded: !host, Secrets: p.req.Secrets, Lock: j.lock},
		Named: func(ctx context.Context, name string) (files *source.Context, known bool, err error) {
			value, known := p.req.Contexts[name]
			if c := b.contexts(j, p)[name]; known && c.Image == "" && c.Build == nil {
				files, err = source.OpenNamed(ctx, name, b.from(j, p.req, value))
			}
			return files, known, err
		},
	}
	if p.req.Epoch == nil {
		p.req.Epoch, p.req.BuildArgs, err = from.Find(ctx)
	}
	return err
}

// about says which of several requests an error is about.
func about(p *part, err error) error {
	if err == nil || p.req.Name == "" {
		return err
	}
	return fmt.Errorf("target %s: %w", p.req.Name, err)
}

// checkLinks refuses requests that build on one that is not there, or in a circle on
// themselves.
func (j *job) checkLinks() error {
	byName := map[string]*part{}
	for _, p := range j.parts {
		byName[p.req.Name] = p
	}
	done := map[string]bool{}
	var visit func(p *part, above []string) error
	visit = func(p *part, above []string) error {
		if slices.Contains(above, p.req.Name) {
			return errdefs.Errorf(errdefs.ErrInvalid, "build: %s builds on itself: %s", p.req.Name,
				strings.Join(append(above, p.req.Name), " → "))
		}
		if done[p.req.Name] {
			return nil
		}
		for _, on := range links(p.req) {
			other, ok := byName[on]
			if !ok || on == "" {
				return about(p, errdefs.Errorf(errdefs.ErrNotFound, "build: there is no target %q to build on", on))
			}
			if err := visit(other, append(above, p.req.Name)); err != nil {
				return err
			}
		}
		done[p.req.Name] = true
		return nil
	}
	for _, p := range j.parts {
		if err := visit(p, nil); err != nil {
			return err
		}
	}
	return nil
}

// links are the names of the requests that one builds on.
func links(req Request) (names []string) {
	for _, value := range req.Contexts {
		if name, ok := strings.CutPrefix(value, TargetContext); ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// planAll makes a graph of each request.
func (b *Builder) planAll(ctx context.Context, j *job) error {
	g, gctx := errgroup.WithContext(ctx)
	// What is found for one is put into it in the end: until then others that build on
	// it read its request.
	found := make([]Request, len(j.parts))
	for i, p := range j.parts {
		g.Go(func() (err error) {
			graphs := make([]*plan.Graph, len(p.req.Platforms))
			inner, ictx := errgroup.WithContext(gctx)
			for k, platform := range p.req.Platforms {
				inner.Go(func() (err error) {
					graphs[k], err = b.planFor(ictx, j, p, platform)
					return err
				})
			}
			if err := inner.Wait(); err != nil {
				return err
			}
			p.graph = plan.Join(graphs...)
			found[i] = p.req
			known := command.Known{Secrets: p.req.Secrets, Agents: p.req.SSH}
			known, err = command.Find(gctx, p.req.Finder, known, p.graph)
			found[i].Secrets, found[i].SSH = known.Secrets, known.Agents
			return about(p, err)
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for i, p := range j.parts {
		p.req = found[i]
	}
	return nil
}

// planFor plans a request for one platform, once.
func (b *Builder) planFor(
	ctx context.Context, j *job, p *part, target ocispec.Platform,
) (*plan.Graph, error) {
	key := p.req.Name + " " + platforms.Format(target)
	return once(j, &j.plans, key, func() (*plan.Graph, error) {
		req := p.req
		g, err := dockerfile.Plan(ctx, p.files.Dockerfile, dockerfile.Options{
			Name: p.files.Name, Target: req.Target, BuildArgs: req.BuildArgs,
			Platform: target, Prefix: prefix(req, target),
			Build:  ocispec.Platform{OS: "linux", Architecture: runtime.GOARCH},
			Labels: req.Labels, Network: req.Network, Hosts: req.Hosts, Allow: req.Allow,
			NoCache: req.NoCache, NoCacheFilter: req.NoCacheFilter, Epoch: req.Epoch,
			Resolve: b.resolver(j, len(req.Platforms) > 1), Contexts: b.contexts(j, p), Ignored: p.files.Excludes,
			Check: req.check, Outline: req.outline,
		})
		if err != nil {
			return g, about(p, withSource(err, p.files.Dockerfile))
		}
		if len(j.parts) > 1 {
			g.RenameContexts(func(name string) string { return j.rename(p, name) })
		}
		return g, nil
	})()
}

// prefix begins the names of a request's steps; of those that are executed on another
// platform than they are for it names both, as buildx does: linux/amd64->arm64.
func prefix(req Request, target ocispec.Platform) values.Prefix {
	return func(stage ocispec.Platform) string {
		on, to := platforms.Format(stage), platforms.Format(target)
		switch {
		case len(req.Platforms) < 2:
			return req.Name
		case on != to:
			on += "->" + strings.TrimPrefix(to, target.OS+"/")
		}
		return req.Name + " " + on
	}
}

// resolver asks for each image of a build once.
func (b *Builder) resolver(j *job, several bool) bases.ResolveFunc {
	return func(ctx context.Context, name string, p ocispec.Platform) (plan.Base, error) {
		return once(j, &j.bases, name+" "+platforms.Format(p), func() (base Base, err error) {
			what := "[internal] load metadata for " + name
			if several {
				what += " (" + platforms.Format(p) + ")"
			}
			err = j.report.Step(what, func() (err error) {
				base, err = j.lock.Resolve(name, p, func(name string) (Base, error) {
					return b.cfg.Resolver.Resolve(ctx, name, p)
				})
				return err
			})
			return base, err
		})()
	}
}

// contexts says what the contexts of a request are that have names.
func (b *Builder) contexts(j *job, p *part) bases.Contexts {
	out := make(bases.Contexts, len(p.req.Contexts))
	for name, value := range p.req.Contexts {
		var c bases.Context
		if ref, ok := strings.CutPrefix(value, imageContext); ok {
			c.Image = ref
		} else if strings.HasPrefix(value, LayoutContext) {
			c.Image = value
		} else if on, ok := strings.CutPrefix(value, TargetContext); ok {
			i := slices.IndexFunc(j.parts, func(p *part) bool { return p.req.Name == on })
			c.Build = func(ctx context.Context, platform ocispec.Platform) (*plan.Graph, error) {
				return b.planFor(ctx, j, j.parts[i], platform)
			}
		}
		out[name] = c
	}
	return out
}

// rename gives a context of one of several requests a name that no other context
// has: the same files have the same one. "" stays that of the first request.
func (j *job) rename(p *part, name string) string {
	j.mu.Lock()
	defer j.mu.Unlock()
	if _, ok := j.origin[name]; ok {
		return name // of a request that this one builds on
	}
	what := "named\x00" + p.req.Contexts[name]
	if name == "" {
		what = "main\x00" + p.files.Identity()
	}
	known, ok := j.naming[what]
	if ok {
		return known
	}
	if j.naming == nil {
		j.naming, j.origin = map[string]string{"main\x00" + j.parts[0].files.Identity(): ""}, map[string]named{}
		if known, ok = j.naming[what]; ok {
			return known
		}
	}
	unique := p.req.Name + ":" + name
	j.naming[what], j.origin[unique] = unique, named{part: p, name: name}
	return unique
}

// openNamed opens the contexts with names that the graphs read from. What it
// returns closes them.
func (b *Builder) openNamed(ctx context.Context, j *job) (closeAll func(), err error) {
	var opened []*source.Context
	closeAll = func() {
		for _, c := range opened {
			_ = c.Close() // as in job.close
		}
	}
	j.trees = map[string]*buildctx.Tree{}
	for _, p := range j.parts {
		for _, name := range p.graph.Contexts() {
			if j.trees[name] != nil {
				continue
			}
			from, ok := j.origin[name]
			if !ok {
				from = named{part: p, name: name}
			}
			if from.name == "" {
				j.trees[name] = from.part.files.Tree
				continue
			}
			c, err := source.OpenNamed(ctx, name, b.from(j, from.part.req, from.part.req.Contexts[from.name]))
			if err != nil {
				closeAll()
				return nil, about(p, err)
			}
			opened = append(opened, c)
			j.trees[name] = c.Tree
		}
	}
	return closeAll, nil
}

// from is where a context of the request comes from.
func (b *Builder) from(j *job, req Request, dir string) source.Source {
	from := source.Source{
		Dir: dir, Dockerfile: req.Dockerfile, Stdin: req.Stdin, State: b.cfg.Root,
		Step: func(name string, do func() error) error {
			if req.Name != "" { // as buildx calls the steps of a target
				name = strings.Replace(name, "[internal]", "["+req.Name+" internal]", 1)
			}
			return j.report.Step(name, do)
		},
		Received: req.Received, Git: fetch.Git{Guarded: req.Guarded, Secrets: req.Secrets, Lock: j.lock},
	}
	if req.Guarded {
		from.HTTP = fetch.Client(false)
	}
	return from
}

// scope names what is built, for the explanations of later builds.
func scope(req Request) string {
	dir, err := filepath.Abs(req.Context)
	if err != nil || req.Context == "-" || req.Received != nil {
		return ""
	}
	return dir + "\n" + req.Dockerfile
}
