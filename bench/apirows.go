package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"cove/bench/asker"
	"cove/bench/figures"
	"cove/bench/machine"
)

// socketOf is where an engine answers docker's API, and client docker's own, which asks both alike.
func socketOf(e string) string { return strings.Replace("$WORK/"+e+".sock", cove+".", "cove-api.", 1) }
func client(e string) string   { return "docker -H unix://" + socketOf(e) }

// api needs the server that docker's client asks.
func api(engine string) need {
	return need{"API of " + engine, func(ctx context.Context, tb *testbed) error {
		if err := tb.prepare(ctx, imported(engine)); err != nil || engine != cove {
			return err
		}
		socket := tb.expand(socketOf(engine))
		s, err := tb.serve("cove-api", "unix", socket, tb.vars["BIN"]+"/cove-api", "--root", tb.work+"/cove",
			"api", "serve", "--socket", socket)
		if err == nil {
			tb.vars["API_PID"] = strconv.Itoa(s.cmd.Process.Pid)
		}
		return err
	}}
}

// apiRows are what docker's client does over both.
func apiRows() []row {
	over := func(line string, before func(engine string) need) []contender {
		return each([]string{cove, docker}, func(e string) contender {
			do := shell(strings.ReplaceAll(line, "CLIENT", client(e)))
			return contender{needs: []need{api(e), before(e)}, run: do}
		})
	}
	hundred := crowded("run -d", "a hundred", 100)
	thousand := row{
		name: "docker's API: ps -a of 1,000 containers", target: figures.Target{Most: 150}, rounds: 10,
		in: over("CLIENT ps -a >/dev/null", crowded("create", "a thousand", 1000))[:1], after: removeCrowds,
	}
	alone := contender{name: "cove ps -a", needs: thousand.in[0].needs, run: shell("$COVE ps -a >/dev/null")}
	thousand.in = append(thousand.in, alone)
	return []row{
		{
			name: "docker's API: run --rm /bin/true", target: within(0.25, docker), rounds: 15,
			in: over("CLIENT run --rm base /bin/true", api),
		},
		{
			name: "docker's API: buildx build, nothing changed", target: within(0.5, docker), rounds: 10,
			in: over("DOCKER_HOST=$(echo CLIENT | cut -d' ' -f3) $BUILDX build -q -t small $WORK/small", smallContext),
		},
		{
			name: "docker's API: ps with 100 containers", target: within(0.5, docker), rounds: 15,
			in: over("CLIENT ps >/dev/null", hundred),
			note: "most of it is docker's own program, which starts and asks: with a server that answers from memory at once " +
				"it is 0.72 of what it is with dockerd, so 0.5 cannot be had here. The next row is the server alone.",
		},
		{
			name: "docker's API: 20 lists of 100 containers, the server alone", target: within(0.5, docker), rounds: 15,
			in: each([]string{cove, docker}, func(e string) contender {
				return contender{needs: []need{api(e), hundred(e)}, run: func(ctx context.Context, tb *testbed) error {
					return asker.Lists(ctx, tb.expand(socketOf(e)), 20)
				}}
			}), after: removeCrowds,
		},
		thousand,
		{
			name: "docker's API: resident memory, idle", target: figures.Target{Most: 25}, rounds: 1, cold: true,
			unit: "MB",
			in:   []contender{{name: cove, needs: []need{api(cove)}, value: idleMemory}},
		},
	}
}

// smallContext needs a context whose sending costs nothing, in $WORK/small.
func smallContext(string) need {
	return need{"a small context", shell(`mkdir -p $WORK/small
		for i in $(seq 200); do echo $i >$WORK/small/$i; done
		printf 'FROM base\nCOPY . /src\nRUN touch /done\n' >$WORK/small/Dockerfile`)}
}

// crowded needs containers, made by a verb of docker's.
func crowded(verb, name string, many int) func(engine string) need {
	return func(engine string) need {
		return need{name + " containers of " + engine, shell(fmt.Sprintf(
			"for i in $(seq %d); do %s %s --network none -l crowd=1 base sleep 100000 >/dev/null; done", many, client(engine), verb))}
	}
}

// removeCrowds removes what crowded has made.
func removeCrowds(ctx context.Context, tb *testbed) error {
	for _, e := range []string{cove, docker} {
		remove := client(e) + " ps -aq -f label=crowd | xargs -r -n 100 " + client(e) + " rm -f >/dev/null"
		if err := shell("test ! -S "+socketOf(e)+" || "+remove)(ctx, tb); err != nil {
			return err
		}
	}
	return nil
}

// idleMemory is what the server takes that was asked much, and is asked nothing.
func idleMemory(ctx context.Context, tb *testbed) (float64, error) {
	if err := run(client(cove)+" ps -a")(ctx, tb); err != nil {
		return 0, err
	}
	time.Sleep(5 * time.Second)
	kib, _, _ := strings.Cut(machine.Field("/proc/"+tb.vars["API_PID"]+"/status", "VmRSS"), " ")
	n, err := strconv.ParseFloat(kib, 64)
	return n / 1024, err
}
