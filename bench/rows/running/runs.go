// Package running is the rows of containers.
package running

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"cove/bench/lab"
	"cove/bench/peers"

	"github.com/moby/profiles/seccomp"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// Rows are those of the runtime, of the engine, of what is waited for in the life of a
// container, and of docker's API over it.
func Rows() []lab.Row {
	return slices.Concat(runtimeRows(), runRows(), lifeRows(), apiRows())
}

// runtimes are the OCI runtimes by name, with how to call each.
var runtimes = []struct{ name, cli string }{
	{peers.Cove, "$BIN/cove-runtime --root $WORK/oci-cove"},
	{"crun", "crun --root $WORK/oci-crun"},
	{"runc", "runc --root $WORK/oci-runc"},
}

func runtimeRows() []lab.Row {
	secured := lab.Row{
		Name: "runtime run /bin/true, default seccomp profile", Target: lab.Within(0.35, "crun"),
		Rounds: 40,
	}
	plain := lab.Row{Name: "runtime run /bin/true, no seccomp", Target: lab.Within(0.6, "crun"), Rounds: 40}
	streak := lab.Row{
		Name: "runtime run /bin/true, no seccomp, ten in a row", Target: lab.Within(0.6, "crun"), Rounds: 8,
		Streak: 10,
		Note: `crun and runc move the container's process into its control groups from outside, which takes a lock that all forks share. ` +
			`The first to take it after a pause waits for a grace period of the kernel's RCU, 8 to 20 ms; who takes it again at once does not. ` +
			`One start by itself, as people and schedulers make it, is the row without "ten in a row"; a loop of starts is this one. ` +
			`cove's process enters the groups itself, one thread alone, and never takes the lock.`,
	}
	joined := lab.Row{Name: "runtime exec /bin/true", Target: lab.Within(0.5, "crun"), Rounds: 40}
	for _, r := range runtimes {
		sleeper := lab.Need{Name: "a container of " + r.name, Do: func(ctx context.Context, l *lab.Lab) error {
			if err := l.Prepare(ctx, bundles); err != nil {
				return err
			}
			l.AtEnd(lab.Run(r.cli + " delete --force sleeper-" + r.name))
			// With streams of its own: the container outlives the command.
			start := r.cli + " run --detach --bundle $WORK/sleep sleeper-" + r.name
			return lab.Shell(start+" </dev/null >/dev/null 2>&1")(ctx, l)
		}}
		add := func(to *lab.Row, n lab.Need, do lab.Step) {
			to.In = append(to.In, lab.Contender{Name: r.name, Needs: []lab.Need{n}, Run: do})
		}
		add(&secured, bundles, lab.Run(r.cli+" run --bundle $WORK/secured true"))
		add(&plain, bundles, lab.Run(r.cli+" run --bundle $WORK/plain true"))
		add(&streak, bundles, lab.Run(r.cli+" run --bundle $WORK/plain true"))
		add(&joined, sleeper, lab.Run(r.cli+" exec sleeper-"+r.name+" /bin/true"))
	}
	for _, r := range []*lab.Row{&plain, &streak, &joined} {
		r.In = append(r.In, lab.Contender{Name: "a Go program that does nothing", Run: lab.Run(nothing)})
	}
	return []lab.Row{secured, plain, streak, joined}
}

// nothing starts a program that does nothing (bench/nothing): the floor of what is written in Go.
const nothing = "$CACHE/nothing"

// bundles needs the OCI bundles that the runtimes share.
var bundles = lab.Need{Name: "the bundles", Do: func(ctx context.Context, l *lab.Lab) error {
	return lab.Steps(
		lab.Shell("mkdir $WORK/rootfs; tar -C $WORK/rootfs -xf $CACHE/base.tar"),
		bundle("plain", false, "/bin/true"), bundle("secured", true, "/bin/true"),
		bundle("sleep", true, "/bin/sleep", "10000"),
	)(ctx, l)
}}

// bundle writes an OCI bundle on the shared root.
func bundle(name string, withSeccomp bool, args ...string) lab.Step {
	return func(ctx context.Context, l *lab.Lab) error {
		dir := filepath.Join(l.Work, name)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		if err := exec.CommandContext(ctx, "runc", "spec", "--bundle", dir).Run(); err != nil {
			return fmt.Errorf("runc spec: %w", err)
		}
		path := filepath.Join(dir, "config.json")
		body, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		var spec specs.Spec
		if err := json.Unmarshal(body, &spec); err != nil {
			return err
		}
		spec.Process.Terminal, spec.Process.Rlimits = false, nil
		spec.Process.Args = args
		spec.Root = &specs.Root{Path: filepath.Join(l.Work, "rootfs")}
		if withSeccomp {
			if spec.Linux.Seccomp, err = seccomp.GetDefaultProfile(&spec); err != nil {
				return err
			}
		}
		body, err = json.Marshal(spec)
		return errors.Join(err, os.WriteFile(path, body, 0o644))
	}
}

// crowd starts 64 containers at once and fails if one of them does.
const crowd = `pids=; for i in $(seq 64); do %s run --rm --network none base /bin/true & pids="$pids $!"; done; for p in $pids; do wait $p; done`

func runRows() []lab.Row {
	engines := []string{peers.Cove, peers.Docker, peers.Podman}
	runs := func(flags string) []lab.Contender {
		return peers.Each(engines, func(e string) lab.Contender {
			do := lab.Run(peers.CLI(e) + " run --rm " + flags + " base /bin/true")
			return lab.Contender{Needs: []lab.Need{peers.Imported(e)}, Run: do}
		})
	}
	return []lab.Row{
		{Name: "run --rm /bin/true, bridge network", Target: lab.Within(0.12, peers.Docker), Rounds: 15, In: runs("")},
		{
			Name: "run --rm /bin/true, no network", Target: lab.Within(0.10, peers.Podman), Rounds: 15,
			In: append(runs("--network none"), lab.Contender{
				Name: "two Go programs that do nothing", Run: lab.Steps(lab.Run(nothing), lab.Run(nothing)),
			}),
			Note: "two programs of cove start, one after the other: the command, and the monitor of the container.",
		},
		{
			Name: "64 times run --rm at once, no network", Target: lab.Within(0.09, peers.Docker), Rounds: 3,
			Cold: true, Limit: 2 * time.Minute,
			In: peers.Each(engines, func(e string) lab.Contender {
				do := lab.Shell(fmt.Sprintf(crowd, peers.CLI(e)))
				return lab.Contender{Needs: []lab.Need{peers.Imported(e)}, Run: do}
			}),
		},
	}
}
