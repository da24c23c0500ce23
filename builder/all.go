package builder

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/builder/command"
	"cove/builder/elsewhere"
	"cove/builder/event"
	"cove/builder/export"
	"cove/builder/fetch"
	"cove/builder/lockfile"
	"cove/builder/plan"
	"cove/builder/remotecache"
	"cove/builder/solve"
)

// BuildAll builds several images as one build: what they have in common is worked
// on once, whatever does not depend on each other at the same time. It tells the
// Progress of the first request. The results are in the order of the requests,
// and share one Lease.
//
// Requests whose settings exclude each other, as two values of one secret, are
// solved after one another, and meet in the cache.
func (b *Builder) BuildAll(ctx context.Context, reqs []Request) (results []*Result, err error) {
	j := &job{report: event.NewReporter(reqs[0].Progress, b.cfg.Now), started: b.cfg.Now(), lock: reqs[0].Lock}
	if j.lock == nil {
		j.lock = &lockfile.Lock{}
	}
	for _, req := range reqs {
		if err := req.complete(); err != nil {
			return nil, err
		}
		if len(req.Exporters) == 0 {
			req.Exporters = []export.Exporter{export.Store{Content: b.cfg.Content}}
		}
		j.parts = append(j.parts, &part{req: req})
	}
	if err := j.checkLinks(); err != nil {
		return nil, err
	}
	if j.lease, err = b.cfg.Content.Lease(ctx); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(diskFull(err), j.lease.Release())
		}
	}()
	defer j.close()
	defer func() { err = j.withSource(err) }()
	if err := b.open(ctx, j); err != nil {
		return nil, err
	}
	if err := b.planAll(ctx, j); err != nil {
		return nil, err
	}
	return b.executeAll(ctx, j)
}

// executeAll solves and exports the parts.
func (b *Builder) executeAll(ctx context.Context, j *job) ([]*Result, error) {
	closeNamed, err := b.openNamed(ctx, j)
	if err != nil {
		return nil, err
	}
	defer closeNamed()
	defer func() {
		for _, stop := range j.stops {
			stop()
		}
	}()
	of := map[*part]*Result{}
	for _, parts := range together(j.parts) {
		made, err := b.execute(ctx, j, parts)
		if errors.Is(err, remotecache.ErrLost) && !j.fetch && ctx.Err() == nil {
			j.fetch = true // a layer that was left where it was to be, and is not
			made, err = b.execute(ctx, j, parts)
		}
		if err != nil {
			return nil, err
		}
		for i, p := range parts {
			of[p] = made[i]
		}
		j.report.Next()
	}
	var results []*Result
	for _, p := range j.parts {
		results = append(results, of[p])
	}
	for _, send := range j.caches { // all images are where they are wanted
		if err := send(); err != nil {
			return nil, err
		}
	}
	return results, nil
}

// together divides the parts into those that one solve can have.
func together(parts []*part) (groups [][]*part) {
next:
	for _, p := range parts {
		for i, group := range groups {
			if !slices.ContainsFunc(group, func(q *part) bool { return !agree(p.req, q.req) }) {
				groups[i] = append(group, p)
				continue next
			}
		}
		groups = append(groups, []*part{p})
	}
	return groups
}

// agree says whether one solve can have two requests. A cache that one of them
// exports in full gets nothing that is the other's alone.
func agree(a, b Request) bool {
	full := slices.ContainsFunc(a.CacheTo, isMax) || slices.ContainsFunc(b.CacheTo, isMax)
	return !full && hostNetwork(a) == hostNetwork(b) && a.Executor == b.Executor &&
		a.Compression == b.Compression && a.Level == b.Level && reflect.DeepEqual(a.Epoch, b.Epoch) &&
		agreeOn(a.Secrets, b.Secrets, bytes.Equal) &&
		agreeOn(a.SSH, b.SSH, func(x, y command.Agent) bool { return reflect.DeepEqual(x, y) })
}

