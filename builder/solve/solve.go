// Package solve executes a plan.Graph: it looks every vertex up in the cache,
// runs what is missing, independent vertices at once, and returns layers.
//
// A vertex has a result when its snapshot is committed; packing the layer into
// a blob goes on beside the vertices that need only the files, and happens only
// for layers of the image that is built. What intermediate stages make stays a
// snapshot. Everything is named by content: a step that makes again what it
// made before leaves all steps after it cached.
package solve

import (
	"context"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"cove/builder/buildctx"
	"cove/builder/cache"
	"cove/builder/command"
	"cove/builder/event"
	"cove/builder/fetch"
	"cove/builder/plan"
	"cove/builder/secret"
	"cove/content"
	"cove/layers"
	"cove/layers/compress"
	_ "cove/layers/compress/codec/linked"
	"cove/layers/snapshot"
)

// Config is what a solve works with. Everything without "may" is required.
type Config struct {
	Content   content.Store
	Snapshots snapshot.Snapshotter
	Unpacker  Unpacker
	Executor  command.Executor
	Cache     Cache
	// Remote may know layers that the Cache has records of and that are not here.
	Remote  Remote
	Context *buildctx.Tree
	// Named are the contexts that have names.
	Named map[string]*buildctx.Tree
	// Lease holds whatever the solve makes.
	Lease content.Lease
	// Scope names the Dockerfile and context, so that a step that is not cached
	// can be compared with what it was; it may be "".
	Scope string
	// State is a directory for cache mounts and for what lives as long as a step.
	State string
	// Parallel bounds the vertices that are worked on at once; it may be 0.
	Parallel int
	// Compress says how layers are packed.
	Compress compress.Options
	// Epoch, if set, is the time of copied files and the latest of any other.
	Epoch *time.Time
	// Secrets may hold the values of --mount=type=secret.
	Secrets map[string][]byte
	// SSH may hold the agents of --mount=type=ssh.
	SSH map[string]command.Agent
	// PackAll packs what every step makes, also where no image has the layer.
	PackAll bool
	// Files asks for the targets' files as committed snapshots, Blobs for their
	// layers as blobs.
	Files, Blobs bool
	// Lazy leaves those of Blobs that a cache elsewhere or a base's registry has there.
	Lazy bool
	// Packed, if not nil, is told of each layer of a target, by the target's number, as
	// soon as its blob is in Content. It must not wait, and be safe for concurrent use.
	Packed func(target int, l layers.Layer)
	// Made, if not nil, is told the same of the layers that steps made: of those of targets,
	// with PackAll of all.
	Made func(l layers.Layer)
	// OnFailure, if not nil, is given the first command that fails, before what it left is
	// removed; the build waits for it, and fails then.
	OnFailure func(context.Context, command.Failed) error
	// HTTP and Git fetch what ADD names.
	HTTP *http.Client
	Git  fetch.Git
	// Progress may be nil.
	Progress event.Progress
	Now      func() time.Time
}

// Cache remembers what steps made: a directory here (cache.Store), or whatever
// else can keep a record by its key. A key that is not known is
// errdefs.ErrNotFound. It must be safe for concurrent use.
type Cache interface {
	Get(ctx context.Context, key digest.Digest) (cache.Record, error)
	Put(ctx context.Context, key digest.Digest, r cache.Record) error
}

// Remote fetches layers of caches elsewhere. It must be safe for concurrent use.
type Remote interface {
	Has(blob digest.Digest) bool
	// Fetch stores a layer, of which there is a lease; Want begins that, and does not wait.
	Fetch(ctx context.Context, l layers.Layer) error
	Want(ctx context.Context, l layers.Layer)
	// Unpacked is told how unpacking a layer went, and says what is to be made of it.
	Unpacked(ctx context.Context, l layers.Layer, err error) error
	// MountID is what the directory of a cache mount is called, and SeedMount fills a
	// new one, if a cache has it.
	MountID(id string) string
	SeedMount(ctx context.Context, id, dir string) (bool, error)
}

// Unpacker fetches and unpacks base images, when a vertex needs their files.
type Unpacker interface {
	// Unpack makes sure that the base's layers are committed snapshots, named
	// by their chainIDs, and that their blobs are in the content store.
	Unpack(ctx context.Context, base plan.Base) error
	// Fetch makes sure of the blobs alone: an image on the base needs them even
	// where no vertex needs its files.
	Fetch(ctx context.Context, base plan.Base) error
}

// Result is a solved graph.
type Result struct {
	// Images are what the graph's targets became, in their order.
	Images []Image
	// Made tells what each vertex made.
	Made map[plan.ID]Made
	// Steps counts the vertices besides base images; Cached those of them
	// whose result was known.
	Steps, Cached int
	// Warnings are what came up on the way.
	Warnings []plan.Warning
}

// Image is what one target became.
type Image struct {
	// Layers are lowest first, all packed if Config.Blobs asked for that.
	Layers []layers.Layer
	// Chain names the snapshot of all of them, if Config.Files asked for it; "" is
	// an empty one.
	Chain layers.ChainID
}

// Made is what the history says of a vertex.
type Made struct {
	// Layer is false for a step that changed no file.
	Layer bool
	// Created is when the layer was made, maybe by an earlier build.
	Created time.Time
}

