package dockerfile

import (
	"context"
	"strconv"
	"strings"
	"sync"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/builder/plan"
	"cove/internal/platforms"
)

// scratch is the name of no image.
const scratch = "scratch"

// resolver asks for each image once, ahead of need.
type resolver struct {
	ctx     context.Context //nolint:containedctx // ends with the one call of Plan that the resolver lives for
	cancel  context.CancelFunc
	resolve ResolveFunc
	opt     Options // whose contexts stand for images

	mu    sync.Mutex
	calls map[string]*baseCall
	wg    sync.WaitGroup
}

type baseCall struct {
	done chan struct{}
	base plan.Base
	err  error
}

func newResolver(ctx context.Context, opt Options) *resolver {
	ctx, cancel := context.WithCancel(ctx)
	return &resolver{ctx: ctx, cancel: cancel, resolve: opt.Resolve, opt: opt, calls: map[string]*baseCall{}}
}

// start begins to resolve an image, unless that has begun.
func (r *resolver) start(name string, platform ocispec.Platform) *baseCall {
	if _, given, ok := r.opt.named(name, platform); ok && given.Image != "" {
		name = given.Image
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	key := name + " " + platforms.Format(platform)
	if call, ok := r.calls[key]; ok {
		return call
	}
	call := &baseCall{done: make(chan struct{})}
	r.calls[key] = call
	r.wg.Go(func() {
		defer close(call.done)
		call.base, call.err = r.resolve(r.ctx, name, platform)
	})
	return call
}

// get resolves an image.
func (r *resolver) get(name string, platform ocispec.Platform) (plan.Base, error) {
	call := r.start(name, platform)
	<-call.done
	return call.base, call.err
}

// close ends what is under way and waits for it.
func (r *resolver) close() {
	r.cancel()
	r.wg.Wait()
}

// prefetch starts to resolve every image that the stage needs, so that several
// registries are asked at once. What ONBUILD adds is found later.
func (c *converter) prefetch(st *stage, seen map[*stage]bool) {
	if seen[st] {
		return
	}
	seen[st] = true
	switch {
	case st.base != nil:
		c.prefetch(st.base, seen)
	case st.image != scratch:
		c.images.start(st.image, st.platform)
	}
	for _, name := range froms(st.Commands) {
		if other, err := c.stageNamed(name, st); err == nil && other != nil {
			c.prefetch(other, seen)
		} else if _, ctx, given := c.opt.named(name, c.opt.Platform); err == nil && name != scratch &&
			(!given || ctx.Image != "") {
			c.images.start(name, c.opt.Platform)
		}
	}
}

// froms lists the stages and images that commands read from.
func froms(cmds []instructions.Command) []string {
	var names []string
	for _, cmd := range cmds {
		switch cmd := cmd.(type) {
		case *instructions.CopyCommand:
			if cmd.From != "" {
				names = append(names, cmd.From)
			}
		case *instructions.RunCommand:
			for _, m := range instructions.GetMounts(cmd) {
				if m.From != "" {
					names = append(names, m.From)
				}
			}
		}
	}
	return names
}

// stageNamed finds the stage that a from= names: by name or number, and before
// the stage that asks. No stage and no error means an image.
func (c *converter) stageNamed(name string, asking *stage) (*stage, error) {
	st, ok := c.byName[strings.ToLower(name)]
	if !ok {
		i, err := strconv.Atoi(name)
		if err != nil {
			return nil, nil //nolint:nilerr // not a number: the name of an image
		}
		if i < 0 || i >= len(c.stages) {
			return nil, invalid("there is no stage %d; the stages are numbered from 0 to %d", i, len(c.stages)-1)
		}
		st = c.stages[i]
	}
	if st.index >= asking.index {
		return nil, invalid("stage %q must stand before the stage that copies from it", name)
	}
	return st, nil
}
