package builder

import (
	"context"
	"errors"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"cove/builder/dockerfile"
	"cove/builder/export"
	"cove/builder/fetch"
	"cove/builder/plan"
	"cove/builder/solve"
	"cove/builder/source"
	"cove/content"
	"cove/errdefs"
	"cove/internal/platforms"
	"cove/layers/compress"
	"cove/layers/snapshot/overlay"
)

// Build builds one image. An instruction that fails is an error that begins
// with its file, line and text; a program that failed is an *ExitError inside
// it. On error, and when ctx ends, nothing stays behind but cache records of
// the steps that finished.
func (b *Builder) Build(ctx context.Context, req Request) (res *Result, err error) {
	if err := req.complete(); err != nil {
		return nil, err
	}
	if len(req.Exporters) == 0 {
		req.Exporters = []export.Exporter{export.Store{Content: b.cfg.Content}}
	}
	lease, err := b.cfg.Content.Lease(ctx)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(diskFull(err), lease.Release())
		}
	}()
	report := &reporter{fn: req.Progress, now: b.cfg.Now}
	files, err := source.Open(ctx, b.from(req, req.Context, report))
	if err != nil {
		return nil, err
	}
	// What the stat cache could not save costs the next build time, not this one its result.
	defer func() { _ = files.Close() }()
	defer func() { err = withSource(err, files.Dockerfile) }()
	graph, err := b.plan(ctx, req, files, report)
	if err != nil {
		return nil, err
	}
	if req, err = req.find(ctx, graph); err != nil {
		return nil, err
	}
	return b.execute(ctx, job{req: req, files: files, graph: graph, lease: lease, report: report})
}

// job is a build that is planned.
type job struct {
	req    Request
	files  *source.Context
	graph  *plan.Graph
	lease  content.Lease
	report *reporter
}

