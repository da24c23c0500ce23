package main

import (
	"context"
	"fmt"
	"strings"

	"cove/bench/figures"
	"cove/bench/machine"
	"cove/bench/sources"
)

// small needs Dockerfiles that read nothing, in $WORK/small.
var small = need{"Dockerfiles of many stages and steps", func(_ context.Context, tb *testbed) error {
	return sources.WriteSmall(tb.work + "/small")
}}

// byBuildctl builds $WORK/small by a Dockerfile of it with BuildKit.
func byBuildctl(name string) string {
	return strings.ReplaceAll(buildctlLine, "$WORK/ctx", "$WORK/small") + "$WORK/small --opt filename=" + name +
		" --output type=image,name=small"
}

// largeLayer is how many bytes the layer of the last row has.
const largeLayer = 5 << 30

// cacheRows are builds whose cost is that of their steps, and caches at a registry.
func cacheRows() []row {
	local := []need{imported(cove), small}
	kit := []need{buildkitd, small}
	pruned := shell("$BUILDCTL prune --all >/dev/null")
	stages := row{
		name: "100 independent stages, cold", target: within(0.3, ""), rounds: 2, cold: true, limit: buildLimit,
	}
	stages.in = []contender{
		{
			name: cove, needs: local, before: builders[0].empty,
			run: run("$COVE_SPARE build -q -f $WORK/small/stages $WORK/small"),
		},
		{name: buildkit, needs: kit, before: pruned, run: run(byBuildctl("stages"))},
	}
	warm := row{name: "1,000 instructions, warm", target: figures.Target{Most: 500}, rounds: 3, limit: buildLimit}
	warm.in = []contender{
		{name: cove, needs: local, run: run("$COVE build -q -f $WORK/small/steps $WORK/small")},
		{name: buildkit, needs: kit, run: run(byBuildctl("steps"))},
	}
	to := row{
		name: "cold build, its cache to a registry", target: within(0.4, ""), rounds: 1, cold: true, limit: buildLimit,
	}
	from := row{
		name: "build on a second root, all from that cache", target: within(0.4, ""), rounds: 2, cold: true,
		limit: buildLimit,
	}
	const kitImage = "$WORK/ctx --output type=image,name=big "
	for _, c := range []struct {
		name         string
		needs        []need
		empty        step
		export, read string
	}{
		{
			cove,
			[]need{imported(cove), buildContext},
			builders[0].empty,
			"$COVE_SPARE build -q --cache-to type=registry,ref=$TARGET/cache,mode=max $WORK/ctx",
			"$COVE_SPARE build -q --cache-from $TARGET/cache $WORK/ctx",
		},
		{
			buildkit,
			[]need{buildkitd, buildContext},
			pruned,
			buildctlLine + kitImage + "--export-cache type=registry,ref=$TARGET/cache,mode=max,registry.insecure=true",
			buildctlLine + kitImage + "--import-cache type=registry,ref=$TARGET/cache,registry.insecure=true",
		},
	} {
		to.in = append(to.in, contender{
			name: c.name, needs: c.needs, before: steps(c.empty, newTarget), run: run(c.export),
		})
		from.in = append(from.in, contender{
			name: c.name, needs: c.needs, before: steps(c.empty, newTarget, run(c.export), c.empty), run: run(c.read),
		})
	}
	to.after, from.after = emptySpares, emptySpares
	return []row{stages, warm, to, from, memoryRow()}
}

// memoryRow says what one large layer takes.
func memoryRow() row {
	return row{
		name: "a layer of 5 GiB: memory", target: figures.Target{Most: 200}, rounds: 1, cold: true, unit: "MB",
		limit: 2 * buildLimit, after: shell("rm -rf $DISK/large $DISK/large-root"),
		in: []contender{{name: cove, value: largeMemory}},
	}
}

// largeMemory is the most that a build of one large file takes, in MB. It is made on the
// disk: memory may be where the other rows are.
func largeMemory(ctx context.Context, tb *testbed) (float64, error) {
	err := shell(fmt.Sprintf("mkdir -p $DISK/large; printf 'FROM scratch\\nCOPY file /\\n' >$DISK/large/Dockerfile; "+
		"yes 'a line of a file that is large' | head -c %d >$DISK/large/file", largeLayer))(ctx, tb)
	if err != nil {
		return 0, err
	}
	return machine.Peak(tb.in(ctx, "sh", "-c", "exec $BIN/cove --root $DISK/large-root build -q $DISK/large"))
}