// solver is one solve.
type solver struct {
	Config
	graph   *plan.Graph
	tasks   []*task
	events  *event.Teller
	secrets secret.Set // that no layer may hold, and no output shows
	slots   chan struct{}
	group   *errgroup.Group
	outer   context.Context //nolint:containedctx // that of the solve, in which one step's failure ends the others

	oneFailed atomic.Bool

	mu       sync.Mutex
	cached   int
	warnings []plan.Warning
}

// task is one vertex being solved. Vertices of one key share a task.
type task struct {
	*plan.Vertex
	parent *task
	inputs []*task
	index  int
	// used says that another vertex needs the files, wanted that the image has
	// the layer.
	used, wanted bool
	targets      []int       // of which it is a layer, where blobs are asked for
	told         atomic.Bool // of a base: listeners know of it
	before       time.Time   // when an earlier build made the layer, if one did

	done chan struct{} // closed when result or the build's error is there
	res  *result
}

// Solve executes the graph.
func Solve(ctx context.Context, g *plan.Graph, cfg Config) (*Result, error) {
	if cfg.Parallel <= 0 {
		cfg.Parallel = max(2, runtime.GOMAXPROCS(0))
	}
	if cfg.Compress.Workers == nil {
		cfg.Compress.Workers = compress.NewWorkers(0)
	}
	s := &solver{Config: cfg, graph: g, slots: make(chan struct{}, cfg.Parallel), outer: ctx}
	s.secrets = secret.Of(cfg.Secrets)
	if err := s.secrets.CheckPlan(g); err != nil {
		return nil, err
	}
	steps, shown := s.prepare()
	s.events = &event.Teller{To: cfg.Progress, Now: cfg.Now, Total: shown}
	var gctx context.Context
	s.group, gctx = errgroup.WithContext(ctx)
	started := map[*task]bool{}
	for _, t := range s.tasks {
		if !started[t] {
			started[t] = true
			s.group.Go(func() error { return s.solve(gctx, t) })
		}
	}
	if err := s.group.Wait(); err != nil {
		return nil, err
	}
	for _, img := range g.Targets() {
		if err := s.complete(ctx, s.tasks[img.RootFS]); err != nil {
			return nil, err
		}
	}
	return s.finish(steps)
}

// complete makes sure that a target is here as it was asked for.
func (s *solver) complete(ctx context.Context, t *task) error {
	if s.Files {
		if err := s.materialize(ctx, t.res); err != nil {
			return plan.At(t.Location, err)
		}
	}
	if !s.Blobs || s.Lazy {
		return nil
	}
	g, gctx := errgroup.WithContext(ctx)
	for r := t.res; r != nil && r.base == nil; r = r.parent {
		if r.made {
			g.Go(func() error { return plan.At(t.Location, s.bring(gctx, r.layer())) })
		}
	}
	g.Go(func() error { return s.fetchBase(gctx, t) })
	return g.Wait()
}

// fetchBase makes sure that the layers which an image has from its base are
// here as blobs: that their files are here says nothing of that.
func (s *solver) fetchBase(ctx context.Context, bottom *task) error {
	for bottom.parent != nil {
		bottom = bottom.parent
	}
	if base, ok := bottom.Op.(*plan.Base); ok && len(base.Layers) > 0 {
		return plan.At(bottom.Location, s.Unpacker.Fetch(ctx, *base))
	}
	return nil
}

// prepare makes the tasks and finds out who needs what. It returns how many
// steps there are, and how many vertices are told of: these and images.
func (s *solver) prepare() (steps, shown int) {
	byKey := map[digest.Digest]*task{}
	s.tasks = make([]*task, len(s.graph.Vertices))
	for i, v := range s.graph.Vertices {
		if t, ok := byKey[v.Definition]; ok && t.NoCache == v.NoCache {
			s.tasks[i] = t
			continue
		}
		t := &task{Vertex: v, done: make(chan struct{})}
		base, isBase := v.Op.(*plan.Base)
		if !isBase {
			steps++
		}
		if !isBase || base.Name != "" {
			shown++
			t.index = shown
		}
		if v.Parent != plan.None {
			t.parent = s.tasks[v.Parent]
			t.parent.used = true
		}
		for _, in := range v.Inputs {
			t.inputs = append(t.inputs, s.tasks[in])
			s.tasks[in].used = true
		}
		t.wanted = s.PackAll && !isBase
		byKey[v.Definition] = t
		s.tasks[i] = t
	}
	for i, img := range s.graph.Targets() {
		top := s.tasks[img.RootFS]
		top.used = top.used || s.Files
		for t := top; t != nil && s.Blobs; t = t.parent {
			t.wanted, t.targets = true, append(t.targets, i)
		}
	}
	return steps, shown
}

// finish collects the targets' layers.
func (s *solver) finish(steps int) (*Result, error) {
	res := &Result{Made: map[plan.ID]Made{}, Steps: steps, Cached: s.cached, Warnings: s.warnings}
	for i, t := range s.tasks {
		s.notNeeded(t)
		res.Made[plan.ID(i)] = Made{Layer: t.res.made, Created: t.res.created}
	}
	for _, img := range s.graph.Targets() {
		top := s.tasks[img.RootFS].res
		res.Images = append(res.Images, Image{Layers: top.stack(), Chain: top.chain})
	}
	return res, nil
}

// acquire takes a slot to work in.
func (s *solver) acquire(ctx context.Context) error {
	select {
	case s.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *solver) release() { <-s.slots }

// warn adds a warning about a vertex.
func (s *solver) warn(t *task, rule, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.warnings = append(s.warnings, plan.Warning{Location: t.Location, Rule: rule, Text: text})
}
