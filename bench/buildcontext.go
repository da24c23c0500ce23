package main

import (
	"context"
	"os"
	"path/filepath"

	"cove/bench/sources"
)

// buildContext needs the context, in $WORK/ctx.
var buildContext = need{"the build context", func(ctx context.Context, tb *testbed) error {
	dir := filepath.Join(tb.work, "ctx")
	if err := sources.Write(dir); err != nil {
		return err
	}
	if err := write("single.Dockerfile", sources.Single)(ctx, tb); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(sources.Dockerfile), 0o644)
}}
