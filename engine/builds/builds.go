// Package builds is the part of the engine that builds images. It alone of the
// engine links the parser of Dockerfiles, whose weight a program that only runs
// containers would pay at every start.
package builds

import (
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/builder"
	"cove/builder/export"
	"cove/builder/state"
	"cove/content"
	"cove/content/fsstore"
	"cove/distribution/progress"
	"cove/engine/builds/output"
	"cove/engine/machine"
	"cove/engine/runspec"
	"cove/errdefs"
	"cove/images"
	"cove/images/image"
	"cove/images/remote"
	"cove/internal/process"
	"cove/layers/snapshot"
	"cove/reference"
	"cove/runner"
	"cove/runner/record"
)

// Engine is what a build needs of the engine: its stores, opened when they are
// asked for, and its runner.
type Engine interface {
	Content() (*fsstore.Store, error)
	Snapshots() (snapshot.Store, error)
	Images() (*images.Store, error)
	Runner() (*runner.Runner, error)
	Registry() (remote.Registries, error)
	// BuildDir is the directory of the builder's own state.
	BuildDir() string
	Now() time.Time
}

// Options is one build.
type Options struct {
	builder.Request
	// Outputs are where the image goes; none is the local images. Packing is how all are
	// packed of which nothing else is said.
	Outputs []Output
	Packing Packing
	// Names are given to the image; none leaves it known by its id alone.
	Names []string
	// CacheFrom are caches that are asked after the one here, CacheTo are where this
	// build's goes.
	CacheFrom, CacheTo []Cache
	// Resources are what each RUN may take, CgroupParent the control group above it.
	Resources    record.Resources
	CgroupParent string
	// OnError is what becomes of the first RUN that fails, before the build ends with it.
	OnError OnError
	// Pull asks the registry for the base images even if they are here.
	Pull bool
	// PullProgress is told of base images that are fetched.
	PullProgress progress.Func
}

// Build builds an image and names it. The names are durable when it returns.
// An instruction that failed is an error with its file and line; a program
// that failed a *builder.ExitError inside it.
func Build(ctx context.Context, e Engine, o Options) (*builder.Result, error) {
	results, err := BuildAll(ctx, e, []Options{o})
	if err != nil {
		return nil, err
	}
	return results[0], nil
}

// BuildAll builds several images as one build, see builder.BuildAll: the results are
// in the order of the options. The base images are asked for if any of them says so.
func BuildAll(ctx context.Context, e Engine, all []Options) ([]*builder.Result, error) {
	results, err := buildAll(ctx, e, all)
	if err != nil {
		return nil, err
	}
	return results, results[0].Lease.Release()
}

// BuildHeld builds an image that nothing names: it is there until its lease is released.
func BuildHeld(ctx context.Context, e Engine, o Options) (*builder.Result, error) {
	o.Outputs = []Output{{Type: output.Held}}
	results, err := buildAll(ctx, e, []Options{o})
	if err != nil {
		return nil, err
	}
	return results[0], nil
}

// buildAll is BuildAll, and leaves the lease to the caller.
func buildAll(ctx context.Context, e Engine, all []Options) (results []*builder.Result, err error) {
	if err := machine.NeedRoot("building an image"); err != nil {
		return nil, err
	}
	first := all[0]
	reqs := make([]builder.Request, len(all))
	var executors []*executor
	var open []func() error
	defer func() {
		for _, closeCaches := range open {
			err = errors.Join(err, closeCaches())
		}
	}()
	for i, o := range all {
		closeCaches, err := complete(e, &o)
		open = append(open, closeCaches)
		if err != nil {
			return nil, err
		}
		executors = sameExecutor(executors, executor{e, o.Resources, o.CgroupParent}, &o.Request)
		o.OnFailure = o.OnError.Handler(e, o.Executor, func(
			ctx context.Context, b builder.Base, hold content.Lease,
		) error {
			return resolver{e: e, hold: hold}.Fetch(ctx, b)
		})
		first.Pull, reqs[i] = first.Pull || o.Pull, o.Request
	}
	b, release, err := newBuilder(ctx, e, first)
	if err != nil {
		return nil, err
	}
	defer release()
	told := beginHistory(e, reqs, all)
	results, err = b.BuildAll(ctx, reqs)
	told.end(ctx, reqs, results, err)
	return results, err
}