// execute solves the graph, and exports what came of it and the cache.
func (b *Builder) execute(ctx context.Context, j job) (*Result, error) {
	contexts, err := b.openNamed(ctx, j)
	if err != nil {
		return nil, err
	}
	defer contexts.close()
	known, warnings, err := b.cache(ctx, j)
	if err != nil {
		return nil, err
	}
	cfg := b.solveConfig(j)
	cfg.Named, cfg.Cache, cfg.Remote = contexts.trees(), known, known
	solved, err := solve.Solve(ctx, j.graph, cfg)
	if err != nil {
		return nil, err
	}
	res := &Result{
		Warnings: slices.Concat(j.graph.Warnings, warnings, solved.Warnings),
		Steps:    solved.Steps, Cached: solved.Cached, Lease: j.lease,
	}
	made := b.made(j, solved)
	if err := addInline(j.req, known, made.Images); err != nil {
		return nil, err
	}
	for _, to := range j.req.Exporters {
		err := j.report.step(to.Name(), func() error {
			out, err := to.Export(ctx, made)
			res.Exported = append(res.Exported, out)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return res, b.exportCache(ctx, j, known, made.Images, res)
}

// Check reads what Build would, resolves the base images, and returns the
// Dockerfile with its warnings; nothing is executed or written. An error is
// what Build would end with before its first step.
func (b *Builder) Check(ctx context.Context, req Request) (c *Checked, err error) {
	if err := req.complete(); err != nil {
		return nil, err
	}
	req.check = true
	report := &reporter{fn: req.Progress, now: b.cfg.Now}
	files, err := source.Open(ctx, b.from(req, req.Context, report))
	if err != nil {
		return nil, err
	}
	defer func() { _ = files.Close() }()
	graph, err := b.plan(ctx, req, files, report)
	if err != nil {
		return nil, withSource(err, files.Dockerfile)
	}
	return &Checked{Dockerfile: files.Dockerfile, Warnings: graph.Warnings}, nil
}

// withSource gives an error at a line the text that the line is in.
func withSource(err error, text []byte) error {
	if at := (*plan.Error)(nil); errors.As(err, &at) && at.Source == nil {
		at.Source = text
	}
	return err
}

// complete fills in what the request leaves open.
func (r *Request) complete() error {
	if r.Context == "" {
		return errdefs.Errorf(errdefs.ErrInvalid,
			"build: a context is needed: a directory, or - for a tar archive on stdin")
	}
	if err := r.completePlatforms(); err != nil {
		return err
	}
	if v := r.BuildArgs["SOURCE_DATE_EPOCH"]; v != "" && r.Epoch == nil {
		sec, err := strconv.ParseInt(v, 10, 64)
		if err != nil {
			return errdefs.Errorf(errdefs.ErrInvalid, "build: SOURCE_DATE_EPOCH=%s is not a number of seconds", v)
		}
		t := time.Unix(sec, 0).UTC()
		r.Epoch = &t
	}
	switch compress.Compression(r.Compression) {
	case "", compress.Gzip, compress.Zstd, compress.None:
		return nil
	}
	return errdefs.Errorf(errdefs.ErrInvalid, "build: compression %q is not one of gzip, zstd, none", r.Compression)
}

// completePlatforms fills in this machine's, and leaves out what is named twice.
func (r *Request) completePlatforms() error {
	if len(r.Platforms) == 0 {
		r.Platforms = []ocispec.Platform{{OS: "linux", Architecture: runtime.GOARCH}}
	}
	var kept []ocispec.Platform
	for _, p := range r.Platforms {
		if p.OS != "linux" {
			return errdefs.Errorf(errdefs.ErrUnsupported, "build: platform %s: only linux images are built", p.OS)
		}
		same := func(q ocispec.Platform) bool { return platforms.Format(p) == platforms.Format(q) }
		if !slices.ContainsFunc(kept, same) {
			kept = append(kept, p)
		}
	}
	r.Platforms = kept
	return nil
}

// plan makes one graph of what every platform needs.
func (b *Builder) plan(
	ctx context.Context, req Request, files *source.Context, report *reporter,
) (*plan.Graph, error) {
	graphs := make([]*plan.Graph, len(req.Platforms))
	g, gctx := errgroup.WithContext(ctx)
	for i, p := range req.Platforms {
		g.Go(func() (err error) {
			graphs[i], err = b.planFor(gctx, p, req, files, report)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return plan.Join(graphs...), nil
}

func (b *Builder) planFor(
	ctx context.Context, target ocispec.Platform, req Request, files *source.Context, report *reporter,
) (*plan.Graph, error) {
	prefix := ""
	if len(req.Platforms) > 1 {
		prefix = platforms.Format(target)
	}
	resolve := func(ctx context.Context, name string, p ocispec.Platform) (base plan.Base, err error) {
		what := "[internal] load metadata for " + name
		if prefix != "" {
			what += " (" + platforms.Format(p) + ")"
		}
		err = report.step(what, func() (err error) {
			base, err = b.cfg.Resolver.Resolve(ctx, name, p)
			return err
		})
		return base, err
	}
	return dockerfile.Plan(ctx, files.Dockerfile, dockerfile.Options{
		Name: files.Name, Target: req.Target, BuildArgs: req.BuildArgs,
		Platform: target, Prefix: prefix, Build: ocispec.Platform{OS: "linux", Architecture: runtime.GOARCH},
		Labels: req.Labels, Network: req.Network, Hosts: req.Hosts, Allow: req.Allow,
		NoCache: req.NoCache, NoCacheFilter: req.NoCacheFilter, Epoch: req.Epoch,
		Resolve: resolve, Contexts: contexts(req.Contexts), Ignored: files.Excludes, Check: req.check,
	})
}

func (b *Builder) solveConfig(j job) solve.Config {
	req := j.req
	var needs export.Needs
	for _, to := range req.Exporters {
		needs.Files, needs.Blobs = needs.Files || to.Needs().Files, needs.Blobs || to.Needs().Blobs
	}
	hostNetwork := req.Network == "host" || slices.Contains(req.Allow, "network.host")
	return solve.Config{
		Content: b.cfg.Content, Snapshots: b.cfg.Snapshots, Unpacker: b.cfg.Resolver, Executor: b.cfg.Executor,
		Context: j.files.Tree, Lease: j.lease,
		Scope: scope(req), State: b.cfg.Root, Parallel: b.cfg.Parallel,
		Files: needs.Files, Blobs: needs.Blobs, PackAll: slices.ContainsFunc(req.CacheTo, isMax),
		Compress: compress.Options{Compression: compress.Compression(req.Compression), Level: req.Level},
		Epoch:    req.Epoch, Secrets: req.Secrets, SSH: req.SSH, HTTP: fetch.Client(hostNetwork),
		Git: fetch.Git{Guarded: !hostNetwork, Secrets: req.Secrets}, Progress: j.report.progress(), Now: b.cfg.Now,
	}
}

// scope names what is built, for the explanations of later builds.
func scope(req Request) string {
	dir, err := filepath.Abs(req.Context)
	if err != nil || req.Context == "-" || req.Received != nil {
		return ""
	}
	return dir + "\n" + req.Dockerfile
}

// made is what the exporters are given.
func (b *Builder) made(j job, solved *solve.Result) export.Build {
	out := export.Build{Hold: func(ctx context.Context, digests ...digest.Digest) error {
		refs := make([]string, len(digests))
		for i, d := range digests {
			refs[i] = d.String()
		}
		return j.lease.Add(ctx, refs...)
	}}
	for i, target := range j.graph.Targets() {
		chain := string(solved.Images[i].Chain)
		out.Images = append(out.Images, export.Image{
			Image: target, Layers: solved.Images[i].Layers, Epoch: j.req.Epoch, Now: b.cfg.Now(),
			Made: func(id plan.ID) (bool, time.Time) { return solved.Made[id].Layer, solved.Made[id].Created },
			Open: func(ctx context.Context) (export.Files, error) { return b.open(ctx, chain) },
		})
	}
	return out
}

// open shows the files of a snapshot.
func (b *Builder) open(ctx context.Context, chain string) (export.Files, error) {
	if chain == "" {
		return noFiles{}, nil
	}
	m, err := b.cfg.Snapshots.Mounts(ctx, chain)
	if err != nil {
		return nil, err
	}
	return overlay.Open(ctx, m)
}

// noFiles are the files of an empty image.
type noFiles struct{}

func (noFiles) Dir() string  { return "" }
func (noFiles) Close() error { return nil }

// diskFull gives an error that came from a full disk its kind.
func diskFull(err error) error {
	if errors.Is(err, unix.ENOSPC) && !errors.Is(err, errdefs.ErrExhausted) {
		return errdefs.Suggest(errdefs.Errorf(errdefs.ErrExhausted, "%w", err), errdefs.Prune, "")
	}
	return err
}