// agreeOn says whether two maps have the same value where both have one.
func agreeOn[V any](a, b map[string]V, equal func(x, y V) bool) bool {
	for k, v := range a {
		if w, ok := b[k]; ok && !equal(v, w) {
			return false
		}
	}
	return true
}

func hostNetwork(req Request) bool {
	return req.Network == "host" || slices.Contains(req.Allow, "network.host")
}

// execute solves the graphs of parts as one, and exports what came of them and the
// cache.
func (b *Builder) execute(ctx context.Context, j *job, parts []*part) ([]*Result, error) {
	graphs := make([]*plan.Graph, len(parts))
	for i, p := range parts {
		graphs[i] = p.graph
	}
	graph := plan.Join(graphs...)
	j.solved = graph
	known, warnings, err := b.cache(ctx, j, parts)
	if err != nil {
		return nil, err
	}
	cfg := b.solveConfig(j, parts)
	cfg.Cache, cfg.Remote = known, known
	early := j.beginEarly(ctx, parts)
	defer early.Stop()
	cfg.Packed = early.Layer
	cfg.Made = known.Begin(ctx, cachesTo(parts), func(name string) export.Step { return j.report.Begin(name) })
	j.stops = append(j.stops, known.Stop)
	solved, lost, err := solveKnown(ctx, graph, cfg, known)
	if err != nil {
		return nil, err
	}
	warnings = slices.Concat(warnings, lost, solved.Warnings)
	var results []*Result
	targets, images := graph.Targets(), solved.Images
	for _, p := range parts {
		n := len(p.req.Platforms)
		p.made = b.made(j, p.req, targets[:n], images[:n], solved)
		targets, images = targets[n:], images[n:]
		res := &Result{
			Warnings: slices.Concat(p.graph.Warnings, warnings), Steps: solved.Steps, Cached: solved.Cached,
			Lease: j.lease,
		}
		warnings = nil // of all parts: told once
		if err := b.squash(ctx, j, p); err != nil {
			return nil, err
		}
		p.made.Rest = b.rest(p, known)
		if err := b.pack(ctx, j, p); err != nil {
			return nil, err
		}
		if err := addInline(p.req, known, p.made.Images); err != nil {
			return nil, err
		}
		if err := b.scan(ctx, j, p); err != nil {
			return nil, err
		}
		if res.About, err = b.describe(j, p, solved); err != nil {
			return nil, err
		}
		if err := exportPart(ctx, j, p, res); err != nil {
			return nil, err
		}
		results = append(results, res)
	}
	j.caches = append(j.caches, func() error { return b.exportCaches(ctx, j, parts, known, results) })
	return results, nil
}

// rest are the layers of a part, wherever they are.
func (b *Builder) rest(p *part, known *remotecache.Cache) export.Rest {
	return elsewhere.Layers{
		Images: p.made.Images, Store: b.cfg.Content, Cache: known, Fetch: b.cfg.Resolver.Fetch,
	}
}

// beginEarly begins the exporters that can begin before the first step. An image that
// is squashed, or packed anew, has other layers than its steps.
func (j *job) beginEarly(ctx context.Context, parts []*part) *export.Begun {
	all := make([]export.Targets, len(parts))
	for i, p := range parts {
		all[i] = export.Targets{Count: len(p.req.Platforms), Step: func(name string) export.Step {
			return j.report.Begin(p.step(name))
		}}
		if !p.req.Squash && !p.req.packsAnew() {
			all[i].Exporters = p.req.Exporters
		}
	}
	return export.Begin(ctx, all)
}

// step is the name of a step that is about this part.
func (p *part) step(name string) string {
	if p.req.Name == "" {
		return name
	}
	return "[" + p.req.Name + "] " + name
}

// exportPart gives one part to its exporters.
func exportPart(ctx context.Context, j *job, p *part, res *Result) error {
	for _, to := range p.req.Exporters {
		err := j.report.LoggedStep(p.step(to.Name()), func(log func(string)) error {
			build := p.made
			build.Log = log
			out, err := to.Export(ctx, build)
			res.Exported = append(res.Exported, out)
			return err
		})
		if err != nil {
			return about(p, err)
		}
	}
	return nil
}

