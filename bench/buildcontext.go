package main

import (
	"context"
	"path/filepath"

	"cove/bench/sources"
)

// buildContext needs the context, in $WORK/ctx.
var buildContext = need{"the build context", func(ctx context.Context, tb *testbed) error {
	if err := sources.Write(filepath.Join(tb.work, "ctx")); err != nil {
		return err
	}
	return write("single.Dockerfile", sources.Single)(ctx, tb)
}}
