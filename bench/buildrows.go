package main

import (
	"context"
	"fmt"
	"time"

	"cove/bench/figures"
)

// The builders. podman's is buildah, and the two share their stores.
const (
	buildah  = "buildah"
	buildkit = "BuildKit"
)

// buildLimit is for one build of the slowest.
const buildLimit = 3 * time.Minute

// builder makes the image big from a directory.
type builder struct {
	name  string
	needs []need
	// line builds from a directory, in the store that rows share.
	line string
	// cold builds where empty has left nothing but the base image.
	cold  string
	empty step
	// push, after cold, sends the image to the registry $TARGET.
	push string
}

const (
	buildahFlags = " build -q --layers --isolation oci --ulimit nofile=1024:4096 -t big "
	buildctlLine = "$BUILDCTL build --progress plain --frontend dockerfile.v0 --oci-layout base=$WORK/base-oci --opt context:base=$BASE --local dockerfile=$WORK/ctx --local context="
)

var builders = []builder{
	{
		name: cove, needs: []need{imported(cove), buildContext},
		line: "$COVE build -q -t big ", cold: "$COVE_SPARE build -q -t big ",
		empty: steps(emptied(cove), run("$COVE_SPARE import $CACHE/base.tar base")),
		push:  "$COVE_SPARE tag big $TARGET/cove; $COVE_SPARE push -q $TARGET/cove",
	},
	{
		name: buildah, needs: []need{imported(podman), buildContext},
		line: "$BUILDAH" + buildahFlags, cold: "$BUILDAH_SPARE" + buildahFlags,
		empty: steps(emptied(podman), run("$PODMAN_SPARE import $CACHE/base.tar base")),
		push:  "$BUILDAH_SPARE push -q --tls-verify=false big docker://$TARGET/buildah",
	},
	{
		name: docker, needs: []need{imported(docker), buildContext},
		line: "$DOCKER build -q -t big ", cold: "$DOCKER_SPARE build -q -t big ",
		empty: steps(emptied(docker), run("$DOCKER_SPARE import $CACHE/base.tar base")),
		push:  "$DOCKER_SPARE tag big $TARGET/docker; $DOCKER_SPARE push -q $TARGET/docker",
	},
}

// withBuildKit adds BuildKit, which knows no images but what a build names: it
// goes by its own output.
func withBuildKit(in []contender, before step, line string) []contender {
	return append(in, contender{name: buildkit, needs: []need{buildContext, buildkitd}, before: before, run: run(line)})
}

// fresh copies the context: the same files, with new inodes and times.
var fresh = shell("rm -rf $WORK/fresh; cp -r $WORK/ctx $WORK/fresh")

func buildRows() []row {
	const image = " --output type=image,name=big"
	cold := row{
		name: "cold build: three stages, COPYs of 150 and 311 MB", target: within(0.4, ""), rounds: 2, cold: true,
		limit: buildLimit,
		after: emptySpares,
	}
	warm := row{name: "warm rebuild, nothing changed", target: figures.Target{Most: 200}, rounds: 5, limit: buildLimit}
	copied := row{
		name: "rebuild after a fresh copy of the context", target: figures.Target{Most: 1000}, rounds: 3,
		limit: buildLimit,
	}
	both := row{
		name: "cold build and push", target: within(0.4, ""), rounds: 2, cold: true, limit: buildLimit,
		after: emptySpares,
	}
	for _, b := range builders {
		add := func(to *row, before step, line string) {
			to.in = append(to.in, contender{name: b.name, needs: b.needs, before: before, run: shell(line)})
		}
		add(&cold, b.empty, b.cold+"$WORK/ctx")
		add(&warm, nil, b.line+"$WORK/ctx")
		add(&copied, fresh, b.line+"$WORK/fresh")
		add(&both, steps(b.empty, newTarget), b.cold+"$WORK/ctx; "+b.push)
	}
	pruned := shell("$BUILDCTL prune --all >/dev/null")
	cold.in = withBuildKit(cold.in, pruned, buildctlLine+"$WORK/ctx"+image)
	warm.in = withBuildKit(warm.in, nil, buildctlLine+"$WORK/ctx"+image)
	copied.in = withBuildKit(copied.in, fresh, buildctlLine+"$WORK/fresh"+image)
	both.in = withBuildKit(both.in, steps(pruned, newTarget),
		buildctlLine+"$WORK/ctx --output type=image,name=$TARGET/buildkit,push=true,registry.insecure=true")
	return []row{cold, warm, copied, both}
}

// built needs the image big in the store that rows share.
func built(engine string) need {
	return need{"image built by " + engine, func(ctx context.Context, tb *testbed) error {
		for _, b := range builders {
			if b.name == engine || b.name == buildah && engine == podman {
				if err := tb.prepare(ctx, b.needs...); err != nil {
					return err
				}
				return run(b.line+"$WORK/ctx")(ctx, tb)
			}
		}
		return fmt.Errorf("%s builds nothing", engine)
	}}
}

// emptySpares frees the spare stores of those engines that were used.
func emptySpares(ctx context.Context, tb *testbed) error {
	for _, e := range []string{cove, podman, docker} {
		if err, tried := tb.prepared[ready(e).name]; tried && err == nil {
			if err := emptied(e)(ctx, tb); err != nil {
				return err
			}
		}
	}
	return nil
}
