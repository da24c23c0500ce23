package failed

import (
	"context"
	"errors"

	"github.com/opencontainers/go-digest"

	"cove/builder/command"
	"cove/builder/plan"
	"cove/content"
)

// OnError is what becomes of the first RUN that fails. The zero value removes what it
// left.
type OnError struct {
	// Shell opens a terminal for a shell where the command ran, and calls open with it.
	Shell func(v *plan.Vertex, open func(Terminal) error) error
	// Saved is told the id of the image that the files are kept as; nil keeps none.
	Saved func(id digest.Digest)
}

// Handler is what the builder is to call, nil for nothing. fetch is Keep's.
func (o OnError) Handler(
	e Engine, x command.Executor, fetch func(context.Context, plan.Base, content.Lease) error,
) func(context.Context, command.Failed) error {
	if o.Shell == nil && o.Saved == nil {
		return nil
	}
	return func(ctx context.Context, f command.Failed) (err error) {
		if o.Saved != nil {
			id, kept := Keep(ctx, e, f, func(b plan.Base, hold content.Lease) error { return fetch(ctx, b, hold) })
			if err = kept; err == nil {
				o.Saved(id)
			}
		}
		if o.Shell != nil {
			err = errors.Join(err, o.Shell(f.Vertex, func(t Terminal) error { return Shell(ctx, x, f, t) }))
		}
		return err
	}
}
