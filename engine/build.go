package engine

import (
	"context"
	"errors"
	"fmt"
	"iter"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/builder"
	"cove/content"
	"cove/errdefs"
	"cove/images"
	"cove/images/transfer"
	"cove/reference"
)

// BuildOptions is one build.
type BuildOptions struct {
	builder.Request
	// Names are given to the image; none leaves it known by its id alone.
	Names []string
	// Pull asks the registry for the base images even if they are here.
	Pull bool
	// PullProgress is told of base images that are fetched.
	PullProgress transfer.Progress
}

// Build builds an image and names it. The names are durable when it returns.
// An instruction that failed is an error with its file and line; a program
// that failed a *builder.ExitError inside it.
func (e *Engine) Build(ctx context.Context, o BuildOptions) (*builder.Result, error) {
	if err := needRoot("building an image"); err != nil {
		return nil, err
	}
	refs := make([]string, 0, len(o.Names))
	for _, name := range o.Names {
		ref, err := reference.Parse(name)
		if err == nil && ref.Digest != "" {
			err = errdefs.Errorf(errdefs.ErrInvalid, "image name %q: a name with a digest cannot be given, the digest is what it is", name)
		}
		if err != nil {
			return nil, fmt.Errorf("-t: %w", err)
		}
		refs = append(refs, ref.String())
	}
	if len(refs) == 0 {
		refs = append(refs, "") // a dangling image
	}
	store, err := e.images()
	if err != nil {
		return nil, err
	}
	blobs, err := e.content()
	if err != nil {
		return nil, err
	}
	bases, err := blobs.Lease(ctx)
	if err != nil {
		return nil, err
	}
	defer bases.Release()
	b, err := e.newBuilder(resolver{e: e, hold: bases, always: o.Pull, progress: o.PullProgress})
	if err != nil {
		return nil, err
	}
	result, err := b.Build(ctx, o.Request)
	if err != nil {
		return nil, err
	}
	defer result.Lease.Release()
	// Blobs are durable one by one; snapshots all at once, before a name says
	// that they are there.
	snaps, err := e.snapshots()
	if err != nil {
		return nil, err
	}
	if err := snaps.Sync(); err != nil {
		return nil, err
	}
	for _, ref := range refs {
		if _, err := store.Put(ctx, ref, result.Manifest); err != nil {
			return nil, err
		}
	}
	return result, nil
}

// Check reads a build's Dockerfile and says what its author should know; it
// executes nothing.
func (e *Engine) Check(ctx context.Context, o BuildOptions) (*builder.Checked, error) {
	if err := needRoot("checking a Dockerfile"); err != nil {
		return nil, err
	}
	blobs, err := e.content()
	if err != nil {
		return nil, err
	}
	bases, err := blobs.Lease(ctx)
	if err != nil {
		return nil, err
	}
	defer bases.Release()
	b, err := e.newBuilder(resolver{e: e, hold: bases, always: o.Pull, progress: o.PullProgress})
	if err != nil {
		return nil, err
	}
	return b.Check(ctx, o.Request)
}

// newBuilder makes a builder, which is cheap; what it costs to open is shared.
func (e *Engine) newBuilder(r resolver) (*builder.Builder, error) {
	store, err := e.content()
	if err != nil {
		return nil, err
	}
	snaps, err := e.snapshots()
	if err != nil {
		return nil, err
	}
	return builder.New(builder.Config{
		Content: store, Snapshots: snaps, Resolver: r, Executor: executor{e},
		Root: e.dir("build"), Now: e.cfg.Now,
	})
}

// cacheRoots visits what the build cache refers to.
func (e *Engine) cacheRoots(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		b, err := e.newBuilder(resolver{e: e})
		if err != nil {
			yield("", err)
			return
		}
		for ref, err := range b.Roots(ctx) {
			if !yield(ref, err) {
				return
			}
		}
	}
}

// resolver finds base images in the local store, and at their registries.
type resolver struct {
	e *Engine
	// hold is the build's lease on its base images.
	hold     content.Lease
	always   bool
	progress transfer.Progress
}

var _ builder.Resolver = resolver{}

// Resolve implements builder.Resolver.
func (r resolver) Resolve(ctx context.Context, name string, platform ocispec.Platform) (builder.Base, error) {
	store, err := r.e.images()
	if err != nil {
		return builder.Base{}, err
	}
	img, err := store.Resolve(ctx, name, images.ResolveOptions{
		PullOptions: images.PullOptions{Platform: platform, Progress: r.progress}, Always: r.always, Hold: r.hold,
	})
	if err != nil {
		return builder.Base{}, err
	}
	return baseOf(name, img), nil
}

func baseOf(name string, img images.Image) builder.Base {
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
	store, err := r.e.images()
	if err != nil {
		return err
	}
	ref, err := reference.Parse(base.Name)
	if err != nil {
		return err
	}
	img := images.Image{
		Descriptor: base.Manifest, Config: base.Config, RawConfig: base.RawConfig, Layers: base.Layers, Source: ref,
	}
	err = store.Unpack(ctx, img, r.hold, r.progress)
	if errors.Is(err, errdefs.ErrNotFound) {
		return fmt.Errorf("base image %s: %w", ref.Familiar(), err)
	}
	return err
}
