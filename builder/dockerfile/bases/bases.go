// Package bases asks for the images that a Dockerfile names: each once, and ahead of need,
// so that several registries are asked at once.
package bases

import (
	"context"
	"encoding/json"
	"sync"

	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/builder/plan"
	"cove/errdefs"
	"cove/internal/platforms"
)

// ResolveFunc finds a base image. It must be safe for concurrent use.
type ResolveFunc func(ctx context.Context, name string, platform ocispec.Platform) (plan.Base, error)

// Resolver asks for each image once, ahead of need.
type Resolver struct {
	ctx     context.Context //nolint:containedctx // ends with the one call of Plan that the resolver lives for
	cancel  context.CancelFunc
	resolve ResolveFunc

	mu    sync.Mutex
	calls map[string]*call
	wg    sync.WaitGroup
}

type call struct {
	done chan struct{}
	base plan.Base
	err  error
}

// NewResolver begins; Close must end it.
func NewResolver(ctx context.Context, resolve ResolveFunc) *Resolver {
	ctx, cancel := context.WithCancel(ctx)
	return &Resolver{ctx: ctx, cancel: cancel, resolve: resolve, calls: map[string]*call{}}
}

// Context is the one that images are asked for with; it ends with Close.
func (r *Resolver) Context() context.Context { return r.ctx }

// Start begins to resolve an image, unless that has begun.
func (r *Resolver) Start(name string, platform ocispec.Platform) { r.begin(name, platform) }

func (r *Resolver) begin(name string, platform ocispec.Platform) *call {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := name + " " + platforms.Format(platform)
	if call, ok := r.calls[key]; ok {
		return call
	}
	call := &call{done: make(chan struct{})}
	r.calls[key] = call
	r.wg.Go(func() {
		defer close(call.done)
		call.base, call.err = r.resolve(r.ctx, name, platform)
	})
	return call
}

// Get resolves an image.
func (r *Resolver) Get(name string, platform ocispec.Platform) (plan.Base, error) {
	call := r.begin(name, platform)
	<-call.done
	return call.base, call.err
}

// Close ends what is under way and waits for it.
func (r *Resolver) Close() {
	r.cancel()
	r.wg.Wait()
}

// Config reads a base's config with docker's fields.
func Config(b plan.Base) (plan.Config, error) {
	if len(b.RawConfig) == 0 {
		return plan.Config{ImageConfig: b.Config.Config}, nil
	}
	var img dockerspec.DockerOCIImage
	if err := json.Unmarshal(b.RawConfig, &img); err != nil {
		return plan.Config{}, errdefs.Errorf(errdefs.ErrCorrupt, "image %s: config: %w", b.Name, err)
	}
	return img.Config, nil
}
