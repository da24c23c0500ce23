// Package limit does many like things at once, but not more than so many.
package limit

import (
	"context"
	"iter"

	"golang.org/x/sync/errgroup"
)

// Each calls do for every item, for at most n of them at the same time, and
// returns when all calls have. The first error ends the context of the other
// calls, keeps further items from being taken, and is returned. When ctx ends
// first, its error is.
//
// The items are taken by the caller's goroutine, one after the other, so an
// iterator need not be safe for concurrent use.
func Each[T any](ctx context.Context, n int, items iter.Seq[T], do func(context.Context, T) error) error {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(max(n, 1))
	for item := range items {
		if gctx.Err() != nil {
			break
		}
		g.Go(func() error {
			// A place may have been waited for while another call failed.
			if err := gctx.Err(); err != nil {
				return err
			}
			return do(gctx, item)
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return ctx.Err()
}
