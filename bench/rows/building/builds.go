// Package building is the rows of builds, of moving what was built, and of caches.
package building

import (
	"context"
	"fmt"
	"slices"
	"time"

	"cove/bench/figures"
	"cove/bench/lab"
	"cove/bench/peers"
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
	needs []lab.Need
	// line builds from a directory, in the store that rows share.
	line string
	// cold builds where empty has left nothing but the base image.
	cold  string
	empty lab.Step
	// push, after cold, sends the image to the registry $TARGET.
	push string
}

const (
	buildahFlags = " build -q --layers --isolation oci --ulimit nofile=1024:4096 -t big "
	buildctlLine = "$BUILDCTL build --progress plain --frontend dockerfile.v0 --oci-layout base=$WORK/base-oci --opt context:base=$BASE --local dockerfile=$WORK/ctx --local context="
)

var builders = []builder{
	{
		name: peers.Cove, needs: []lab.Need{peers.Imported(peers.Cove), buildContext},
		line: "$COVE build -q -t big ", cold: "$COVE_SPARE build -q -t big ",
		empty: lab.Steps(peers.Emptied(peers.Cove), lab.Run("$COVE_SPARE import $CACHE/base.tar base")),
		push:  "$COVE_SPARE tag big $TARGET/cove; $COVE_SPARE push -q $TARGET/cove",
	},
	{
		name: buildah, needs: []lab.Need{peers.Imported(peers.Podman), buildContext},
		line: "$BUILDAH" + buildahFlags, cold: "$BUILDAH_SPARE" + buildahFlags,
		empty: lab.Steps(peers.Emptied(peers.Podman), lab.Run("$PODMAN_SPARE import $CACHE/base.tar base")),
		push:  "$BUILDAH_SPARE push -q --tls-verify=false big docker://$TARGET/buildah",
	},
	{
		name: peers.Docker, needs: []lab.Need{peers.Imported(peers.Docker), buildContext},
		line: "$DOCKER build -q -t big ", cold: "$DOCKER_SPARE build -q -t big ",
		empty: lab.Steps(peers.Emptied(peers.Docker), lab.Run("$DOCKER_SPARE import $CACHE/base.tar base")),
		push:  "$DOCKER_SPARE tag big $TARGET/docker; $DOCKER_SPARE push -q $TARGET/docker",
	},
}

// withBuildKit adds BuildKit, which knows no images but what a build names: it
// goes by its own output.
func withBuildKit(in []lab.Contender, before lab.Step, line string) []lab.Contender {
	needs := []lab.Need{buildContext, peers.BuildKit}
	return append(in, lab.Contender{Name: buildkit, Needs: needs, Before: before, Run: lab.Run(line)})
}

// fresh copies the context: the same files, with new inodes and times.
var fresh = lab.Shell("rm -rf $WORK/fresh; cp -r $WORK/ctx $WORK/fresh")

// Rows are builds, transfers of what was built, and caches.
func Rows() []lab.Row {
	return slices.Concat(buildRows(), transferRows(), cacheRows())
}

func buildRows() []lab.Row {
	const image = " --output type=image,name=big"
	cold := lab.Row{
		Name: "cold build: three stages, COPYs of 150 and 311 MB", Target: lab.Within(0.4, ""), Rounds: 2, Cold: true,
		Limit: buildLimit,
		After: peers.EmptySpares,
	}
	warm := lab.Row{
		Name: "warm rebuild, nothing changed", Target: figures.Target{Most: 200}, Rounds: 5,
		Limit: buildLimit,
	}
	copied := lab.Row{
		Name: "rebuild after a fresh copy of the context", Target: figures.Target{Most: 1000}, Rounds: 3,
		Limit: buildLimit,
	}
	both := lab.Row{
		Name: "cold build and push", Target: lab.Within(0.4, ""), Rounds: 2, Cold: true, Limit: buildLimit,
		After: peers.EmptySpares,
	}
	for _, b := range builders {
		add := func(to *lab.Row, before lab.Step, line string) {
			to.In = append(to.In, lab.Contender{Name: b.name, Needs: b.needs, Before: before, Run: lab.Shell(line)})
		}
		add(&cold, b.empty, b.cold+"$WORK/ctx")
		add(&warm, nil, b.line+"$WORK/ctx")
		add(&copied, fresh, b.line+"$WORK/fresh")
		add(&both, lab.Steps(b.empty, peers.NewTarget), b.cold+"$WORK/ctx; "+b.push)
	}
	pruned := lab.Shell("$BUILDCTL prune --all >/dev/null")
	cold.In = withBuildKit(cold.In, pruned, buildctlLine+"$WORK/ctx"+image)
	warm.In = withBuildKit(warm.In, nil, buildctlLine+"$WORK/ctx"+image)
	copied.In = withBuildKit(copied.In, fresh, buildctlLine+"$WORK/fresh"+image)
	both.In = withBuildKit(both.In, lab.Steps(pruned, peers.NewTarget),
		buildctlLine+"$WORK/ctx --output type=image,name=$TARGET/buildkit,push=true,registry.insecure=true")
	return []lab.Row{cold, warm, copied, both}
}

// built needs the image big in the store that rows share.
func built(engine string) lab.Need {
	return lab.Need{Name: "image built by " + engine, Do: func(ctx context.Context, l *lab.Lab) error {
		for _, b := range builders {
			if b.name == engine || b.name == buildah && engine == peers.Podman {
				if err := l.Prepare(ctx, b.needs...); err != nil {
					return err
				}
				return lab.Run(b.line+"$WORK/ctx")(ctx, l)
			}
		}
		return fmt.Errorf("%s builds nothing", engine)
	}}
}
