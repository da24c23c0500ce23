package source

import (
	"context"
	"errors"
	"fmt"

	"cove/builder/buildctx"
	"cove/builder/plan"
	"cove/errdefs"
)

// OpenNamed opens a context that has a name: a directory, whose .dockerignore
// counts, an archive at a URL, or a git repository. Close it.
func OpenNamed(ctx context.Context, name string, src Source) (c *Context, err error) {
	c = &Context{}
	defer func() {
		if err != nil {
			c.Close()
		}
	}()
	what := "[context " + name + "] load from " + plan.ShowURL(src.Dir)
	err = src.step(what, func() error { return c.openTree(ctx, src) })
	switch {
	case err != nil:
		return c, fmt.Errorf("build context %s: %w", name, err)
	case c.Dockerfile != nil:
		return c, errdefs.Errorf(errdefs.ErrInvalid, "build context %s: %s gives no archive", name,
			plan.ShowURL(src.Dir))
	case Remote(src.Dir):
		return c, nil
	}
	text, err := c.readFile(".dockerignore", buildctx.MaxIgnore)
	if errors.Is(err, errdefs.ErrNotFound) {
		return c, nil
	}
	if err != nil {
		return c, err
	}
	ignore, err := buildctx.ParseIgnore(".dockerignore", text)
	if err == nil {
		err = c.Ignore(ignore)
	}
	return c, err
}
