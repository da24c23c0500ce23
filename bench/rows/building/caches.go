package building

import (
	"context"
	"fmt"
	"strings"

	"cove/bench/figures"
	"cove/bench/lab"
	"cove/bench/machine"
	"cove/bench/peers"
	"cove/bench/sources"
)

// small needs Dockerfiles that read nothing, in $WORK/small.
var small = lab.Need{Name: "Dockerfiles of many stages and steps", Do: func(_ context.Context, l *lab.Lab) error {
	return sources.WriteSmall(l.Work + "/small")
}}

// byBuildctl builds $WORK/small by a Dockerfile of it with BuildKit.
func byBuildctl(name string) string {
	return strings.ReplaceAll(buildctlLine, "$WORK/ctx", "$WORK/small") + "$WORK/small --opt filename=" + name +
		" --output type=image,name=small"
}

// largeLayer is how many bytes the layer of the last row has.
const largeLayer = 5 << 30

// cacheRows are builds whose cost is that of their steps, and caches at a registry.
func cacheRows() []lab.Row {
	local := []lab.Need{peers.Imported(peers.Cove), small}
	kit := []lab.Need{peers.BuildKit, small}
	pruned := lab.Shell("$BUILDCTL prune --all >/dev/null")
	stages := lab.Row{
		Name: "100 independent stages, cold", Target: lab.Within(0.3, ""), Rounds: 2, Cold: true, Limit: buildLimit,
	}
	stages.In = []lab.Contender{
		{
			Name: peers.Cove, Needs: local, Before: builders[0].empty,
			Run: lab.Run("$COVE_SPARE build -q -f $WORK/small/stages $WORK/small"),
		},
		{Name: buildkit, Needs: kit, Before: pruned, Run: lab.Run(byBuildctl("stages"))},
	}
	warm := lab.Row{Name: "1,000 instructions, warm", Target: figures.Target{Most: 500}, Rounds: 3, Limit: buildLimit}
	warm.In = []lab.Contender{
		{Name: peers.Cove, Needs: local, Run: lab.Run("$COVE build -q -f $WORK/small/steps $WORK/small")},
		{Name: buildkit, Needs: kit, Run: lab.Run(byBuildctl("steps"))},
	}
	to := lab.Row{
		Name: "cold build, its cache to a registry", Target: lab.Within(0.4, ""), Rounds: 1, Cold: true,
		Limit: buildLimit,
	}
	from := lab.Row{
		Name: "build on a second root, all from that cache", Target: lab.Within(0.4, ""), Rounds: 2, Cold: true,
		Limit: buildLimit,
	}
	const kitImage = "$WORK/ctx --output type=image,name=big "
	for _, c := range []struct {
		name         string
		needs        []lab.Need
		empty        lab.Step
		export, read string
	}{
		{
			peers.Cove,
			[]lab.Need{peers.Imported(peers.Cove), buildContext},
			builders[0].empty,
			"$COVE_SPARE build -q --cache-to type=registry,ref=$TARGET/cache,mode=max $WORK/ctx",
			"$COVE_SPARE build -q --cache-from $TARGET/cache $WORK/ctx",
		},
		{
			buildkit,
			[]lab.Need{peers.BuildKit, buildContext},
			pruned,
			buildctlLine + kitImage + "--export-cache type=registry,ref=$TARGET/cache,mode=max,registry.insecure=true",
			buildctlLine + kitImage + "--import-cache type=registry,ref=$TARGET/cache,registry.insecure=true",
		},
	} {
		to.In = append(to.In, lab.Contender{
			Name: c.name, Needs: c.needs, Before: lab.Steps(c.empty, peers.NewTarget), Run: lab.Run(c.export),
		})
		from.In = append(from.In, lab.Contender{
			Name: c.name, Needs: c.needs, Run: lab.Run(c.read),
			Before: lab.Steps(c.empty, peers.NewTarget, lab.Run(c.export), c.empty),
		})
	}
	to.After, from.After = peers.EmptySpares, peers.EmptySpares
	return []lab.Row{stages, warm, to, from, memoryRow()}
}

// memoryRow says what one large layer takes.
func memoryRow() lab.Row {
	return lab.Row{
		Name: "a layer of 5 GiB: memory", Target: figures.Target{Most: 200}, Rounds: 1, Cold: true, Unit: "MB",
		Limit: 2 * buildLimit, After: lab.Shell("rm -rf $DISK/large $DISK/large-root"),
		In: []lab.Contender{{Name: peers.Cove, Value: largeMemory}},
	}
}

// largeMemory is the most that a build of one large file takes, in MB. It is made on the
// disk: memory may be where the other rows are.
func largeMemory(ctx context.Context, l *lab.Lab) (float64, error) {
	err := lab.Shell(fmt.Sprintf("mkdir -p $DISK/large; printf 'FROM scratch\\nCOPY file /\\n' >$DISK/large/Dockerfile; "+
		"yes 'a line of a file that is large' | head -c %d >$DISK/large/file", largeLayer))(ctx, l)
	if err != nil {
		return 0, err
	}
	return machine.Peak(l.In(ctx, "sh", "-c", "exec $BIN/cove --root $DISK/large-root build -q $DISK/large"))
}
