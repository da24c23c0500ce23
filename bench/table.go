package main

import (
	"context"
)

// table lists the rows. cove comes first in each.
func table() []row {
	rows := append(runtimeRows(), engineRows()...)
	rows = append(rows, buildRows()...)
	return append(rows, registryRows()...)
}

func runtimeRow(name, target, verb, bundleDir string) row {
	in := []contender{}
	for _, r := range []string{"$BIN/cove-runtime", "crun", "runc"} {
		in = append(in, contender{name: r, run: runs(r, "--root", "$WORK/oci", verb, "--bundle", "$WORK/"+bundleDir, "bench")})
	}
	in[0].name = "cove"
	return row{name: name, target: target, rounds: 40, in: in}
}

func runtimeRows() []row {
	exec := row{name: "runtime exec /bin/true", target: "≤0.5 × crun", rounds: 40}
	for _, r := range []string{"$BIN/cove-runtime", "crun", "runc"} {
		exec.in = append(exec.in, contender{name: r, run: shell(r + " --root $WORK/oci exec sleeper-" + base(r) + " /bin/true")})
	}
	exec.in[0].name = "cove"
	exec.setup = func(ctx context.Context, l *lab) error {
		for _, r := range []string{"$BIN/cove-runtime", "crun", "runc"} {
			// Started in the background with its own streams: the container outlives the command.
			line := r + " --root $WORK/oci run --detach --bundle $WORK/seccomp-sleep sleeper-" + base(r) + " </dev/null >/dev/null 2>&1"
			if err := shell(line)(ctx, l); err != nil {
				return err
			}
			l.ends = append(l.ends, shell(r+" --root $WORK/oci delete --force sleeper-"+base(r)))
		}
		return nil
	}
	return []row{
		runtimeRow("runtime run /bin/true, default seccomp profile", "≤0.35 × crun", "run", "seccomp"),
		runtimeRow("runtime run /bin/true, no seccomp", "≤0.6 × crun", "run", "plain"),
		exec,
	}
}

func base(r string) string {
	if r == "crun" || r == "runc" {
		return r
	}
	return "cove"
}

func engineRows() []row {
	imports := func(ctx context.Context, l *lab) error {
		return shell(`$COVE import $CACHE/base.tar base >/dev/null; $PODMAN import $CACHE/base.tar base >/dev/null; $DOCKER import $CACHE/base.tar base >/dev/null`)(ctx, l)
	}
	run := func(name, target string, flags string) row {
		return row{name: name, target: target, rounds: 15, in: []contender{
			{name: "cove", run: shell("$COVE run --rm " + flags + " base /bin/true")},
			{name: "docker", run: shell("$DOCKER run --rm " + flags + " base /bin/true")},
			{name: "podman", run: shell("$PODMAN run --rm " + flags + " base /bin/true")},
		}}
	}
	bridge := run("run --rm, bridge network", "≤0.12 × docker", "")
	bridge.setup = imports
	return []row{bridge, run("run --rm --network none", "≤0.12 × podman", "--network none")}
}

// dockerfile is a build with large COPYs, several RUNs and three stages.
const dockerfile = `FROM base AS one
COPY go/src /src
RUN find /src -name '*.go' | wc -l > /count
FROM base AS two
COPY go/pkg /pkg
COPY go/bin /bin-go
RUN ls -R /pkg > /list
FROM base
COPY --from=one /count /count
COPY --from=one /src /usr/local/src
COPY --from=two /pkg /usr/local/pkg
RUN cat /count && touch /done
`

func buildRows() []row {
	setup := func(ctx context.Context, l *lab) error {
		if err := shell(`mkdir -p $WORK/ctx && cp -a "$(go env GOROOT)" $WORK/ctx/go`)(ctx, l); err != nil {
			return err
		}
		return write("ctx/Dockerfile", dockerfile)(ctx, l)
	}
	cove := "$COVE build -q -t big $WORK/ctx"
	buildah := "$BUILDAH build -q --layers --isolation oci --ulimit nofile=1024:4096 -t big $WORK/ctx"
	docker := "DOCKER_BUILDKIT=0 $DOCKER build -q -t big $WORK/ctx"
	cold := row{name: "cold build, three stages, base and context local", target: "≤0.4 × the fastest", rounds: 2, setup: setup, in: []contender{
		{name: "cove", before: shell("$COVE rmi -f big >/dev/null 2>&1 || true; $COVE image prune >/dev/null"), run: shell(cove)},
		{name: "buildah", before: shell("$BUILDAH rmi -f big >/dev/null 2>&1 || true; $BUILDAH rmi -p >/dev/null 2>&1 || true"), run: shell(buildah)},
		{name: "docker", before: shell("$DOCKER rmi -f big >/dev/null 2>&1 || true; $DOCKER image prune -f >/dev/null"), run: shell(docker)},
	}}
	warm := row{name: "warm rebuild, nothing changed", target: "≤200 ms", rounds: 5, in: []contender{
		{name: "cove", run: shell(cove)}, {name: "buildah", run: shell(buildah)}, {name: "docker", run: shell(docker)},
	}}
	fresh := row{name: "rebuild after a fresh copy of the context", target: "≤1000 ms", rounds: 3, in: []contender{
		{name: "cove", before: shell("rm -rf $WORK/fresh; cp -r $WORK/ctx $WORK/fresh"), run: shell("$COVE build -q -t big $WORK/fresh")},
		{name: "buildah", before: shell("rm -rf $WORK/fresh; cp -r $WORK/ctx $WORK/fresh"), run: shell("$BUILDAH build -q --layers --isolation oci --ulimit nofile=1024:4096 -t big $WORK/fresh")},
	}}
	return []row{cold, warm, fresh}
}