// complete gives the request of the options its exporters and caches, and returns
// what closes them.
func complete(e Engine, o *Options) (closeCaches func() error, err error) {
	none := func() error { return nil }
	if err := o.SettlePacking(); err != nil {
		return none, err
	}
	if o.Exporters, err = exporters(e, *o); err != nil {
		return none, err
	}
	if err := runspec.CheckLimits(o.Resources, machine.Limits()); err != nil {
		return none, err
	}
	if err := checkAttest(*o); err != nil {
		return none, err
	}
	return caches(e, o)
}

// SettlePacking gives the request the one packing of its outputs. Build does it, too: who
// calls it before learns whether the outputs agree.
func (o *Options) SettlePacking() (err error) {
	how := o.Packing
	for _, out := range o.Outputs {
		if how, err = how.And(out.Packing); err != nil {
			return err
		}
	}
	if how == (Packing{}) {
		return nil
	}
	o.ForceCompression = how.Force
	if o.Compression, o.Level, err = how.Steps(); err != nil {
		return err
	}
	if o.Compression == "estargz" && slices.ContainsFunc(o.Outputs, func(out Output) bool { return out.DockerTypes }) {
		return errdefs.Errorf(errdefs.ErrUnsupported, "compression estargz: an annotation says where its table is, "+
			"and docker's media types have none: leave out oci-mediatypes=false")
	}
	return nil
}

// exporters makes an exporter of each output.
func exporters(e Engine, o Options) (all []export.Exporter, err error) {
	outputs := o.Outputs
	if len(outputs) == 0 {
		outputs = []Output{{Type: Image}}
	}
	var near []string
	for _, c := range slices.Concat(o.CacheFrom, o.CacheTo) {
		near = append(near, c.Ref)
	}
	for _, out := range outputs {
		if len(out.Names) == 0 {
			out.Names = o.Names
		}
		to, err := out.Exporter(e, near)
		if err != nil {
			return nil, err
		}
		all = append(all, to)
	}
	return all, nil
}

// sameExecutor gives requests whose commands have the same limits one executor.
func sameExecutor(known []*executor, x executor, req *builder.Request) []*executor {
	for _, have := range known {
		if reflect.DeepEqual(have.resources, x.resources) && have.parent == x.parent {
			req.Executor = have
			return known
		}
	}
	req.Executor = &x
	return append(known, &x)
}

// Ask answers a question about the Dockerfile of the first build, one of package
// subrequest; the others are what it may build on. An error may have an answer beside it.
func Ask(ctx context.Context, e Engine, all []Options, question string) (Answer, error) {
	b, release, err := newBuilder(ctx, e, all[0])
	if err != nil {
		return nil, err
	}
	defer release()
	reqs := make([]builder.Request, len(all))
	for i, o := range all {
		reqs[i] = o.Request
	}
	return b.Ask(ctx, reqs, question)
}

// TempDir makes a directory for what a client sends for one build. What somebody who
// is killed leaves behind goes with the next prune.
func TempDir(e Engine) (string, error) {
	if err := os.MkdirAll(e.BuildDir(), 0o700); err != nil {
		return "", errdefs.Errorf(errdefs.ErrUnavailable, "build: %w", err)
	}
	dir, err := os.MkdirTemp(e.BuildDir(), "context-"+process.Tag()+"-*")
	if err != nil {
		return "", errdefs.Errorf(errdefs.ErrUnavailable, "build: %w", err)
	}
	return dir, nil
}

// Keep returns what the last build of a client left of what it sends: what describes it. The key
// is whatever has to be the same for that.
func Keep(e Engine, key, what string) (*Kept, error) {
	return state.Open(e.BuildDir(), e.Now).Contexts().Take(key, what)
}