// solveConfig is what the solve of parts works with, which agree.
func (b *Builder) solveConfig(j *job, parts []*part) solve.Config {
	first := parts[0].req
	cfg := solve.Config{
		Content: b.cfg.Content, Snapshots: b.cfg.Snapshots, Unpacker: b.cfg.Resolver, Executor: b.cfg.Executor,
		Context: j.parts[0].files.Tree, Named: j.trees, Lease: j.lease,
		Scope: scope(first), State: b.cfg.Root, Parallel: b.cfg.Parallel,
		Compress: first.packing(),
		Epoch:    first.Epoch, Secrets: map[string][]byte{}, SSH: map[string]command.Agent{},
		HTTP: fetch.Client(hostNetwork(first)), Progress: j.report.Progress(), Now: b.cfg.Now,
		OnFailure: j.parts[0].req.OnFailure, Lazy: !j.fetch,
	}
	if first.Executor != nil {
		cfg.Executor = first.Executor
	}
	for _, p := range parts {
		maps.Copy(cfg.Secrets, p.req.Secrets)
		maps.Copy(cfg.SSH, p.req.SSH)
		cfg.Files = cfg.Files || p.req.Squash
		cfg.Blobs = cfg.Blobs || p.req.packsAnew()
		cfg.PackAll = cfg.PackAll || slices.ContainsFunc(p.req.CacheTo, isMax)
		cfg.Lazy = cfg.Lazy && !p.req.Squash && !p.req.packsAnew() && !p.req.Attest.SBOM
		for _, to := range p.req.Exporters {
			needs := to.Needs()
			cfg.Files, cfg.Blobs = cfg.Files || needs.Files, cfg.Blobs || needs.Blobs
			cfg.Lazy = cfg.Lazy && (needs.Anywhere || !needs.Blobs)
		}
	}
	cfg.Git = fetch.Git{Guarded: !hostNetwork(first), Secrets: cfg.Secrets, Lock: j.lock}
	return cfg
}

// made is what the exporters of a request are given.
func (b *Builder) made(
	j *job, req Request, targets []plan.Image, images []solve.Image, solved *solve.Result,
) export.Build {
	out := export.Build{Hold: func(ctx context.Context, digests ...digest.Digest) error {
		refs := make([]string, len(digests))
		for i, d := range digests {
			refs[i] = d.String()
		}
		return j.lease.Add(ctx, refs...)
	}}
	for i, target := range targets {
		chain := string(images[i].Chain)
		out.Images = append(out.Images, export.Image{
			Image: target, Layers: images[i].Layers, Epoch: req.Epoch, Now: b.cfg.Now(),
			Made: func(id plan.ID) (bool, time.Time) { return solved.Made[id].Layer, solved.Made[id].Created },
			Open: func(ctx context.Context) (export.Files, error) {
				return export.OpenFiles(ctx, b.cfg.Snapshots, chain)
			},
		})
	}
	return out
}

// withSource gives an error at a line the text of the Dockerfile that has the line.
func (j *job) withSource(err error) error {
	at := (*plan.Error)(nil)
	if !errors.As(err, &at) {
		return err
	}
	for _, p := range j.parts {
		if p.files != nil && p.files.Name == at.Location.File && holds(p.files.Dockerfile, at.Location) {
			return withSource(err, p.files.Dockerfile)
		}
	}
	return err
}

// holds says whether a text has an instruction where the location says it is.
func holds(text []byte, at plan.Location) bool {
	lines := bytes.Split(text, []byte("\n"))
	word, _, _ := bytes.Cut([]byte(at.Instruction), []byte(" "))
	return at.Line < 1 || at.Line <= len(lines) && bytes.Contains(lines[at.Line-1], word)
}
