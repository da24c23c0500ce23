package running

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"cove/bench/asker"
	"cove/bench/figures"
	"cove/bench/lab"
	"cove/bench/machine"
	"cove/bench/peers"
)

// socketOf is where an engine answers docker's API, and client docker's own, which asks both alike.
func socketOf(e string) string {
	return strings.Replace("$WORK/"+e+".sock", peers.Cove+".", "cove-api.", 1)
}
func client(e string) string { return "docker -H unix://" + socketOf(e) }

// api needs the server that docker's client asks.
func api(engine string) lab.Need {
	return lab.Need{Name: "API of " + engine, Do: func(ctx context.Context, l *lab.Lab) error {
		if err := l.Prepare(ctx, peers.Imported(engine)); err != nil || engine != peers.Cove {
			return err
		}
		socket := l.Expand(socketOf(engine))
		s, err := l.Serve("cove-api", "unix", socket, l.Vars["BIN"]+"/cove-api", "--root", l.Work+"/cove",
			"api", "serve", "--socket", socket)
		if err == nil {
			l.Vars["API_PID"] = strconv.Itoa(s.PID())
		}
		return err
	}}
}

// apiRows are what docker's client does over both.
func apiRows() []lab.Row {
	over := func(line string, before func(engine string) lab.Need) []lab.Contender {
		return peers.Each([]string{peers.Cove, peers.Docker}, func(e string) lab.Contender {
			do := lab.Shell(strings.ReplaceAll(line, "CLIENT", client(e)))
			return lab.Contender{Needs: []lab.Need{api(e), before(e)}, Run: do}
		})
	}
	hundred := crowded("run -d", "a hundred", 100)
	thousand := lab.Row{
		Name: "docker's API: ps -a of 1,000 containers", Target: figures.Target{Most: 150}, Rounds: 10,
		In: over("CLIENT ps -a >/dev/null", crowded("create", "a thousand", 1000))[:1],
	}
	alone := lab.Row{
		Name: "ps -a of 1,000 containers", Target: figures.Target{Most: 100}, Rounds: 10, After: removeCrowds,
		In: []lab.Contender{{Name: peers.Cove, Needs: thousand.In[0].Needs, Run: lab.Shell("$COVE ps -a >/dev/null")}},
	}
	return []lab.Row{
		{
			Name: "docker's API: run --rm /bin/true", Target: lab.Within(0.25, peers.Docker), Rounds: 15,
			In: over("CLIENT run --rm base /bin/true", api),
		},
		{
			Name: "docker's API: buildx build, nothing changed", Target: lab.Within(0.5, peers.Docker), Rounds: 10,
			In: over("DOCKER_HOST=$(echo CLIENT | cut -d' ' -f3) $BUILDX build -q -t small $WORK/small", smallContext),
		},
		{
			Name: "docker's API: ps with 100 containers", Target: lab.Within(0.5, peers.Docker), Rounds: 15,
			In: over("CLIENT ps >/dev/null", hundred),
			Note: "most of it is docker's own program, which starts and asks: with a server that answers from memory at once " +
				"it is 0.72 of what it is with dockerd, so 0.5 cannot be had here. The next row is the server alone.",
		},
		{
			Name: "docker's API: 20 lists of 100 containers, the server alone", Target: lab.Within(0.5, peers.Docker),
			Rounds: 15,
			In: peers.Each([]string{peers.Cove, peers.Docker}, func(e string) lab.Contender {
				lists := func(ctx context.Context, l *lab.Lab) error {
					return asker.Lists(ctx, l.Expand(socketOf(e)), 20)
				}
				return lab.Contender{Needs: []lab.Need{api(e), hundred(e)}, Run: lists}
			}), After: removeCrowds,
		},
		thousand,
		alone,
		{
			Name: "docker's API: resident memory, idle", Target: figures.Target{Most: 25}, Rounds: 1, Cold: true,
			Unit: "MB",
			In:   []lab.Contender{{Name: peers.Cove, Needs: []lab.Need{api(peers.Cove)}, Value: idleMemory}},
		},
	}
}

// smallContext needs a context whose sending costs nothing, in $WORK/small.
func smallContext(string) lab.Need {
	return lab.Need{Name: "a small context", Do: lab.Shell(`mkdir -p $WORK/small
		for i in $(seq 200); do echo $i >$WORK/small/$i; done
		printf 'FROM base\nCOPY . /src\nRUN touch /done\n' >$WORK/small/Dockerfile`)}
}

// crowded needs containers, made by a verb of docker's.
func crowded(verb, name string, many int) func(engine string) lab.Need {
	return func(engine string) lab.Need {
		return lab.Need{Name: name + " containers of " + engine, Do: lab.Shell(fmt.Sprintf(
			"for i in $(seq %d); do %s %s --network none -l crowd=1 base sleep 100000 >/dev/null; done", many, client(engine), verb))}
	}
}

// removeCrowds removes what crowded has made.
func removeCrowds(ctx context.Context, l *lab.Lab) error {
	for _, e := range []string{peers.Cove, peers.Docker} {
		remove := client(e) + " ps -aq -f label=crowd | xargs -r -n 100 " + client(e) + " rm -f >/dev/null"
		if err := lab.Shell("test ! -S "+socketOf(e)+" || "+remove)(ctx, l); err != nil {
			return err
		}
	}
	return nil
}

// idleMemory is what the server takes that was asked much, and is asked nothing.
func idleMemory(ctx context.Context, l *lab.Lab) (float64, error) {
	if err := lab.Run(client(peers.Cove)+" ps -a")(ctx, l); err != nil {
		return 0, err
	}
	time.Sleep(5 * time.Second)
	pid, err := strconv.Atoi(l.Vars["API_PID"])
	if err != nil {
		return 0, err
	}
	return machine.Resident(pid)
}