// newBuilder makes a builder, which is cheap; what it costs to open is shared. The
// base images that it finds are kept until release.
func newBuilder(ctx context.Context, e Engine, o Options) (b *builder.Builder, release func(), err error) {
	if err := runspec.CheckLimits(o.Resources, machine.Limits()); err != nil {
		return nil, nil, err
	}
	blobs, err := e.Content()
	if err != nil {
		return nil, nil, err
	}
	snaps, err := e.Snapshots()
	if err != nil {
		return nil, nil, err
	}
	bases, err := blobs.Lease(ctx)
	if err != nil {
		return nil, nil, err
	}
	b, err = builder.New(builder.Config{
		Content: blobs, Snapshots: snaps, Root: e.BuildDir(), Now: e.Now,
		Executor: executor{e, o.Resources, o.CgroupParent},
		Resolver: resolver{e: e, hold: bases, always: o.Pull, tell: o.PullProgress},
	})
	if err != nil {
		return nil, nil, errors.Join(err, bases.Release())
	}
	// What a lease that cannot be released holds is let go with the process.
	return b, func() { _ = bases.Release() }, nil
}

// resolver finds base images in the local store, and at their registries.
type resolver struct {
	e Engine
	// hold is the build's lease on its base images.
	hold   content.Lease
	always bool
	tell   progress.Func
}

var _ builder.Resolver = resolver{}

// Resolve implements builder.Resolver.
func (r resolver) Resolve(ctx context.Context, name string, platform ocispec.Platform) (builder.Base, error) {
	if isLayout(name) {
		return r.resolveLayout(ctx, name, platform)
	}
	store, err := r.e.Images()
	if err != nil {
		return builder.Base{}, err
	}
	if img, ok := r.here(ctx, store, name, platform); ok {
		return baseOf(name, img), nil
	}
	img, err := store.Resolve(ctx, name, images.ResolveOptions{
		PullOptions: images.PullOptions{Platform: platform, Progress: r.tell}, Always: r.always, Hold: r.hold,
	})
	if err != nil {
		return builder.Base{}, err
	}
	return baseOf(name, img), nil
}

// here finds an image whose name has a tag and a digest under the tag, if that has the
// digest here: the image of one platform, of an index that was built here, has no other
// name.
func (r resolver) here(
	ctx context.Context, store *images.Store, name string, platform ocispec.Platform,
) (img image.Image, ok bool) {
	ref, err := reference.Parse(name)
	if err != nil || ref.Digest == "" || ref.Tag == "" {
		return img, false
	}
	tagged, err := store.Get(ctx, ref.WithTag(ref.Tag).String())
	if err != nil {
		return img, false
	}
	img, err = store.Open(ctx, tagged.Target, platform)
	if err != nil || img.Descriptor.Digest != ref.Digest || r.hold.Add(ctx, img.Refs()...) != nil {
		return img, false
	}
	img.Source = tagged.Source
	return img, true
}

func baseOf(name string, img image.Image) builder.Base {
	base := builder.Base{
		Name: name, Manifest: img.Descriptor, Config: img.Config, RawConfig: img.RawConfig, Layers: img.Layers,
	}
	if ref, err := reference.Parse(name); err == nil {
		base.Name = ref.String()
	}
	return base
}

// Unpack implements builder.Resolver.
func (r resolver) Unpack(ctx context.Context, base builder.Base) error {
	return r.bring(base, func(s *images.Store, img image.Image) error { return s.Unpack(ctx, img, r.hold, r.tell) })
}

// Fetch implements builder.Resolver.
func (r resolver) Fetch(ctx context.Context, base builder.Base) error {
	return r.bring(base, func(s *images.Store, img image.Image) error { return s.Fetch(ctx, img, r.hold, r.tell) })
}

func (r resolver) bring(base builder.Base, do func(*images.Store, image.Image) error) error {
	store, err := r.e.Images()
	if err != nil {
		return err
	}
	var ref reference.Reference // none for a layout, all of which is here
	if !isLayout(base.Name) {
		if ref, err = reference.Parse(base.Name); err != nil {
			return err
		}
	}
	err = do(store, image.Image{
		Descriptor: base.Manifest, Config: base.Config, RawConfig: base.RawConfig, Layers: base.Layers, Source: ref,
	})
	if errors.Is(err, errdefs.ErrNotFound) {
		return fmt.Errorf("base image %s: %w", base.Name, err)
	}
	return err
}
