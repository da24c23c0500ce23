package main

import (
	"context"
	"os"
	"path/filepath"

	"cove/bench/sources"
)

// dockerfile has three stages of which two are independent, large COPYs from
// the context and from stages, and a RUN in each stage.
const dockerfile = `FROM base AS one
COPY src /src
RUN find /src -type f | wc -l > /count
FROM base AS two
COPY . /all
RUN ls -R /all > /list
FROM base
COPY --from=one /src /usr/local/src
COPY --from=two /all /usr/local/all
RUN touch /done
`

// single is an image of one large layer.
const single = `FROM scratch
COPY . /
`

// buildContext needs the context, in $WORK/ctx.
var buildContext = need{"the build context", func(ctx context.Context, tb *testbed) error {
	dir := filepath.Join(tb.work, "ctx")
	if err := sources.Write(dir); err != nil {
		return err
	}
	if err := write("single.Dockerfile", single)(ctx, tb); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(dockerfile), 0o644)
}}
