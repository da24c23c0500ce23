package building

import (
	"context"
	"path/filepath"

	"cove/bench/lab"
	"cove/bench/sources"
)

// buildContext needs the context, in $WORK/ctx.
var buildContext = lab.Need{Name: "the build context", Do: func(ctx context.Context, l *lab.Lab) error {
	if err := sources.Write(filepath.Join(l.Work, "ctx")); err != nil {
		return err
	}
	return lab.Write("single.Dockerfile", sources.Single)(ctx, l)
}}
