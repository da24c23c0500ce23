package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/moby/profiles/seccomp"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// table lists the rows, the cheap ones first.
func table() []row {
	var rows []row
	for _, group := range [][]row{
		runtimeRows(), runRows(), apiRows(), protocolRows(), buildRows(), transferRows(), cacheRows(),
	} {
		rows = append(rows, group...)
	}
	return rows
}

// runtimes are the OCI runtimes by name, with how to call each.
var runtimes = []struct{ name, cli string }{
	{cove, "$BIN/cove-runtime --root $WORK/oci-cove"},
	{"crun", "crun --root $WORK/oci-crun"},
	{"runc", "runc --root $WORK/oci-runc"},
}

func runtimeRows() []row {
	secured := row{
		name: "runtime run /bin/true, default seccomp profile", target: within(0.35, "crun"),
		rounds: 40,
	}
	plain := row{name: "runtime run /bin/true, no seccomp", target: within(0.6, "crun"), rounds: 40}
	streak := row{
		name: "runtime run /bin/true, no seccomp, ten in a row", target: within(0.6, "crun"), rounds: 8,
		streak: 10,
		note: `crun and runc move the container's process into its control groups from outside, which takes a lock that all forks share. ` +
			`The first to take it after a pause waits for a grace period of the kernel's RCU, 8 to 20 ms; who takes it again at once does not. ` +
			`One start by itself, as people and schedulers make it, is the row without "ten in a row"; a loop of starts is this one. ` +
			`cove's process enters the groups itself, one thread alone, and never takes the lock.`,
	}
	joined := row{name: "runtime exec /bin/true", target: within(0.5, "crun"), rounds: 40}
	for _, r := range runtimes {
		sleeper := need{"a container of " + r.name, func(ctx context.Context, tb *testbed) error {
			if err := tb.prepare(ctx, bundles); err != nil {
				return err
			}
			tb.ends = append(tb.ends, run(r.cli+" delete --force sleeper-"+r.name))
			// With streams of its own: the container outlives the command.
			start := r.cli + " run --detach --bundle $WORK/sleep sleeper-" + r.name
			return shell(start+" </dev/null >/dev/null 2>&1")(ctx, tb)
		}}
		add := func(to *row, n need, do step) {
			to.in = append(to.in, contender{name: r.name, needs: []need{n}, run: do})
		}
		add(&secured, bundles, run(r.cli+" run --bundle $WORK/secured true"))
		add(&plain, bundles, run(r.cli+" run --bundle $WORK/plain true"))
		add(&streak, bundles, run(r.cli+" run --bundle $WORK/plain true"))
		add(&joined, sleeper, run(r.cli+" exec sleeper-"+r.name+" /bin/true"))
	}
	return []row{secured, plain, streak, joined}
}

// bundles needs the OCI bundles that the runtimes share.
var bundles = need{"the bundles", func(ctx context.Context, tb *testbed) error {
	return steps(
		shell("mkdir $WORK/rootfs; tar -C $WORK/rootfs -xf $CACHE/base.tar"),
		bundle("plain", false, "/bin/true"), bundle("secured", true, "/bin/true"),
		bundle("sleep", true, "/bin/sleep", "10000"),
	)(ctx, tb)
}}

// bundle writes an OCI bundle on the shared root.
func bundle(name string, withSeccomp bool, args ...string) step {
	return func(ctx context.Context, tb *testbed) error {
		dir := filepath.Join(tb.work, name)
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
		spec.Root = &specs.Root{Path: filepath.Join(tb.work, "rootfs")}
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

func runRows() []row {
	engines := []string{cove, docker, podman}
	runs := func(flags string) []contender {
		return each(engines, func(e string) contender {
			return contender{needs: []need{imported(e)}, run: run(cli(e) + " run --rm " + flags + " base /bin/true")}
		})
	}
	return []row{
		{name: "run --rm /bin/true, bridge network", target: within(0.12, docker), rounds: 15, in: runs("")},
		{
			name: "run --rm /bin/true, no network", target: within(0.10, podman), rounds: 15,
			in: runs("--network none"),
		},
		{
			name: "64 times run --rm at once, no network", target: within(0.09, docker), rounds: 3,
			cold: true, limit: 2 * time.Minute,
			in: each(engines, func(e string) contender {
				return contender{needs: []need{imported(e)}, run: shell(fmt.Sprintf(crowd, cli(e)))}
			}),
		},
	}
}
