package content

import (
	"context"

	"github.com/opencontainers/go-digest"
)

type expectedKey struct{}

// WithExpected tells the Ingester.Begin of the context what the write will be committed
// under, for a store that puts bytes where they belong as they come, and need not copy
// them there at the end. The bytes are checked all the same, and a commit under another
// digest fails. It travels in the context so that what is around a store need not know
// of it.
func WithExpected(ctx context.Context, dgst digest.Digest) context.Context {
	return context.WithValue(ctx, expectedKey{}, dgst)
}

// Expected is what WithExpected was given; "" without it.
func Expected(ctx context.Context) digest.Digest {
	dgst, _ := ctx.Value(expectedKey{}).(digest.Digest)
	return dgst
}
